//! Serves routes on a socket to clients that may be slow, many or hostile.
//!
//! ```text
//! accept ─► Watched (stage, last progress) ─► hyper (HTTP/1) ─► host ─► routes
//!    └ too many: the one that has been quiet for longest is closed; none is while its request is worked on
//! ```
//!
//! Every wait for a client has an end: for the head of a request, for its body ([`read`]), for anything at all. The number of
//! connections has one, too, so that the descriptors that the database needs are not used up.

mod body;
mod connection;
mod host;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

pub use self::body::{Unread, read};
use self::connection::{Connections, Counted, Watched};
pub use self::host::{Hosts, for_hosts};
use crate::routing::Routes;

/// How long clients may take, and how many there may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For the head of a request, from its first byte.
    pub head: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// For an answer to be made, the body of the request included.
    pub work: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// Names by which this server is asked, if it listens on this machine alone.
    pub hosts: Hosts,
}

/// Connections at a time, where there are descriptors for twice as many.
const CONNECTIONS: usize = 1024;
/// Bytes of the head of a request.
const HEAD: usize = 64 << 10;
/// How long to wait when no connection can be accepted or closed just now.
const PAUSE: Duration = Duration::from_millis(100);

impl Default for Limits {
    fn default() -> Self {
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let descriptors = descriptors.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            work: Duration::from_secs(60),
            connections: (descriptors / 2).clamp(1, CONNECTIONS),
            hosts: Hosts::default(),
        }
    }
}

/// Serves routes until the future is dropped. Requests that are being worked on then go on in tasks of their own.
///
/// # Errors
/// When the address of the socket cannot be read.
pub async fn serve(listener: TcpListener, routes: Routes, limits: Limits) -> io::Result<Infallible> {
    let is_local = listener.local_addr()?.ip().is_loopback();
    let routes = for_hosts(routes, is_local, &limits.hosts).into_router();
    let (limits, connections) = (Arc::new(limits), Arc::new(Connections::default()));
    let permits = Arc::new(Semaphore::new(limits.connections.max(1)));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) if is_of_one(&error) => continue,
            Err(error) => {
                // Mostly too many open files, of which this closes one.
                tracing::error!(error = %error, "cannot accept a connection");
                connections.close_quietest();
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let permit = permit(&permits, &connections).await;
        let (watched, counted) = connections.add();
        tokio::spawn(talk(stream, routes.clone(), Arc::clone(&limits), watched, counted, permit));
    }
}

/// A place among the connections; the quietest one is closed for it.
async fn permit(permits: &Arc<Semaphore>, connections: &Connections) -> OwnedSemaphorePermit {
    loop {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return permit;
        }
        connections.close_quietest();
        // Nothing closes the semaphore.
        if let Ok(Ok(permit)) = tokio::time::timeout(PAUSE, Arc::clone(permits).acquire_owned()).await {
            return permit;
        }
    }
}

/// Whether an error is that of the connection and not of the socket.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, until either side ends it.
async fn talk(
    stream: TcpStream,
    routes: Router,
    limits: Arc<Limits>,
    watched: Arc<Watched>,
    counted: Counted,
    permit: OwnedSemaphorePermit,
) {
    // Answers are small, and waited for.
    drop(stream.set_nodelay(true));
    let io = TokioIo::new(connection::Io::new(stream, Arc::clone(&watched)));
    let seen = Arc::clone(&watched);
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut routes, seen) = (routes.clone(), Arc::clone(&seen));
        seen.works();
        async move {
            let answer = routes.call(request.map(Body::new)).await;
            seen.answers();
            answer
        }
    });
    let mut http = http1::Builder::new();
    // Time limits are those of `Watched`, which distinguishes the head of a request from the wait for it.
    http.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD);
    tokio::select! {
        // What a client does wrong is answered by hyper, and no fault.
        ended = http.serve_connection(io, service) => drop(ended),
        () = watched.end(&limits) => {}
    }
    drop((counted, permit));
}
