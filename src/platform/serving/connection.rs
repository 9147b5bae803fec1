//! The state of each connection: what it waits for, since when, and when a byte was last transferred.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;
use crate::platform::clock;

/// A client that reads its response transfers bytes at least as often.
const READING: Duration = Duration::from_secs(1);

/// The event that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The first byte of its first request.
    New,
    /// The rest of the head of a request.
    Head,
    /// Our response, or the request body that it needs.
    Work,
    /// The client, which reads the response or may send another request.
    Answered,
}

#[derive(Clone, Copy, Debug)]
struct State {
    stage: Stage,
    since: Instant,
    progress: Instant,
}

/// One connection, shared by its watcher and its reader.
#[derive(Debug)]
pub(super) struct Watched {
    state: Mutex<State>,
    close: Notify,
}

impl Watched {
    fn new() -> Self {
        let now = clock::moment();
        Self { state: Mutex::new(State { stage: Stage::New, since: now, progress: now }), close: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Held for no operation that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, stage: Stage) {
        let mut state = self.state();
        (state.stage, state.since) = (stage, clock::moment());
    }

    /// A request is being handled.
    pub(super) fn works(&self) {
        self.enter(Stage::Work);
    }

    /// The response is ready.
    pub(super) fn answers(&self) {
        self.enter(Stage::Answered);
    }

    fn moved(&self, is_read: bool) {
        let mut state = self.state();
        state.progress = clock::moment();
        if is_read && matches!(state.stage, Stage::New | Stage::Answered) {
            (state.stage, state.since) = (Stage::Head, state.progress);
        }
    }

    /// Returns when the connection has to be closed: `close` was notified, or the client exceeded a time limit.
    pub(super) async fn end(&self, limits: &Limits) {
        let shortest = limits.head.min(limits.idle).min(limits.work);
        loop {
            let state = *self.state();
            let limit = match state.stage {
                Stage::Head => Some(limits.head),
                Stage::Work => Some(limits.work),
                Stage::New | Stage::Answered => None,
            };
            let idle = state.progress + limits.idle;
            // While a request is handled the client sends nothing.
            let ends = match (limit, state.stage) {
                (Some(limit), Stage::Work) => state.since + limit,
                (Some(limit), _) => idle.min(state.since + limit),
                (None, _) => idle,
            };
            if ends <= clock::moment() {
                return;
            }
            tokio::select! {
                () = self.close.notified() => return,
                // A stage that begins meanwhile may have an earlier limit.
                () = tokio::time::sleep_until(ends.min(clock::moment() + shortest / 2)) => {}
            }
        }
    }
}

/// All connections, by number.
#[derive(Debug, Default)]
pub(super) struct Connections {
    all: Mutex<(u64, BTreeMap<u64, Arc<Watched>>)>,
}

impl Connections {
    fn all(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Watched>>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection. It is removed when the returned [`Counted`] is dropped.
    pub(super) fn add(self: &Arc<Self>) -> (Arc<Watched>, Counted) {
        let watched = Arc::new(Watched::new());
        let mut all = self.all();
        all.0 += 1;
        let number = all.0;
        all.1.insert(number, Arc::clone(&watched));
        (watched, Counted { connections: Arc::clone(self), number })
    }

    /// Closes the connection that has been quiet for longest, except connections whose request is being handled or
    /// whose client reads the response.
    pub(super) fn close_quietest(&self) {
        let now = clock::moment();
        let all = self.all();
        let quiet = all.1.iter().filter_map(|(number, watched)| {
            let State { stage, progress, .. } = *watched.state();
            let may_end = match stage {
                Stage::New | Stage::Head => true,
                Stage::Answered => now.duration_since(progress) > READING,
                Stage::Work => false,
            };
            may_end.then_some((progress, *number, watched))
        });
        if let Some((.., watched)) = quiet.min_by_key(|(progress, number, _)| (*progress, *number)) {
            watched.close.notify_one();
        }
    }
}

/// Counts a connection until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.connections.all().1.remove(&self.number);
    }
}

/// The byte stream of a connection; each transfer is recorded in [`Watched`].
pub(super) struct Io {
    stream: TcpStream,
    watched: Arc<Watched>,
}

impl Io {
    pub(super) fn new(stream: TcpStream, watched: Arc<Watched>) -> Self {
        Self { stream, watched }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watched.moved(true);
        }
        poll
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(poll, Poll::Ready(Ok(1..))) {
            self.watched.moved(false);
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
