//! What was announced of the verdicts of commits: commits whose checks have changed, and their newest verdicts.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::checks::check::Check;
use crate::checks::touched::Touched;
use crate::db::{Reader, StoreError, Tx, column, rows};
use crate::outbox::{Due, notify_due};

use super::settle::PushTimes;

rows! {
    /// A commit whose verdict may have changed.
    pub struct VerdictChange {
        /// Number of the note; `None` where time alone can have changed it.
        pub id: Option<i64>,
        /// Path of the repository.
        pub repo: String,
        /// Whole hash of the commit.
        pub sha: String,
        /// Whether nothing is announced of it.
        pub silent: bool,
    }

    /// When time alone changes a verdict.
    pub struct VerdictDue {
        /// When.
        pub due_at: Option<Timestamp>,
    }

    /// The newest verdict of a commit.
    pub struct KnownVerdict {
        /// Host of the repository; empty if unknown.
        pub host: String,
        /// Path of the repository.
        pub repo: String,
        /// Whole hash of the commit.
        pub sha: String,
        /// The verdict.
        pub verdict: String,
        /// When time alone can change it.
        pub due_at: Option<Timestamp>,
    }
}

/// Notes the commits whose verdicts changed checks or pushes can change, while a target asks for verdicts. Returns
/// whether a process has to look at them.
pub(super) async fn note_changes(
    tx: &Tx<'_>,
    changed: &[&Check],
    pushes: &PushTimes,
    touched: &Touched,
) -> Result<Due, StoreError> {
    let of_checks = changed.iter().filter(|check| check.lane.counts());
    let of_checks = of_checks.filter_map(|check| Some((check.repo.as_str(), check.sha.as_deref()?)));
    let of_pushes = pushes.keys().map(|(repo, _, sha)| (repo.as_str(), sha.as_str()));
    let commits: BTreeSet<(&str, &str)> = of_checks.chain(of_pushes).collect();
    if commits.is_empty() {
        return Ok(Due::default());
    }
    let commits: Vec<(&str, &str)> = commits.into_iter().collect();
    let (repo, sha) = (column(&commits, |c| c.0), column(&commits, |c| c.1));
    let sql = include_str!("sql/note_verdict_changes.sql");
    let noted = tx.query(sql, &[&repo, &sha, &column(&commits, |_| touched.is_silent())]).await?;
    if noted.is_empty() { Ok(Due::default()) } else { notify_due(tx).await }
}

/// Commits whose verdicts may have changed, at most twice `limit`.
///
/// # Errors
/// As [`Reader::read`].
pub async fn verdict_changes(reader: &mut Reader, limit: i64) -> Result<Vec<VerdictChange>, StoreError> {
    reader.read(include_str!("sql/next_verdict_changes.sql"), &[&limit]).await
}

/// When time alone changes a verdict next.
///
/// # Errors
/// As [`Reader::read`].
pub async fn next_verdict_due(reader: &mut Reader) -> Result<Option<Timestamp>, StoreError> {
    let found: Option<VerdictDue> = reader.first(include_str!("sql/next_verdict_due.sql"), &[]).await?;
    Ok(found.and_then(|found| found.due_at))
}

/// Takes noted commits by the numbers of their notes, and returns the numbers of those that no other process has taken;
/// `None` while another process announces verdicts.
///
/// # Errors
/// When the statement fails.
pub async fn take_verdict_changes(tx: &Tx<'_>, ids: &[i64]) -> Result<Option<BTreeSet<i64>>, StoreError> {
    let rows = tx.query(include_str!("sql/take_verdict_changes.sql"), &[&ids]).await?;
    let taken = rows.first().filter(|row| row.get("is_alone"));
    Ok(taken.map(|row| row.get::<_, Vec<i64>>("ids").into_iter().collect()))
}

/// The verdicts of commits (repository, hash) as they were recorded last.
///
/// # Errors
/// When the statement fails.
pub async fn announced_verdicts(tx: &Tx<'_>, commits: &[(&str, &str)]) -> Result<Vec<KnownVerdict>, StoreError> {
    let (repo, sha) = (column(commits, |c| c.0), column(commits, |c| c.1));
    tx.read(include_str!("sql/announced_verdicts.sql"), &[&repo, &sha]).await
}

/// Records verdicts.
///
/// # Errors
/// When the statement fails.
pub async fn record_verdicts(tx: &Tx<'_>, rows: &[KnownVerdict]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/upsert_verdicts.sql"),
        &[
            /* host */ &column(rows, |r| r.host.as_str()),
            /* repo */ &column(rows, |r| r.repo.as_str()),
            /* sha */ &column(rows, |r| r.sha.as_str()),
            /* verdict */ &column(rows, |r| r.verdict.as_str()),
            /* due_at */ &column(rows, |r| r.due_at),
        ],
    )
    .await
    .map(drop)
}
