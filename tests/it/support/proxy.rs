//! A TCP proxy before PostgreSQL, on loopback, that rejects, stalls and cuts connections, also during a commit.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Where the connection of a commit is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the server receives the commit.
    Before,
    /// After the server has committed, before its answer arrives.
    After,
}

/// A running proxy.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct State {
    /// Port of the server.
    server: u16,
    closed: bool,
    stalled: bool,
    /// After how many more commits the connection is cut, and where.
    commit: Option<(usize, Cut)>,
}

struct Shared {
    state: Mutex<State>,
    /// All connections end when this changes.
    epoch: watch::Sender<u64>,
}

/// How often it is looked whether a stop is over.
const LOOK: Duration = Duration::from_millis(5);
/// Longer than the server takes for a commit, and shorter than any client waits for the answer.
const COMMITTED: Duration = Duration::from_millis(40);

impl Proxy {
    /// Starts one before the server on a port.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Mutex::new(State { server, ..State::default() });
        let shared = Arc::new(Shared { state, epoch: watch::Sender::new(0) });
        tokio::spawn(serve(Arc::clone(&shared), listener, port));
        Self { port, shared }
    }

    /// The server is on another port from now on.
    pub fn lead_to(&self, server: u16) {
        self.shared.state().server = server;
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.shared.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Ends all connections and rejects new ones, or accepts them again.
    pub fn close(&self, closed: bool) {
        self.shared.state().closed = closed;
        if closed {
            self.cut();
        }
    }

    /// Stalls all traffic, or resumes it.
    pub fn stall(&self, stalled: bool) {
        self.shared.state().stalled = stalled;
    }

    /// Cuts the connection of one commit, after so many more.
    pub fn cut_commit(&self, after: usize, place: Cut) {
        self.shared.state().commit = Some((after, place));
    }

    /// Resets all faults, also a planned cut.
    pub fn calm(&self) {
        let mut state = self.shared.state();
        *state = State { server: state.server, ..State::default() };
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whether the current commit is cut, and where.
    fn commit(&self) -> Option<Cut> {
        let mut state = self.state();
        let (left, place) = state.commit?;
        state.commit = (left > 0).then(|| (left - 1, place));
        (left == 0).then_some(place)
    }

    async fn passing(&self) {
        while self.state().stalled {
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn serve(shared: Arc<Shared>, listener: TcpListener, port: u16) {
    let mut listener = Some(listener);
    loop {
        if shared.state().closed {
            // Without a listener the system rejects connections.
            listener = None;
        } else if let Some(listener) = &listener {
            if let Ok(Ok((client, _))) = tokio::time::timeout(LOOK, listener.accept()).await {
                tokio::spawn(talk(Arc::clone(&shared), client));
            }
            continue;
        } else {
            listener = bind(port).ok();
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The same port again, although connections of before may still linger.
fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(128)
}

async fn talk(shared: Arc<Shared>, client: TcpStream) -> io::Result<()> {
    let mut epoch = shared.epoch.subscribe();
    let port = shared.state().server;
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mute = AtomicBool::new(false);
    tokio::select! {
        result = up(&shared, &mute, from_client, to_server) => result,
        result = down(&shared, &mute, from_server, to_client) => result,
        _ = epoch.changed() => Ok(()),
    }
}

/// From the client to the server.
async fn up(shared: &Shared, mute: &AtomicBool, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        shared.passing().await;
        let bytes = &bytes[..count];
        // As the client sends it: a simple query of its own.
        let commits = bytes.windows(7).any(|seven| seven == b"COMMIT\0");
        match commits.then(|| shared.commit()).flatten() {
            None => to.write_all(bytes).await?,
            Some(Cut::Before) => return Ok(()),
            Some(Cut::After) => {
                mute.store(true, Ordering::Relaxed);
                to.write_all(bytes).await?;
                tokio::time::sleep(COMMITTED).await;
                return Ok(());
            }
        }
    }
}

/// From the server to the client.
async fn down(shared: &Shared, mute: &AtomicBool, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut bytes).await?;
        shared.passing().await;
        if count == 0 {
            return Ok(());
        }
        if !mute.load(Ordering::Relaxed) {
            to.write_all(&bytes[..count]).await?;
        }
    }
}
