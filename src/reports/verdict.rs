//! The verdict of a commit, with its checks: reads what it depends on, and applies the rules of `checks`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::failures::compare;
use crate::checks::failures::Failure;
use crate::checks::rules::Verdicts;
use crate::checks::store::{checks_of_commit, projecting_since, registered_rules};
use crate::checks::{
    Answer, Check, Head, Lane, Outcome, Pattern, Reason, Verdict, Why, changes_at, slots, verdict_of_slots,
};
use crate::db::{Reader, StoreError, rows};
use crate::platform::hex::hex;

/// The verdict of a commit in one repository, with its checks.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CommitVerdict {
    /// Host of the repository; empty if unknown.
    pub host: String,
    /// Path of the repository.
    pub repo: String,
    /// The whole hash of the commit.
    pub sha: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Changes when the verdict or a check does.
    pub version: String,
    /// The checks, those that failed first.
    pub checks: Vec<CheckItem>,
    /// When time alone can change the verdict next.
    #[serde(skip)]
    pub changes_at: Option<Timestamp>,
    /// Whether a newer head has replaced the commit.
    #[serde(skip)]
    pub is_superseded: bool,
    /// The branch that the commit was pushed to, or is to be merged into.
    #[serde(skip)]
    pub branch: Option<String>,
}

/// A check for display.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CheckItem {
    /// The check.
    #[serde(flatten)]
    pub check: Check,
    /// What the state means: `open`, `bad`, `ok`, `held`, `void`.
    pub class: &'static str,
    /// Whether it decides the verdict: it is the newest of its name with a result, of a lane that counts, and not
    /// optional.
    pub counts: bool,
    /// Whether it passed after a failure for the same commit.
    pub flaky: bool,
    /// Whether it is open beyond the time limit of its source.
    pub stuck: bool,
    /// What its failure is, beside the target branch: of merge requests, and with the checks of the whole commit only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Page of the series of the target branch that it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl CheckItem {
    /// A check as it is at a time; by itself, without the others of its commit.
    #[must_use]
    pub fn of(check: Check, now: Timestamp) -> Self {
        let outcome = check.outcome(now);
        Self {
            class: outcome.name(),
            counts: check.lane.counts() && !check.optional,
            flaky: outcome == Outcome::Ok && check.was_bad(),
            stuck: check.is_stuck(now),
            failure: None,
            evidence: None,
            check,
        }
    }

    /// Its place in the list of a commit: what counts before the rest; what failed first, then what is open, held,
    /// void, and what succeeded.
    fn place(&self) -> (bool, usize, &str, &str, &str) {
        let rank = ["bad", "open", "held", "void", "ok"].iter().position(|class| *class == self.class);
        (!self.counts, rank.unwrap_or_default(), &self.check.system, &self.check.name, &self.check.key)
    }
}

rows! {
    /// A branch or a merge request that a commit is or was the head of.
    pub struct CommitHead {
        /// Host of the repository; empty if unknown.
        pub host: String,
        /// Path of the repository.
        pub repo: String,
        /// The branch; of a merge request its source branch.
        pub branch: Option<String>,
        /// Number of the merge request.
        pub mr: Option<i64>,
        /// Branch that the merge request is to be merged into.
        pub target: Option<String>,
        /// Since when it was the head.
        pub pushed_at: Option<Timestamp>,
        /// Whether another commit is the head now.
        pub is_replaced: bool,
    }

    /// A commit that is the newest one.
    pub struct NewestCommit {
        /// Its whole hash.
        pub sha: String,
    }

    /// A branch.
    pub struct BranchName {
        /// Its name.
        pub branch: String,
    }
}

/// The newest commit of a branch; `None` if none is known.
///
/// # Errors
/// As [`Reader::read`].
pub async fn head_of_branch(reader: &mut Reader, repo: &str, branch: &str) -> Result<Option<String>, StoreError> {
    let found: Option<NewestCommit> = reader.first(include_str!("sql/head_of_branch.sql"), &[&repo, &branch]).await?;
    Ok(found.map(|commit| commit.sha))
}

/// The newest commit of a merge request; `None` if none is known.
///
/// # Errors
/// As [`Reader::read`].
pub async fn head_of_merge_request(reader: &mut Reader, repo: &str, mr: i64) -> Result<Option<String>, StoreError> {
    let found: Option<NewestCommit> =
        reader.first(include_str!("sql/head_of_merge_request.sql"), &[&repo, &mr]).await?;
    Ok(found.map(|commit| commit.sha))
}

/// The default branch of a repository: as its host says, else `main` or `master`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn default_branch(reader: &mut Reader, repo: &str) -> Result<String, StoreError> {
    let found: Option<BranchName> = reader.first(include_str!("sql/default_branch.sql"), &[&repo]).await?;
    Ok(found.map_or_else(|| "main".to_owned(), |found| found.branch))
}

/// The verdicts of a commit (its whole hash), one for each repository that has it; in one repository if given.
/// `required` are patterns that need a check, beside those of the rules.
///
/// # Errors
/// As [`Reader::read`].
pub async fn verdicts(
    reader: &mut Reader,
    sha: &str,
    repo: Option<&str>,
    required: &[Pattern],
    now: Timestamp,
) -> Result<Vec<CommitVerdict>, StoreError> {
    let checks = checks_of_commit(reader, sha, repo).await?;
    let mut heads: Vec<CommitHead> = reader.read(include_str!("sql/commit_heads.sql"), &[&sha]).await?;
    heads.retain(|head| repo.is_none_or(|repo| head.repo == repo));
    let projecting_since = projecting_since(reader).await?;
    let rules = registered_rules(reader).await?;
    let mut answers = Vec::new();
    let mut all = by_repository(checks, &heads);
    if all.is_empty() && projecting_since.is_some() {
        all.insert((String::new(), repo.unwrap_or_default().to_owned()), Vec::new());
    }
    for ((host, repo), checks) in all {
        let heads: Vec<&CommitHead> =
            heads.iter().filter(|head| head.repo == repo && is_same_host(&head.host, &host)).collect();
        let head = Head {
            pushed_at: heads.iter().filter_map(|head| head.pushed_at).min(),
            is_superseded: match heads.is_empty() {
                true => is_superseded_by_checks(reader, &repo, sha, &checks).await?,
                false => heads.iter().any(|head| head.is_replaced),
            },
        };
        let commit = Commit { host, repo, sha: sha.to_owned(), checks, head, branch: branch_of(&heads) };
        let mut answer = commit.judge(&rules, required, projecting_since, now);
        if let Some(target) = heads.iter().find_map(|head| head.target.as_deref()) {
            let checks: Vec<Check> = answer.checks.iter().map(|item| item.check.clone()).collect();
            let mut compared = compare(reader, (&answer.repo, target), &checks, now).await?;
            for item in &mut answer.checks {
                let key = (item.check.kind.clone(), item.check.key.clone());
                (item.failure, item.evidence) = match compared.remove(&key) {
                    Some((failure, page)) => (Some(failure), page),
                    None => (None, None),
                };
            }
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// Hosts are compared only where both are known.
fn is_same_host(one: &str, other: &str) -> bool {
    one.is_empty() || other.is_empty() || one == other
}

/// The branch that the rules are chosen by: the one that the commit was pushed to, or is to be merged into.
fn branch_of(heads: &[&CommitHead]) -> Option<String> {
    let pushed = heads.iter().filter(|head| head.mr.is_none()).find_map(|head| head.branch.clone());
    heads.iter().find_map(|head| head.target.clone()).or(pushed)
}

/// Checks by host and repository. Those without a host belong to the repository of the same path with one.
fn by_repository(checks: Vec<Check>, heads: &[CommitHead]) -> BTreeMap<(String, String), Vec<Check>> {
    let of_checks = checks.iter().map(|check| (check.host.clone(), check.repo.clone()));
    let of_heads = heads.iter().map(|head| (head.host.clone(), head.repo.clone()));
    let all: BTreeSet<(String, String)> = of_checks.chain(of_heads).collect();
    let known = |host: &str, repo: &str| {
        let same = all.iter().find(|(other, path)| host.is_empty() && !other.is_empty() && path == repo);
        same.map_or_else(|| host.to_owned(), |(other, _)| other.clone())
    };
    let mut found: BTreeMap<(String, String), Vec<Check>> = BTreeMap::new();
    for (host, repo) in &all {
        found.entry((known(host, repo), repo.clone())).or_default();
    }
    for check in checks {
        found.entry((known(&check.host, &check.repo), check.repo.clone())).or_default().push(check);
    }
    found
}

/// Whether a newer commit has replaced this one, by the checks of its branches and merge requests: for repositories
/// whose pushes are not known.
async fn is_superseded_by_checks(
    reader: &mut Reader,
    repo: &str,
    sha: &str,
    checks: &[Check],
) -> Result<bool, StoreError> {
    let of_push = checks.iter().filter(|check| check.lane == Lane::Push);
    let branches: BTreeSet<&str> = of_push.filter_map(|check| check.branch.as_deref()).collect();
    let requests: BTreeSet<i64> = checks.iter().filter_map(|check| check.mr).collect();
    for branch in branches {
        if head_of_branch(reader, repo, branch).await?.is_some_and(|head| head != sha) {
            return Ok(true);
        }
    }
    for mr in requests {
        if head_of_merge_request(reader, repo, mr).await?.is_some_and(|head| head != sha) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A hash of all that is shown.
fn version(answer: &Verdict, checks: &[CheckItem]) -> String {
    let json = serde_json::json!([answer, checks]).to_string();
    hex(&Sha256::digest(json)[..8])
}

/// All that the verdict of a commit in one repository depends on.
struct Commit {
    host: String,
    repo: String,
    sha: String,
    checks: Vec<Check>,
    head: Head,
    branch: Option<String>,
}

impl Commit {
    fn judge(
        self,
        rules: &Verdicts,
        required: &[Pattern],
        projecting_since: Option<Timestamp>,
        now: Timestamp,
    ) -> CommitVerdict {
        let of_check = self.checks.iter().find_map(|check| check.branch.as_deref());
        let mut rules = rules.of(&self.host, &self.repo, self.branch.as_deref().or(of_check));
        for pattern in required {
            if !rules.required.contains(pattern) {
                rules.required.push(pattern.clone());
            }
        }
        let slots = slots(&self.checks, &rules, now);
        let mut answer = verdict_of_slots(&slots, self.head, &rules, now);
        let changes_at = changes_at(&slots, self.head, &rules, now);
        let begun = self.checks.iter().map(|check| check.created_at).chain(self.head.pushed_at).min();
        if projecting_since.is_some_and(|since| begun.is_none_or(|begun| begun < since)) {
            let reasons = Vec::from([Reason { why: Why::BeingComputed, of: Vec::new() }]);
            answer = Verdict { verdict: Answer::None, reasons, settled: false };
        }
        let counting = slots.iter().filter(|slot| !slot.is_optional).filter_map(|slot| slot.shown());
        let counting: BTreeSet<(&str, &str)> = counting.map(|check| (&*check.kind, &*check.key)).collect();
        let flaky = slots.iter().filter(|slot| slot.is_flaky()).filter_map(|slot| slot.shown());
        let flaky: BTreeSet<(&str, &str)> = flaky.map(|check| (&*check.kind, &*check.key)).collect();
        let item = |check: &Check| {
            let key = (&*check.kind, &*check.key);
            let (counts, flaky) = (counting.contains(&key), flaky.contains(&key));
            CheckItem { counts, flaky, ..CheckItem::of(check.clone(), now) }
        };
        let mut checks: Vec<CheckItem> = self.checks.iter().map(item).collect();
        checks.sort_by(|a, b| a.place().cmp(&b.place()));
        let version = version(&answer, &checks);
        CommitVerdict {
            host: self.host,
            repo: self.repo,
            sha: self.sha,
            verdict: answer,
            version,
            checks,
            changes_at,
            is_superseded: self.head.is_superseded,
            branch: self.branch,
        }
    }
}
