//! Pending deliveries by target, and whether a deliverer is running.

use std::time::Duration;

use crate::db::{StoreError, Tx};

/// The pending deliveries of a target.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Its name.
    pub target: String,
    /// Number of pending deliveries.
    pub pending: i64,
    /// Time until the next one may be sent.
    pub next: Duration,
    /// Last response of the target.
    pub reason: Option<String>,
}

/// The pending deliveries of targets; targets without any are left out.
///
/// # Errors
/// When the statement fails.
pub async fn waits(tx: &Tx<'_>, targets: &[&str]) -> Result<Vec<Waits>, StoreError> {
    let rows = tx.query(include_str!("sql/next_due.sql"), &[&targets]).await?;
    let waits = rows.iter().map(|row| Waits {
        target: row.get("name"),
        pending: row.get("pending"),
        next: Duration::from_millis(
            row.get::<_, Option<i64>>("wait_ms").and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
        ),
        reason: row.get("reason"),
    });
    Ok(waits.collect())
}

/// Records that a deliverer looks for work by itself for this time from now; zero: no longer.
///
/// # Errors
/// When the statement fails.
pub async fn stay_awake(tx: &Tx<'_>, time: Duration) -> Result<(), StoreError> {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    tx.query(include_str!("sql/stay_awake.sql"), &[&millis]).await.map(drop)
}
