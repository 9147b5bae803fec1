//! A TCP proxy on loopback that adds latency to PostgreSQL and records the round trips.
//!
//! Latency, not bandwidth: each chunk is passed on a fixed time after its arrival, whatever came before it, so a stream
//! of bytes arrives as a stream. Threads rather than tasks, because tokio's timer counts whole milliseconds.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A round trip: the requests that were sent without waiting for an answer, and the time until all were answered.
pub type Trip = (String, Duration);

/// A running proxy. It and its connections live until the process ends.
pub struct Proxy {
    address: SocketAddr,
    trips: Arc<Mutex<Vec<Trip>>>,
}

impl Proxy {
    /// Adds `one_way` in each direction. With `listen` it records the round trips for [`Proxy::take_trips`], which
    /// costs time itself.
    pub fn start(target: SocketAddr, one_way: Duration, listen: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let trips = Arc::<Mutex<Vec<Trip>>>::default();
        let kept = Arc::clone(&trips);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(target).unwrap());
                let talk = listen.then(|| Arc::new(Mutex::new(Talk::new(Arc::clone(&kept)))));
                let (questions, answers) = (talk.clone(), talk);
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), one_way, move |bytes| {
                    if let Some(talk) = &questions {
                        talk.lock().unwrap().question(bytes);
                    }
                });
                pass(server, client, one_way, move |bytes| {
                    if let Some(talk) = &answers {
                        talk.lock().unwrap().answer(bytes);
                    }
                });
            }
        });
        Self { address, trips }
    }

    /// The URL of a database through this proxy.
    pub fn url(&self, url: &str) -> String {
        url.replace(&address_in(url).to_string(), &self.address.to_string())
    }

    /// All round trips since the last call.
    pub fn take_trips(&self) -> Vec<Trip> {
        std::mem::take(&mut self.trips.lock().unwrap())
    }
}

/// Where the server of a URL listens.
pub fn address_in(url: &str) -> SocketAddr {
    let rest = url.rsplit('@').next().unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Passes bytes on, `delay` after they came: one thread reads and stamps them, another one waits and writes.
fn pass(mut from: TcpStream, to: TcpStream, delay: Duration, mut listen: impl FnMut(&[u8]) + Send + 'static) {
    from.set_nodelay(true).unwrap();
    to.set_nodelay(true).unwrap();
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || write_when_due(to, &receiver));
    thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + delay;
            listen(&buffer[..size]);
            if sender.send((due, buffer[..size].to_vec())).is_err() {
                break;
            }
        }
    });
}

fn write_when_due(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    /// A sleeping thread wakes up late by about this much.
    const LATE: Duration = Duration::from_micros(60);
    while let Ok((due, bytes)) = receiver.recv() {
        let left = due.saturating_duration_since(Instant::now());
        if left > LATE {
            thread::sleep(left - LATE);
        }
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}

/// The state of a connection, from its bytes as PostgreSQL's protocol (version 3, no TLS).
struct Talk {
    questions: Frames,
    answers: Frames,
    /// First line of each prepared statement.
    names: HashMap<Vec<u8>, String>,
    /// The requests since the last Sync.
    asked: Option<String>,
    /// The requests without an answer yet, and since when.
    waiting: Vec<String>,
    since: Instant,
    /// The number of missing answers.
    missing: usize,
    trips: Arc<Mutex<Vec<Trip>>>,
}

impl Talk {
    fn new(trips: Arc<Mutex<Vec<Trip>>>) -> Self {
        let frames = |started| Frames { bytes: Vec::new(), started };
        Self {
            questions: frames(false),
            answers: frames(true),
            names: HashMap::new(),
            asked: None,
            waiting: Vec::new(),
            since: Instant::now(),
            missing: 0,
            trips,
        }
    }

    fn question(&mut self, bytes: &[u8]) {
        for (kind, body) in self.questions.read(bytes) {
            match kind {
                b'P' => {
                    let mut parts = body.split(|byte| *byte == 0);
                    let name = parts.next().unwrap_or_default().to_vec();
                    let sql = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                    let sql = sql.lines().next().unwrap_or_default().trim_start_matches("-- ").to_owned();
                    self.asked = Some(format!("prepare {sql}"));
                    self.names.insert(name, sql);
                }
                b'B' => {
                    let name = body.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                    self.asked = Some(self.names.get(name).cloned().unwrap_or_default());
                }
                b'Q' => {
                    let sql = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(&body)).into_owned();
                    self.ask(sql);
                }
                b'S' => {
                    let asked = self.asked.take().unwrap_or_default();
                    self.ask(asked);
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        for (kind, _) in self.answers.read(bytes) {
            // Data of a COPY follows the first answer to it, and has an answer of its own.
            if matches!(kind, b'Z' | b'G') && self.missing > 0 {
                self.missing -= 1;
                if self.missing == 0 {
                    let asked = std::mem::take(&mut self.waiting).join(" + ");
                    self.trips.lock().unwrap().push((asked, self.since.elapsed()));
                }
            }
        }
    }

    fn ask(&mut self, question: String) {
        if self.missing == 0 {
            self.since = Instant::now();
        }
        self.missing += 1;
        self.waiting.push(question);
    }
}

/// Cuts a stream into messages: a letter (missing in the very first one), a length, a body.
struct Frames {
    bytes: Vec<u8>,
    started: bool,
}

impl Frames {
    fn read(&mut self, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.bytes.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let head = usize::from(self.started);
            let Some(length) = self.bytes.get(at + head..at + head + 4) else { break };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            let Some(body) = self.bytes.get(at + head + 4..at + head + length) else { break };
            found.push((if self.started { self.bytes[at] } else { 0 }, body.to_vec()));
            at += head + length;
            self.started = true;
        }
        self.bytes.drain(..at);
        found
    }
}
