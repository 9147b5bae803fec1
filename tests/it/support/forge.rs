//! Fake servers on loopback for GitHub, GHES, GitLab and webhook receivers, with all faults: bytes on a socket, so that
//! they can break off anywhere.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Post {
    /// Method, as in `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as it is.
    pub text: String,
    /// Body as JSON; null if it is none.
    pub body: Value,
    /// When it was there.
    pub at: Instant,
    /// Whether it was accepted: answered by 2xx.
    pub taken: bool,
}

impl Post {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// The reaction of the server to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An answer: status, headers, body.
    Answer(u16, Vec<(String, String)>, String),
    /// An answer after a time.
    Late(Duration, Box<Reply>),
    /// An answer after the test releases it.
    Held(Arc<Semaphore>, Box<Reply>),
    /// Closes the connection without an answer; the request may have been carried out.
    Cut,
    /// Begins an answer and closes the connection.
    Half,
}

impl Reply {
    fn takes(&self) -> bool {
        match self {
            Self::Answer(status, ..) => (200..300).contains(status),
            Self::Late(_, then) | Self::Held(_, then) => then.takes(),
            Self::Cut | Self::Half => false,
        }
    }
}

/// An answer with headers and a body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply::Answer(status, headers, body.to_owned())
}

/// 201, as GitHub answers.
pub fn created() -> Reply {
    answer(201, &[], r#"{"id":1,"state":"success"}"#)
}

type Habit = Box<dyn FnMut(&Post) -> Reply + Send>;

/// A running server.
#[derive(Clone)]
pub struct Forge {
    /// `http://127.0.0.1:port`
    pub url: String,
    posts: Arc<Mutex<Vec<Post>>>,
    habit: Arc<Mutex<Habit>>,
}

impl Forge {
    /// Starts a server with the given answers.
    pub async fn start(habit: impl FnMut(&Post) -> Reply + Send + 'static) -> Self {
        Self::with(None, habit).await
    }

    /// Starts one that speaks TLS, as `localhost`.
    pub async fn start_tls(certificate: TlsAcceptor, habit: impl FnMut(&Post) -> Reply + Send + 'static) -> Self {
        Self::with(Some(certificate), habit).await
    }

    async fn with(tls: Option<TlsAcceptor>, habit: impl FnMut(&Post) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = match tls {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let posts = Arc::new(Mutex::new(Vec::new()));
        let forge = Self { url, posts, habit: Arc::new(Mutex::new(Box::new(habit))) };
        let server = forge.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (server.clone(), tls.clone());
                stream.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => drop(server.talk(tls.accept(stream).await?).await),
                        None => drop(server.talk(stream).await),
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        forge
    }

    /// Changes its answers.
    pub fn now(&self, habit: impl FnMut(&Post) -> Reply + Send + 'static) {
        *self.habit.lock().unwrap() = Box::new(habit);
    }

    /// The requests so far.
    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The number of requests so far.
    pub fn count(&self) -> usize {
        self.posts.lock().unwrap().len()
    }

    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let Some(mut post) = read(&mut stream, &mut buffer).await? else { return Ok(()) };
            let mut reply = (self.habit.lock().unwrap())(&post);
            post.taken = reply.takes();
            self.posts.lock().unwrap().push(post);
            loop {
                reply = match reply {
                    Reply::Late(time, then) => {
                        tokio::time::sleep(time).await;
                        *then
                    }
                    Reply::Held(held, then) => {
                        // A permit that is there once is there for all.
                        drop(held.acquire().await);
                        *then
                    }
                    Reply::Answer(status, headers, body) => {
                        let headers: String =
                            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                        let head =
                            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len());
                        stream.write_all(head.as_bytes()).await?;
                        break;
                    }
                    Reply::Half => return stream.write_all(b"HTTP/1.1 20").await,
                    Reply::Cut => return Ok(()),
                }
            }
        }
    }
}

/// The next request of a connection; `None` at its end.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> std::io::Result<Option<Post>> {
    let mut chunk = [0; 8192];
    loop {
        if let Some(head_end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
            let headers: Vec<(String, String)> = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
            if buffer.len() >= head_end + 4 + length {
                let text = String::from_utf8_lossy(&buffer[head_end + 4..head_end + 4 + length]).into_owned();
                buffer.drain(..head_end + 4 + length);
                let mut first = head.lines().next().unwrap_or_default().split(' ');
                let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
                let body = serde_json::from_str(&text).unwrap_or_default();
                let (method, path) = (method.to_owned(), path.to_owned());
                return Ok(Some(Post { method, path, headers, text, body, at: Instant::now(), taken: false }));
            }
        }
        match stream.read(&mut chunk).await? {
            0 => return Ok(None),
            count => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}
