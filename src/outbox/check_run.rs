//! The check run at GitHub that shows the state of something: its id, and whether it is completed. GitHub does not reopen a
//! completed one.

use std::collections::{BTreeMap, HashMap};

use super::Notice;
use super::queue::EventDue;
use crate::store::{StoreError, Tx, column};

/// A check run that was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckRun {
    /// Target that made it.
    pub target: String,
    /// Path of the repository.
    pub repo: String,
    /// Commit.
    pub sha: String,
    /// What it is of.
    pub external_id: String,
    /// Its id at GitHub.
    pub run_id: i64,
    /// Whether it is completed.
    pub completed: bool,
}

/// What the check run in a payload is of: repository, commit and external id.
fn subject(due: &EventDue) -> Option<(String, String, String)> {
    // Only few events are notices; those of Slack and mail are not taken apart for this.
    let Notice::CheckRun { path, body, .. } = Notice::of(&due.payload.ours())? else { return None };
    let text = |member: &str| body.get(member).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Some((path, text("head_sha"), text("external_id")))
}

/// Finds the check runs that events are about.
pub(super) async fn find(tx: &Tx<'_>, events: &mut [EventDue]) -> Result<(), StoreError> {
    let subjects: Vec<(usize, (String, String, String))> =
        events.iter().enumerate().filter_map(|(place, due)| Some((place, subject(due)?))).collect();
    if subjects.is_empty() {
        return Ok(());
    }
    let rows = tx
        .query(
            include_str!("sql/find_check_runs.sql"),
            &[
                &column(&subjects, |(place, _)| events[*place].target.clone()),
                &column(&subjects, |(_, (repo, ..))| repo.as_str()),
                &column(&subjects, |(_, (_, sha, _))| sha.as_str()),
                &column(&subjects, |(_, (.., external_id))| external_id.as_str()),
            ],
        )
        .await?;
    let found = rows.iter().map(|row| CheckRun {
        target: row.get("target"),
        repo: row.get("repo"),
        sha: row.get("sha"),
        external_id: row.get("external_id"),
        run_id: row.get("run_id"),
        completed: row.get("completed"),
    });
    let found: HashMap<_, CheckRun> = found
        .map(|run| ((run.target.clone(), run.repo.clone(), run.sha.clone(), run.external_id.clone()), run))
        .collect();
    for (place, (repo, sha, external_id)) in subjects {
        let key = (events[place].target.clone(), repo, sha, external_id);
        events[place].check_run = found.get(&key).cloned();
    }
    Ok(())
}

/// Keeps check runs; of one thing the newest.
///
/// # Errors
/// When the statement fails.
pub async fn keep(tx: &Tx<'_>, runs: &[&CheckRun]) -> Result<(), StoreError> {
    let mut newest: BTreeMap<(&str, &str, &str, &str), &CheckRun> = BTreeMap::new();
    for run in runs {
        let best = newest.entry((&run.target, &run.repo, &run.sha, &run.external_id)).or_insert(run);
        if (best.run_id, best.completed) < (run.run_id, run.completed) {
            *best = run;
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let rows: Vec<&CheckRun> = newest.into_values().collect();
    tx.query(
        include_str!("sql/keep_check_runs.sql"),
        &[
            /* target */ &column(&rows, |r| r.target.as_str()),
            /* repo */ &column(&rows, |r| r.repo.as_str()),
            /* sha */ &column(&rows, |r| r.sha.as_str()),
            /* external_id */ &column(&rows, |r| r.external_id.as_str()),
            /* run_id */ &column(&rows, |r| r.run_id),
            /* completed */ &column(&rows, |r| r.completed),
        ],
    )
    .await
    .map(drop)
}
