//! Keeps the messages of a slow batch hidden from other receivers.

use std::time::Duration;

use super::message::Receipt;
use super::queue::Queue;
use crate::tasks::Owned;

/// Extends the visibility of a batch until it is dropped.
pub(super) struct Heartbeat {
    _task: Owned<()>,
}

impl Heartbeat {
    /// Begins. A task of the runtime, because the poller's own thread may be busy decoding.
    ///
    /// Messages of the batch that are deleted meanwhile are extended as well, which SQS refuses one by one, harmlessly.
    pub(super) fn start(queue: Queue, receipts: impl Iterator<Item = Receipt>, visibility: Duration) -> Self {
        let receipts: Vec<_> = receipts.map(|receipt| (receipt, visibility)).collect();
        // A visibility of 0 or 1 s is no use to anybody; at least do not call without pause.
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
