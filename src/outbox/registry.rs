//! The registry of targets in the database: registered by name with their rules, by `migrate` and by each process that
//! has the targets document.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::receiver::{Receiver, Rules};
use crate::db::{Json, StoreError, Tx, column};

/// The registered targets.
#[derive(Clone, Debug)]
pub enum Registered {
    /// All targets.
    Known {
        /// The targets.
        receivers: Vec<Receiver>,
        /// Time of the transaction.
        now: Timestamp,
    },
    /// No process has registered targets yet, or a release whose rules this one cannot read has.
    Unknown,
}

/// A target to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// What it receives.
    pub rules: Rules,
    /// Events older than this are not announced.
    pub max_age: Duration,
}

/// The targets that can receive events of this transaction.
///
/// # Errors
/// When the statement fails.
pub async fn receivers(tx: &Tx<'_>) -> Result<Registered, StoreError> {
    let rows = tx.query(include_str!("sql/read_receivers.sql"), &[]).await?;
    let Some(first) = rows.first() else { return Ok(Registered::Unknown) };
    let (now, known): (Timestamp, bool) = (first.get("now"), first.get("known"));
    let named = rows.iter().filter_map(|row| Some((row.get::<_, Option<String>>("name")?, row)));
    let receivers: Vec<Receiver> = named
        .map(|(name, row)| {
            let rules: Option<Value> = row.get("rules");
            let max_age: Option<i64> = row.get("max_age_s");
            Receiver {
                name,
                rules: rules.and_then(|rules| serde_json::from_value(rules).ok()),
                max_age: Duration::from_secs(max_age.and_then(|age| u64::try_from(age).ok()).unwrap_or(u64::MAX)),
                registered_at: row.get::<_, Option<Timestamp>>("registered_at").unwrap_or(Timestamp::UNIX_EPOCH),
            }
        })
        .collect();
    let readable = receivers.iter().all(|receiver| receiver.rules.is_some());
    Ok(if readable && (known || !receivers.is_empty()) {
        Registered::Known { receivers, now }
    } else {
        Registered::Unknown
    })
}

/// Registers the targets of one document; an empty list means that the deployment has no target. Targets that are no
/// longer in the document are disabled. Idempotent; once for each process is enough.
///
/// # Errors
/// When the statement fails.
pub async fn register(tx: &Tx<'_>, targets: &[Registration]) -> Result<(), StoreError> {
    let known = include_str!("sql/know_targets.sql");
    if targets.is_empty() {
        return tx.query(known, &[]).await.map(drop);
    }
    let names = column(targets, |target| target.name.as_str());
    let found = tx.query(include_str!("sql/group_targets.sql"), &[&names]).await?;
    let Some(group) = found.first() else { return Ok(()) };
    let deployments: Vec<String> = group.get("deployments");
    let (now, since): (Timestamp, Timestamp) = (group.get("now"), group.get("since"));
    let max_age = |target: &Registration| i64::try_from(target.max_age.as_secs()).unwrap_or(i64::MAX);
    tx.query(
        include_str!("sql/register_targets.sql"),
        &[
            &names,
            &column(targets, |target| Json(&target.rules)),
            &column(targets, max_age),
            &column(targets, |_| deployments[0].as_str()),
            &column(targets, |_| since),
            &column(targets, |_| now),
        ],
    )
    .await?;
    let gone = tx.query(include_str!("sql/disable_targets.sql"), &[&deployments, &names]).await?;
    for target in &gone {
        tracing::info!(target = target.get::<_, &str>("name"), "disabled a target that is no longer in the document");
    }
    tx.query(known, &[]).await.map(drop)
}
