//! What waits, for whom and for how long; and whether a deliverer looks for it by itself.

use std::time::Duration;

use crate::store::{StoreError, Tx};

/// What waits for a target.
#[derive(Clone, Debug)]
pub struct Waits {
    /// Its name.
    pub target: String,
    /// How many deliveries wait.
    pub pending: i64,
    /// When the next one may be sent.
    pub next: Duration,
    /// What the target said last.
    pub reason: Option<String>,
}

/// What waits for targets, and how long; those for which nothing waits are not in it.
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

/// Says that a deliverer looks for work by itself for so long from now; zero: it does not any more.
///
/// # Errors
/// When the statement fails.
pub async fn stay_awake(tx: &Tx<'_>, time: Duration) -> Result<(), StoreError> {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    tx.query(include_str!("sql/stay_awake.sql"), &[&millis]).await.map(drop)
}
