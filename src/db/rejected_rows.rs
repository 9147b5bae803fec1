//! Queries of the web UI on the table `refused`.

use jiff::Timestamp;

use super::{Reader, StoreError};

super::rows! {
    /// A rejected message, without its bytes.
    pub struct RejectedRow {
        /// Id of the message.
        pub id: String,
        /// When it was sent, else received.
        pub sent_at: Timestamp,
        /// Source that recognised it.
        pub family: Option<String>,
        /// Short stable code of the reason.
        pub reason: String,
        /// The reason in one sentence.
        pub detail: String,
        /// Length of its bytes.
        pub bytes: i64,
        /// When it was received.
        pub received_at: Timestamp,
    }

    /// Numbers of rejected messages.
    pub struct RejectedCount {
        /// Source that recognised it; empty for none.
        pub family: String,
        /// Short stable code of the reason.
        pub reason: String,
        /// How many.
        pub messages: i64,
        /// When the newest was received.
        pub newest: Timestamp,
    }
}

/// Rejected messages: of a source, for a reason, with a text, after (time of receipt, id), oldest or newest first.
///
/// # Errors
/// As [`Reader::read`].
pub async fn list_rejected(
    reader: &mut Reader,
    (family, reason, text): (Option<&str>, Option<&str>, Option<&str>),
    after: Option<&(Timestamp, String)>,
    oldest_first: bool,
    most: i64,
) -> Result<Vec<RejectedRow>, StoreError> {
    let (at, id) = (after.map(|after| after.0), after.map(|after| after.1.as_str()));
    let (newest, oldest) = (include_str!("sql/list_rejected.sql"), include_str!("sql/list_rejected_oldest.sql"));
    let sql = if oldest_first { oldest } else { newest };
    reader.read(sql, &[&family, &reason, &text, &at, &id, &most]).await
}

/// Numbers by source and reason since a time.
///
/// # Errors
/// As [`Reader::read`].
pub async fn count_rejected(reader: &mut Reader, since: Timestamp) -> Result<Vec<RejectedCount>, StoreError> {
    reader.read(include_str!("sql/count_rejected.sql"), &[&since]).await
}
