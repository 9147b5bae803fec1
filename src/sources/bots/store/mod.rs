//! Writes bots and their heartbeats. [`reads`] has the queries of the web UI.

mod checks;
mod prune;
pub mod reads;

use std::collections::HashMap;

pub use self::checks::{TABLE, checks, lock_rows};
pub use self::prune::{prune_transitions, sweep};
use super::record::{Beat, Record};
use crate::checks::Touched;
use crate::db::{StoreError, Tx, column};

/// Writes a batch and returns the numbers of the records that changed something. A heartbeat that arrives late does not
/// change the row of its bot, but is added to the history. Idempotent: a heartbeat that is delivered again changes
/// nothing. The changed bots are added to `touched`.
///
/// # Errors
/// When a statement fails.
pub async fn write(tx: &Tx<'_>, batch: &[(usize, &Record)], touched: &mut Touched) -> Result<Vec<usize>, StoreError> {
    let mut beats: HashMap<_, (usize, &Beat)> = HashMap::new();
    for (number, beat) in batch {
        beats.entry((&*beat.name, beat.at, &*beat.message_id)).or_insert((*number, beat));
    }
    let rows: Vec<&Beat> = beats.values().map(|(_, beat)| *beat).collect();
    let bots = tx
        .query(
            include_str!("sql/upsert_bots.sql"),
            &[
                /* name */ &column(&rows, |r| r.name.as_str()),
                /* status */ &column(&rows, |r| r.status.name()),
                /* comment */ &column(&rows, |r| r.comment.as_deref()),
                /* meta */ &column(&rows, |r| r.meta.as_str()),
                /* interval_seconds */ &column(&rows, |r| r.interval_seconds),
                /* warnings */ &column(&rows, |r| serde_json::json!(r.warnings).to_string()),
                /* updated_at */ &column(&rows, |r| r.at),
                /* message_id */ &column(&rows, |r| r.message_id.as_str()),
                /* message_at */ &column(&rows, |r| r.message_at),
            ],
        )
        .await?;
    touched.add(TABLE, bots.iter().map(|row| row.get::<_, &str>("name")));
    let new = tx
        .query(
            include_str!("sql/insert_beats.sql"),
            &[
                /* name */ &column(&rows, |r| r.name.as_str()),
                /* at */ &column(&rows, |r| r.at),
                /* message_id */ &column(&rows, |r| r.message_id.as_str()),
                /* status */ &column(&rows, |r| r.status.name()),
                /* comment */ &column(&rows, |r| r.comment.as_deref()),
                /* message_at */ &column(&rows, |r| r.message_at),
            ],
        )
        .await?;
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<(&str, jiff::Timestamp, &str)> =
        new.iter().map(|row| (row.get("name"), row.get("at"), row.get("message_id"))).collect();
    tx.query(
        include_str!("sql/link_beats.sql"),
        &[
            /* name */ &column(&keys, |(name, ..)| *name),
            /* at */ &column(&keys, |(_, at, _)| *at),
            /* message_id */ &column(&keys, |(.., message_id)| *message_id),
        ],
    )
    .await?;
    Ok(keys.iter().filter_map(|key| beats.get(key).map(|(number, _)| *number)).collect())
}
