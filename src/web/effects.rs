//! Which components a commit affects, and which of them have no build.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::db::{Reader, StoreError};
use crate::sources::gitlab::reads::{self, PushRow};
use crate::sources::konflux::reads::{self as konflux, Changed, RunRow};

/// A build that does not exist by then is missing.
const EXPECTED: SignedDuration = SignedDuration::from_mins(30);

/// The components that a commit affects.
#[derive(Default)]
pub(super) struct Effect {
    /// Those that its files belong to, and those that were built of it.
    pub(super) affected: BTreeSet<String>,
    /// Those that were built of it.
    pub(super) built: BTreeSet<String>,
}

impl Effect {
    pub(super) fn missing(&self) -> BTreeSet<String> {
        self.affected.difference(&self.built).cloned().collect()
    }
}

/// The effects of pushes by commit, given all runs of their commits; in one application or in all.
pub(super) async fn effects(
    reader: &mut Reader,
    pushes: &[PushRow],
    runs: impl IntoIterator<Item = &RunRow>,
    application: Option<&str>,
) -> Result<HashMap<String, Effect>, StoreError> {
    let projects: Vec<&str> = Vec::from_iter(BTreeSet::from_iter(pushes.iter().map(|push| push.repo.as_str())));
    // GitLab redirects git from the paths that a project had, so Components may name one of them still.
    let former = reads::former_paths(reader, &projects).await?;
    let mut changed = Vec::new();
    for push in pushes {
        let (sha, host, branch) = (push.sha.as_str(), push.host.as_deref(), push.branch.as_str());
        let former = former.iter().filter(|path| path.project == push.repo).map(|path| path.former.as_str());
        for project in former.chain([push.repo.as_str()]) {
            changed.extend(push.changed_files.iter().map(|path| Changed { sha, project, host, branch, path }));
        }
    }
    let mut effects: HashMap<String, Effect> = HashMap::new();
    for row in konflux::affected(reader, &changed, application).await? {
        effects.entry(row.sha).or_default().affected.insert(row.name);
    }
    for run in runs.into_iter().filter(|run| run.kind == "build") {
        if let (Some(sha), Some(component)) = (&run.sha, &run.component) {
            let effect = effects.entry(sha.clone()).or_default();
            effect.affected.insert(component.clone());
            effect.built.insert(component.clone());
        }
    }
    Ok(effects)
}

/// Whether the builds of a push should exist by now.
pub(super) fn is_due(pushed_at: Option<Timestamp>, now: Timestamp) -> bool {
    pushed_at.is_none_or(|at| now.duration_since(at) > EXPECTED)
}
