//! Writes log excerpts: each text is stored once, by its hash.

use crate::db::{StoreError, Tx, column};
use crate::sources::kcidb::record::Submission;
use std::collections::BTreeMap;

/// Writes the texts that are not stored yet. Most are stored: many logs end with the same few lines.
pub(super) async fn write(tx: &Tx<'_>, submissions: &[(usize, &Submission)]) -> Result<(), StoreError> {
    let all = submissions.iter().flat_map(|(_, submission)| &submission.excerpts);
    let texts = BTreeMap::from_iter(all.map(|excerpt| (&excerpt.sha256[..], &*excerpt.text)));
    if texts.is_empty() {
        return Ok(());
    }
    let hashes: Vec<&[u8]> = texts.keys().copied().collect();
    let missing = tx.query(include_str!("sql/missing_log_excerpts.sql"), &[&hashes]).await?;
    let missing: Vec<&[u8]> = missing.iter().map(|row| row.get("sha256")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/insert_log_excerpts.sql"),
        &[
            /* sha256 */ &column(&missing, |sha256| *sha256),
            /* text */ &column(&missing, |text| texts.get(text).copied()),
        ],
    )
    .await?;
    Ok(())
}
