//! Drives long-running work: the stop signal, and threads for futures that are not `Send`.

mod stop;

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

pub use self::stop::{Stop, Stopper};

/// A task that is aborted when its owner is dropped.
#[derive(Debug)]
pub struct Owned<T>(pub JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Drives a future that is not `Send` on a thread of the runtime's blocking pool, where it may also compute for long.
///
/// `tokio::spawn` needs `Send` futures, which the compiler cannot prove of [`ingest`](crate::ingest::ingest): the
/// closure passed to [`Store::in_tx`](crate::db::Store::in_tx) is called for any lifetime of its transaction, and an
/// `AsyncFn` bound cannot yet state that its futures are `Send` for all of them.
///
/// # Errors
/// When it panics.
pub async fn on_a_thread<F, T>(future: impl FnOnce() -> F + Send + 'static) -> Result<T, JoinError>
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(future())).await
}
