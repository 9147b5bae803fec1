//! A fake Lambda service: hands out events, receives answers, measures times.
#![allow(dead_code, reason = "a benchmark measures more than a test asks for")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Notify};

/// The time limit of an invocation: the largest possible.
const LIMIT: Duration = Duration::from_secs(900);
/// Its id.
const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

/// A function that runs, and its side of the service.
pub struct Function {
    child: Child,
    started: Instant,
    service: Arc<Service>,
    events: UnboundedSender<Event>,
    answers: UnboundedReceiver<Answer>,
}

#[derive(Default)]
struct Event {
    body: Bytes,
    request_id: String,
    limit: Duration,
}

struct Answer {
    at: Instant,
    status: String,
    body: Bytes,
}

struct Service {
    events: Mutex<UnboundedReceiver<Event>>,
    answers: UnboundedSender<Answer>,
    first_poll: std::sync::Mutex<Option<Instant>>,
    polled: Notify,
}

impl Function {
    /// Starts a program as the service would, with more variables of its own.
    pub async fn start(program: &str, variables: &HashMap<&str, String>) -> Self {
        let (events, to_function) = unbounded_channel();
        let (from_function, answers) = unbounded_channel();
        let service = Arc::new(Service {
            events: Mutex::new(to_function),
            answers: from_function,
            first_poll: std::sync::Mutex::new(None),
            polled: Notify::new(),
        });
        let address = serve(Arc::clone(&service)).await;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "ingest")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ingest")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .envs(memory_settings())
            .envs(std::env::vars().filter(|(name, _)| name.starts_with("MALLOC_")))
            .envs(variables)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().unwrap();
        Self { child, started, service, events, answers }
    }

    /// Waits until it asks for the first event, and says how long that took since its start.
    pub async fn ready(&self) -> Duration {
        loop {
            let polled = self.service.polled.notified();
            if let Some(at) = *self.service.first_poll.lock().unwrap() {
                return at - self.started;
            }
            tokio::time::timeout(LIMIT, polled).await.unwrap();
        }
    }

    /// Invokes it: the time until its answer was here, and the answer.
    pub async fn invoke(&mut self, event: &[u8]) -> (Duration, String) {
        let start = Instant::now();
        let answer = self.send(event, REQUEST_ID, LIMIT).await;
        assert_eq!(answer.status, "response", "{}", String::from_utf8_lossy(&answer.body));
        (answer.at - start, String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Invokes it with an id and a time limit. `Err` when it answers with an error.
    pub async fn invoke_as(&mut self, event: &[u8], request_id: &str, limit: Duration) -> Result<String, String> {
        let answer = self.send(event, request_id, limit).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == "response" { Ok(body) } else { Err(body) }
    }

    /// Invokes it: `None` when it dies, or has not answered when its time limit is over. It cannot be used after that.
    pub async fn attempt(&mut self, event: &[u8], limit: Duration) -> Option<Result<String, String>> {
        let body = Bytes::copy_from_slice(event);
        self.events.send(Event { body, request_id: REQUEST_ID.to_owned(), limit }).ok()?;
        let end = Instant::now() + limit;
        loop {
            tokio::select! {
                answer = self.answers.recv() => {
                    let answer = answer?;
                    let body = String::from_utf8_lossy(&answer.body).into_owned();
                    return Some(if answer.status == "response" { Ok(body) } else { Err(body) });
                }
                () = tokio::time::sleep(Duration::from_millis(5)) => {
                    let is_dead = !matches!(self.child.try_wait(), Ok(None));
                    if is_dead || Instant::now() > end {
                        return None;
                    }
                }
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    async fn send(&mut self, event: &[u8], request_id: &str, limit: Duration) -> Answer {
        let body = Bytes::copy_from_slice(event);
        self.events.send(Event { body, request_id: request_id.to_owned(), limit }).ok().unwrap();
        tokio::time::timeout(LIMIT, self.answers.recv()).await.unwrap().unwrap()
    }

    /// The most memory that it had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What the deployed function has set for the allocator.
fn memory_settings() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../../../sam/template.yaml").lines().map(str::trim);
    let settings = lines.filter(|line| line.starts_with("MALLOC_")).filter_map(|line| line.split_once(": "));
    let settings: Vec<_> = settings.map(|(name, value)| (name, value.trim_matches('"'))).collect();
    assert_eq!(settings.len(), 3, "{settings:?}");
    settings
}

async fn serve(service: Arc<Service>) -> SocketAddr {
    let router = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/{status}", post(answer))
        .route("/2018-06-01/runtime/init/error", post(not_started))
        .route("/2020-01-01/extension/register", post(register))
        // The helper for a graceful end subscribes to nothing, so there is never an event for it.
        .route("/2020-01-01/extension/event/next", get(std::future::pending::<()>))
        // A batch of 1000 is larger than any default, and so may an answer be.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(service);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn next(State(service): State<Arc<Service>>) -> Response<Body> {
    service.first_poll.lock().unwrap().get_or_insert_with(Instant::now);
    service.polled.notify_waiters();
    let event = service.events.lock().await.recv().await.unwrap_or_default();
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + event.limit;
    Response::builder()
        .header("Lambda-Runtime-Aws-Request-Id", event.request_id)
        .header("Lambda-Runtime-Deadline-Ms", end.as_millis().to_string())
        .header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:ingest")
        .header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
        .body(Body::from(event.body))
        .unwrap()
}

async fn answer(
    State(service): State<Arc<Service>>,
    Path((_, status)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    service.answers.send(Answer { at: Instant::now(), status, body }).unwrap();
    StatusCode::ACCEPTED
}

async fn register() -> Response<Body> {
    let body = r#"{"functionName":"ingest","functionVersion":"$LATEST","handler":"bootstrap"}"#;
    Response::builder()
        .header("Lambda-Extension-Identifier", "4d2f1a7e-0000-4000-8000-000000000000")
        .body(Body::from(body))
        .unwrap()
}

async fn not_started(body: String) {
    eprintln!("it did not start: {body}");
}
