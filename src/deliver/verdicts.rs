//! Announces changes of the verdicts of commits, also those that time alone makes, as events with a commit status; for
//! targets that ask for verdicts. A change is announced at least once; of several changes of a commit that are found
//! together, the last one.
//!
//! A verdict is read outside of the transaction that announces it. The notes of the commits are read before, and are
//! deleted in the transaction: if another process has announced the verdict meanwhile, it has taken the notes, too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::targets::{Kind, Target};
use crate::checks::store::{
    KnownVerdict, VerdictChange, announced_verdicts, next_verdict_due, record_verdicts, take_verdict_changes,
    verdict_changes,
};
use crate::checks::{Answer, Verdict};
use crate::db::{Store, StoreError, Tx};
use crate::outbox::{Announcer, CommitStatus, Due, Event, State, Version};
use crate::platform::clock::{self, Deadline};
use crate::reports::{CommitVerdict, verdicts};

/// Commits that are looked at together.
const COMMITS: i64 = 100;
/// So many commits at once mean that more of them probably wait.
pub(super) const MANY: usize = 50;
/// Time limit of the reads, and of the transaction.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Whether a target asks for verdicts.
pub(super) fn is_asked_for<'t>(targets: impl IntoIterator<Item = &'t Target>) -> bool {
    let asks = |target: &Target| matches!(&target.kind, Kind::Commit(commit) if commit.rules.verdict.is_some());
    targets.into_iter().any(asks)
}

/// A commit that is looked at.
type Commit = (String, String);

/// Announces the verdicts of the next commits whose checks have changed, or whose verdict time has changed. Returns how
/// many commits it looked at.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn announce(store: &Store) -> Result<usize, StoreError> {
    let deadline = Deadline::within(TIME_LIMIT);
    let mut reader = store.reader(deadline).await?;
    let changes = verdict_changes(&mut reader, COMMITS).await?;
    if changes.is_empty() {
        return Ok(0);
    }
    let now = clock::now();
    let commits: BTreeSet<Commit> = changes.iter().map(|change| (change.repo.clone(), change.sha.clone())).collect();
    let mut found = Vec::new();
    for (repo, sha) in &commits {
        found.extend(verdicts(&mut reader, sha, Some(repo), &[], now).await?);
    }
    // The transaction may need its connection.
    drop(reader);
    let write = async |tx: &mut Tx<'_>| write(tx, &changes, &found, now).await;
    store.in_tx("announce_verdicts", deadline, write).await?;
    Ok(commits.len())
}

/// How long it takes until time alone changes a verdict.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn next(store: &Store) -> Result<Option<Duration>, StoreError> {
    let mut reader = store.reader(Deadline::within(TIME_LIMIT)).await?;
    let due_at = next_verdict_due(&mut reader).await?;
    let wait = |at: Timestamp| Duration::try_from(at.duration_since(clock::now())).unwrap_or_default();
    Ok(due_at.map(wait))
}

async fn write(
    tx: &Tx<'_>,
    changes: &[VerdictChange],
    found: &[CommitVerdict],
    now: Timestamp,
) -> Result<Due, StoreError> {
    let ids: Vec<i64> = changes.iter().filter_map(|change| change.id).collect();
    let Some(taken) = take_verdict_changes(tx, &ids).await? else { return Ok(Due::default()) };
    let mut loud: BTreeMap<Commit, bool> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.id.is_none_or(|id| taken.contains(&id))) {
        let is_loud = loud.entry((change.repo.clone(), change.sha.clone())).or_default();
        *is_loud |= !change.silent;
    }
    let commits: Vec<(&str, &str)> = loud.keys().map(|(repo, sha)| (repo.as_str(), sha.as_str())).collect();
    let known = announced_verdicts(tx, &commits).await?;
    let mut announcer = Announcer::of_now();
    announcer.open(tx).await?;
    let mut rows = Vec::new();
    for one in found {
        let Some(is_loud) = loud.get(&(one.repo.clone(), one.sha.clone())) else { continue };
        let is_same = |row: &&KnownVerdict| (&row.host, &row.repo, &row.sha) == (&one.host, &one.repo, &one.sha);
        let before = known.iter().find(is_same).map(|row| row.verdict.as_str());
        let verdict = one.verdict.verdict;
        // A commit that a newer head has replaced gets its verdict, too: else its status would stay pending for ever.
        if *is_loud && before != Some(verdict.name()) && verdict != Answer::None {
            announcer.add(event(one, now));
        }
        rows.push(KnownVerdict {
            host: one.host.clone(),
            repo: one.repo.clone(),
            sha: one.sha.clone(),
            verdict: verdict.name().to_owned(),
            due_at: one.changes_at,
        });
    }
    // A commit without a check any more is not looked at again.
    for row in known {
        let is_found = found.iter().any(|one| (&one.host, &one.repo, &one.sha) == (&row.host, &row.repo, &row.sha));
        if !is_found {
            rows.push(KnownVerdict { verdict: Answer::None.name().to_owned(), due_at: None, ..row });
        }
    }
    rows.sort_by(|a, b| (&a.sha, &a.repo, &a.host).cmp(&(&b.sha, &b.repo, &b.host)));
    record_verdicts(tx, &rows).await?;
    announcer.flush(tx).await
}

/// The event of a verdict. Its age is that of the newest change of a check.
fn event(one: &CommitVerdict, now: Timestamp) -> Event {
    let verdict = &one.verdict;
    let newest = one.checks.iter().map(|item| item.check.changed_at).max();
    let mut payload: Map<String, Value> = Map::new();
    payload.insert("host".to_owned(), json!(one.host));
    payload.insert("repo".to_owned(), json!(one.repo));
    payload.insert("sha".to_owned(), json!(one.sha));
    payload.insert("verdict".to_owned(), json!(verdict));
    payload.insert("is_superseded".to_owned(), json!(one.is_superseded));
    let status = CommitStatus {
        host: one.host.clone(),
        path: one.repo.clone(),
        sha: one.sha.clone(),
        context: "verdict".to_owned(),
        names: one.branch.iter().map(|branch| ("branch".to_owned(), branch.clone())).collect(),
        state: state(verdict.verdict),
        description: description(verdict),
        url: None,
        version: Version { line: String::new(), number: 0, at: now, tie: Version::BY_EVENT_ORDER.to_owned() },
        is_verdict: true,
    };
    status.put_into(&mut payload);
    Event {
        family: "verdict",
        event: format!("verdict:{}", verdict.verdict.name()),
        key: format!("{}/{}@{}", one.host, one.repo, one.sha),
        attributes: BTreeMap::from([("repo".to_owned(), one.repo.clone())]),
        payload,
        at: newest.map(|at| at.min(now)),
        texts: BTreeMap::new(),
    }
}

/// The state of a verdict. A blocked commit must not be merged, so it is no success.
fn state(verdict: Answer) -> State {
    match verdict {
        Answer::Passed => State::Passed,
        Answer::Failed => State::Failed,
        Answer::Pending | Answer::None => State::Pending,
        Answer::Blocked => State::BlockedRunning,
    }
}

/// A verdict in one sentence.
fn description(verdict: &Verdict) -> String {
    let reasons = verdict.reasons.iter().map(|reason| {
        let why = json!(reason.why).as_str().unwrap_or_default().replace('_', " ");
        if reason.of.is_empty() { why } else { format!("{why}: {}", reason.of.join(", ")) }
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { verdict.verdict.name().to_owned() } else { reasons.join("; ") }
}
