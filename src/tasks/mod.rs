//! How long-running work is driven: the word that ends it, and threads for futures that are not `Send`.

mod stop;

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

pub use self::stop::{Stop, Stopper};

/// A task that ends with its owner.
#[derive(Debug)]
pub struct Owned<T>(pub JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Drives a future that is not `Send` on a thread of the runtime's blocking pool, where it may also compute for long.
///
/// `tokio::spawn` would need futures that are `Send`, which the compiler cannot prove of
/// [`pipeline::ingest`](crate::pipeline::ingest): the closure given to [`Store::in_tx`](crate::store::Store::in_tx) is
/// called for any lifetime of its transaction, and that the futures it returns are `Send` for all of them cannot be
/// written for an `AsyncFn` yet.
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
