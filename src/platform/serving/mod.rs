//! Serves routes on a socket to clients that may be slow, many or hostile.
//!
//! ```text
//! accept ─► Watched (stage, last progress) ─► hyper (HTTP/1) ─► host ─► routes
//!    └ too many: the connection that was quiet for longest is closed; none whose request is being handled
//! ```
//!
//! Every wait for a client has a time limit: for the head of a request, for its body ([`read`]), and for any byte at
//! all. The number of connections is limited too, so that they do not use up the file descriptors that the database
//! needs.

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
use crate::platform::routing::Routes;

/// Time limits for clients, and the number of connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the head of a request, from its first byte.
    pub head: Duration,
    /// Time without a byte in either direction.
    pub idle: Duration,
    /// Time to handle a request, including its body.
    pub work: Duration,
    /// Most connections at a time.
    pub connections: usize,
    /// Further host names of this server, if it listens on this machine only.
    pub hosts: Hosts,
}

/// Most connections at a time, where there are file descriptors for twice as many.
const CONNECTIONS: usize = 1024;
/// Most bytes of the head of a request.
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

/// Serves routes until the future is dropped. Requests in progress then continue in their own tasks.
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
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                // Usually too many open files; closing a connection frees one.
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

/// A permit for a connection; closes the quietest connection if there is none.
async fn permit(permits: &Arc<Semaphore>, connections: &Connections) -> OwnedSemaphorePermit {
    loop {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return permit;
        }
        connections.close_quietest();
        // The semaphore is never closed.
        if let Ok(Ok(permit)) = tokio::time::timeout(PAUSE, Arc::clone(permits).acquire_owned()).await {
            return permit;
        }
    }
}

/// Whether an error concerns one connection and not the socket.
fn is_of_connection(error: &io::Error) -> bool {
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
    // Responses are small and latency matters.
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
        // hyper answers protocol errors of clients; they are no faults of this program.
        ended = http.serve_connection(io, service) => drop(ended),
        () = watched.end(&limits) => {}
    }
    drop((counted, permit));
}
