//! Extends the visibility timeout of the messages of a slow batch, so that other receivers do not get them.

use std::time::Duration;

use super::message::Receipt;
use super::queue::Queue;
use crate::platform::shutdown::Owned;

/// Extends the visibility of a batch until it is dropped.
pub(super) struct Heartbeat {
    _task: Owned<()>,
}

impl Heartbeat {
    /// Starts a task of the runtime, because the poller's own thread may be busy decoding.
    ///
    /// It also extends messages of the batch that are deleted meanwhile; SQS answers an error for each, which is
    /// harmless.
    pub(super) fn start(queue: Queue, receipts: impl Iterator<Item = Receipt>, visibility: Duration) -> Self {
        let receipts: Vec<_> = receipts.map(|receipt| (receipt, visibility)).collect();
        // With a visibility timeout of 0 or 1 s this does not help, but it must not call SQS without a pause.
        let pause = (visibility / 2).max(Duration::from_millis(500));
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                tracing::debug!(messages = receipts.len(), "slow batch, extending its visibility");
                queue.hide(&receipts).await;
            }
        });
        Self { _task: Owned(task) }
    }
}
