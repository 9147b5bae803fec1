//! What pages show of deliveries. No payload is among it: what is told to a target is the target's business.

use jiff::Timestamp;

use super::list;
use crate::store::{Reader, StoreError, rows};

rows! {
    /// A target and how it stands.
    pub struct TargetRow {
        /// Its name.
        pub name: String,
        /// Faults in a row.
        pub failures: i32,
        /// How often in a row it was closed off.
        pub trips: i32,
        /// Nothing is sent before: its breaker is open.
        pub open_until: Option<Timestamp>,
        /// What it said last.
        pub reason: Option<String>,
        /// Deliveries that wait.
        pub pending: i64,
        /// Deliveries that were given up.
        pub dead: i64,
        /// Since when the oldest waits.
        pub oldest: Option<Timestamp>,
    }

    /// A delivery that has not been made.
    pub struct DeliveryRow {
        /// `s` and a number for a commit status, `e` and a number for an event.
        pub id: String,
        /// Name of the target; `-` for an event that leads nowhere so far.
        pub target: String,
        /// What it is about.
        pub what: String,
        /// `pending`, `dead`, `undeliverable` or `unrouted`.
        pub state: String,
        /// How often it was tried.
        pub attempts: i32,
        /// Since when it is wanted.
        pub since: Timestamp,
        /// When it is tried next.
        pub next_attempt_at: Option<Timestamp>,
        /// What the target said last, or why it leads nowhere.
        pub reason: Option<String>,
    }
}

/// All targets that were ever worked for, by name.
///
/// # Errors
/// As [`Reader::read`].
pub async fn targets(reader: &mut Reader) -> Result<Vec<TargetRow>, StoreError> {
    reader.read(list::TARGETS, &[]).await
}

/// Which deliveries are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// State; `None` for pending and dead. The others are listed only if asked for: nothing waits for them.
    pub state: Option<&'a str>,
    /// Name of the target.
    pub target: Option<&'a str>,
    /// In id, what it is about or reason.
    pub text: Option<&'a str>,
    /// Only those after this one: since when, id, target.
    pub after: Option<(Timestamp, String, String)>,
    /// Newest first.
    pub newest_first: bool,
}

/// Deliveries that have not been made, oldest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn undelivered(reader: &mut Reader, wanted: &Wanted<'_>, most: i64) -> Result<Vec<DeliveryRow>, StoreError> {
    let oldest = include_str!("sql/list_undelivered.sql");
    let newest = include_str!("sql/list_undelivered_newest.sql");
    let sql = if wanted.newest_first { newest } else { oldest };
    let Wanted { state, target, text, after, .. } = wanted;
    let after = after.as_ref();
    let (at, id, of) = (after.map(|a| a.0), after.map(|a| a.1.as_str()), after.map(|a| a.2.as_str()));
    reader.read(sql, &[state, target, text, &at, &id, &of, &most]).await
}
