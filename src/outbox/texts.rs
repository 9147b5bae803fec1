//! Finds the long texts of payloads, which are stored once, by their hash.

use std::collections::HashMap;

use super::due::EventDue;
use crate::db::{StoreError, Tx};

/// Finds the omitted texts of events; a text that is no longer stored stays omitted.
pub(super) async fn find(tx: &Tx<'_>, events: &mut [EventDue]) -> Result<(), StoreError> {
    let mut hashes: Vec<Vec<u8>> = events.iter().flat_map(|due| due.omitted.values()).cloned().collect();
    if hashes.is_empty() {
        return Ok(());
    }
    hashes.sort_unstable();
    hashes.dedup();
    let rows = tx.query(include_str!("sql/find_omitted_texts.sql"), &[&hashes]).await?;
    let texts: HashMap<&[u8], &str> = rows.iter().map(|row| (row.get("sha256"), row.get("text"))).collect();
    for due in events {
        let found = due.omitted.iter().filter_map(|(member, hash)| {
            let text = texts.get(hash.as_slice())?;
            Some((member.clone(), (*text).to_owned()))
        });
        due.texts = found.collect();
    }
    Ok(())
}
