//! The one verdict that a client asks for: of a commit, of the head of a merge request, or of the newest commit of a
//! branch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::commits::{Commit, commit};
use super::verdict::{CommitVerdict, default_branch, head_of_branch, head_of_merge_request, verdicts};
use crate::checks::{Answer, Pattern, Reason, Verdict, Why};
use crate::db::{Reader, StoreError};

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A commit: its whole hash, or its first digits.
    Sha(String),
    /// The newest commit of a branch of the repository; of its default branch without a name.
    Branch(Option<String>),
    /// The head of a merge request of the repository.
    MergeRequest(i64),
}

/// The verdict of a commit.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct VerdictOfCommit {
    /// Host of the repository; empty if unknown.
    pub host: String,
    /// Path of the repository; empty if the commit is unknown.
    pub repo: String,
    /// The whole hash of the commit; none if the branch or merge request has no known commit.
    pub sha: Option<String>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Changes when the verdict or a check does; `0` while nothing is known of the commit.
    pub version: String,
    /// How many checks of each class there are.
    pub counts: BTreeMap<&'static str, usize>,
}

impl VerdictOfCommit {
    fn unknown(sha: Option<String>, repo: &str) -> Self {
        let (verdict, version) = joint(&[]);
        Self { host: String::new(), repo: repo.to_owned(), sha, verdict, version, counts: BTreeMap::new() }
    }

    fn of(found: CommitVerdict) -> Self {
        let mut counts = BTreeMap::new();
        for check in &found.checks {
            *counts.entry(check.class).or_default() += 1;
        }
        let CommitVerdict { host, repo, sha, verdict, version, .. } = found;
        Self { host, repo, sha: Some(sha), verdict, version, counts }
    }
}

/// The verdict that a client asks for, in a repository if given; `Err` with the first commits that begin with the given
/// digits if there are several. `required` are patterns that need a check, beside those of the rules.
///
/// # Errors
/// As [`Reader::read`].
pub async fn verdict_of(
    reader: &mut Reader,
    asked: &Asked,
    repo: Option<&str>,
    required: &[Pattern],
    now: Timestamp,
) -> Result<Result<VerdictOfCommit, Vec<String>>, StoreError> {
    let path = repo.unwrap_or_default();
    let sha = match asked {
        Asked::Sha(text) => match commit(reader, text).await? {
            Commit::One(sha) => Some(sha),
            Commit::Several(commits) => return Ok(Err(commits)),
        },
        Asked::MergeRequest(mr) => head_of_merge_request(reader, path, *mr).await?,
        Asked::Branch(Some(branch)) => head_of_branch(reader, path, branch).await?,
        Asked::Branch(None) => {
            let branch = default_branch(reader, path).await?;
            head_of_branch(reader, path, &branch).await?
        }
    };
    let Some(sha) = sha else { return Ok(Ok(VerdictOfCommit::unknown(None, path))) };
    let mut found = verdicts(reader, &sha, repo, required, now).await?;
    Ok(Ok(match found.len() {
        1 => VerdictOfCommit::of(found.remove(0)),
        0 => VerdictOfCommit::unknown(Some(sha), path),
        _ => {
            let (verdict, version) = joint(&found);
            VerdictOfCommit { verdict, version, ..VerdictOfCommit::unknown(Some(sha), path) }
        }
    }))
}

/// The one verdict of a commit, and its version. If several repositories have the commit, it has none until one of them
/// is named.
#[must_use]
pub fn joint(found: &[CommitVerdict]) -> (Verdict, String) {
    let name = |one: &CommitVerdict| format!("{}/{}", one.host, one.repo).trim_start_matches('/').to_owned();
    match found {
        [one] => (one.verdict.clone(), one.version.clone()),
        [] => (Verdict { verdict: Answer::None, reasons: Vec::new(), settled: false }, "0".to_owned()),
        several => {
            let reasons = Vec::from([Reason { why: Why::Ambiguous, of: several.iter().map(name).collect() }]);
            let version = several.iter().map(|one| one.version.as_str()).collect::<Vec<_>>().join("-");
            (Verdict { verdict: Answer::None, reasons, settled: false }, version)
        }
    }
}
