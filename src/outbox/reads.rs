//! Queries of the web UI on deliveries. Payloads are left out: they are private to the targets.

use jiff::Timestamp;

use crate::db::{Reader, StoreError, rows};

/// Targets with their circuit breakers and numbers of deliveries.
pub(super) const TARGETS: &str = include_str!("sql/list_targets.sql");

rows! {
    /// The state of a target.
    pub struct TargetRow {
        /// Its name.
        pub name: String,
        /// Consecutive faults.
        pub failures: i32,
        /// How often in a row its circuit breaker opened.
        pub trips: i32,
        /// Until when its circuit breaker is open: nothing is sent before.
        pub open_until: Option<Timestamp>,
        /// Its last response.
        pub reason: Option<String>,
        /// Pending deliveries.
        pub pending: i64,
        /// Dead deliveries.
        pub dead: i64,
        /// Since when the oldest pending delivery waits.
        pub oldest: Option<Timestamp>,
    }

    /// A delivery that was not made.
    pub struct DeliveryRow {
        /// `s` and a number for a commit status, `e` and a number for an event.
        pub id: String,
        /// Name of the target; `-` for an event without one so far.
        pub target: String,
        /// Description of its object.
        pub what: String,
        /// `pending`, `dead`, `undeliverable` or `unrouted`.
        pub state: String,
        /// Number of attempts.
        pub attempts: i32,
        /// When it was requested.
        pub since: Timestamp,
        /// Time of the next attempt.
        pub next_attempt_at: Option<Timestamp>,
        /// Last response of the target, or why there is no target.
        pub reason: Option<String>,
    }
}

/// All targets that ever had deliveries, by name.
///
/// # Errors
/// As [`Reader::read`].
pub async fn targets(reader: &mut Reader) -> Result<Vec<TargetRow>, StoreError> {
    reader.read(TARGETS, &[]).await
}

/// A filter for deliveries; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter<'a> {
    /// State; `None` for pending and dead. Other states are listed only on request, since they need no action.
    pub state: Option<&'a str>,
    /// Name of the target.
    pub target: Option<&'a str>,
    /// Text in id, description or reason.
    pub text: Option<&'a str>,
    /// Cursor: only those after this one (since, id, target).
    pub after: Option<(Timestamp, String, String)>,
    /// Newest first.
    pub newest_first: bool,
}

/// Deliveries that were not made, by default oldest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn undelivered(
    reader: &mut Reader,
    filter: &DeliveryFilter<'_>,
    most: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let oldest = include_str!("sql/list_undelivered.sql");
    let newest = include_str!("sql/list_undelivered_newest.sql");
    let sql = if filter.newest_first { newest } else { oldest };
    let DeliveryFilter { state, target, text, after, .. } = filter;
    let after = after.as_ref();
    let (at, id, after_target) = (after.map(|a| a.0), after.map(|a| a.1.as_str()), after.map(|a| a.2.as_str()));
    reader.read(sql, &[state, target, text, &at, &id, &after_target, &most]).await
}
