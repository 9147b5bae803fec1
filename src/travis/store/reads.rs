//! What a worker is told of its job.

use crate::store::{Reader, StoreError, rows};
use crate::travis::record::State;

rows! {
    /// The state of a job, as it is stored.
    pub struct JobRow {
        /// Its name; none where nothing was decided yet.
        pub state: Option<String>,
    }
}

/// The state of a job; `None` when there is no such job.
///
/// # Errors
/// When the statement fails.
pub async fn job_state(reader: &mut Reader, id: i64) -> Result<Option<Option<State>>, StoreError> {
    let row: Option<JobRow> = reader.first(include_str!("sql/job_state.sql"), &[&id]).await?;
    Ok(row.map(|row| row.state.as_deref().and_then(State::named)))
}
