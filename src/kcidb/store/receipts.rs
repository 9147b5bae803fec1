//! Receipts: that a submission was kept, for whoever submitted it over HTTP and asks again.

use jiff::Timestamp;

use super::prune::prune_receipts;
use crate::kcidb::record::Submission;
use crate::sorted;
use crate::store::{Reader, StoreError, Tx, column, rows};

rows! {
    /// What became of a submission.
    pub struct Receipt {
        /// `processed` or `failed`.
        pub status: String,
        /// Objects in it, if it was kept.
        pub objects: Option<i64>,
        /// Why it was not.
        pub detail: Option<String>,
        /// When it came.
        pub received_at: Timestamp,
    }
}

/// A receipt as it is written.
struct Awaited<'s> {
    id: &'s str,
    submitter: &'s str,
    objects: i64,
}

/// Writes receipts for those that somebody waits for, and throws away a bounded number of old ones.
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
    sorted::by(&mut awaited, |a, b| a.id.cmp(b.id));
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

/// What became of a submission of a submitter, by its id; `None` when nothing is known of one.
///
/// # Errors
/// When the statement fails.
pub async fn receipt(reader: &mut Reader, id: &str, submitter: &str) -> Result<Option<Receipt>, StoreError> {
    reader.first(include_str!("sql/receipt.sql"), &[&id, &submitter]).await
}
