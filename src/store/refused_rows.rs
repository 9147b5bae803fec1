//! What pages show of the table `refused`.

use jiff::Timestamp;

use super::{Reader, StoreError};

super::rows! {
    /// Something that was refused, without its bytes.
    pub struct RefusedRow {
        /// Id of the message.
        pub id: String,
        /// When it was sent, else received.
        pub sent_at: Timestamp,
        /// Family that recognised it.
        pub family: Option<String>,
        /// Short stable word.
        pub reason: String,
        /// One sentence.
        pub detail: String,
        /// Length of its bytes.
        pub bytes: i64,
        /// When it came.
        pub received_at: Timestamp,
    }

    /// Numbers of what was refused.
    pub struct RefusedCount {
        /// Family that recognised it; empty for none.
        pub family: String,
        /// Short stable word.
        pub reason: String,
        /// How many.
        pub messages: i64,
        /// When the newest came.
        pub newest: Timestamp,
    }
}

/// What was refused: of a family, for a reason, with a text, after (time of receipt, id), oldest or newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn list_refused(
    reader: &mut Reader,
    (family, reason, text): (Option<&str>, Option<&str>, Option<&str>),
    after: Option<&(Timestamp, String)>,
    oldest_first: bool,
    most: i64,
) -> Result<Vec<RefusedRow>, StoreError> {
    let (at, id) = (after.map(|after| after.0), after.map(|after| after.1.as_str()));
    let (newest, oldest) = (include_str!("sql/list_refused.sql"), include_str!("sql/list_refused_oldest.sql"));
    let sql = if oldest_first { oldest } else { newest };
    reader.read(sql, &[&family, &reason, &text, &at, &id, &most]).await
}

/// Numbers by family and reason since a time.
///
/// # Errors
/// As [`Reader::read`].
pub async fn count_refused(reader: &mut Reader, since: Timestamp) -> Result<Vec<RefusedCount>, StoreError> {
    reader.read(include_str!("sql/count_refused.sql"), &[&since]).await
}
