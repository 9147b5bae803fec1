//! Receipts of submissions: a submitter over HTTP polls for the result.

use jiff::Timestamp;

use super::prune::prune_receipts;
use crate::db::{Reader, StoreError, Tx, column, rows};
use crate::sources::kcidb::record::Submission;

rows! {
    /// The result of a submission.
    pub struct Receipt {
        /// `processed` or `failed`.
        pub status: String,
        /// Number of its objects, if it was stored.
        pub objects: Option<i64>,
        /// The reason, if it was rejected.
        pub detail: Option<String>,
        /// When it was received.
        pub received_at: Timestamp,
    }
}

/// A receipt to be written.
struct Awaited<'s> {
    id: &'s str,
    submitter: &'s str,
    objects: i64,
}

/// Writes receipts of the submissions whose submitter asks for one, and deletes a bounded number of old receipts.
pub(super) async fn write(tx: &Tx<'_>, submissions: &[(usize, &Submission)]) -> Result<(), StoreError> {
    let awaited = submissions.iter().filter_map(|(_, submission)| {
        let objects = submission.objects.iter().map(Vec::len).sum::<usize>();
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        Some(Awaited { id: &submission.message_id, submitter: submission.receipt_for.as_deref()?, objects })
    });
    let mut awaited: Vec<Awaited<'_>> = awaited.collect();
    if awaited.is_empty() {
        return Ok(());
    }
    awaited.sort_by(|a, b| a.id.cmp(b.id));
    awaited.dedup_by_key(|row| row.id);
    prune_receipts(tx).await?;
    tx.query(
        include_str!("sql/insert_receipts.sql"),
        &[
            /* id */ &column(&awaited, |row| row.id),
            /* submitter */ &column(&awaited, |row| row.submitter),
            /* objects */ &column(&awaited, |row| row.objects),
        ],
    )
    .await?;
    Ok(())
}

/// The result of a submission, by its id and its submitter; `None` while none is stored.
///
/// # Errors
/// When the statement fails.
pub async fn receipt(reader: &mut Reader, id: &str, submitter: &str) -> Result<Option<Receipt>, StoreError> {
    reader.first(include_str!("sql/receipt.sql"), &[&id, &submitter]).await
}
