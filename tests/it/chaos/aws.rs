//! Fakes of SQS, SNS and S3 on loopback, as far as the programs use them, with faults.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

use super::queue::{InHand, Queue};
use crate::deliver::events::{entries, published};

/// The contents and the current faults.
#[derive(Default)]
pub struct State {
    /// The queue of the run.
    pub queue: Option<Queue>,
    /// Bodies of published messages.
    pub published: Vec<String>,
    /// Objects by `/bucket/key`.
    pub objects: HashMap<String, Vec<u8>>,
    /// SQS and SNS throttle requests.
    pub throttles: bool,
    /// Deletions are done, but answered with an error.
    pub loses_acks: bool,
    /// S3 rejects uploads.
    pub is_full: bool,
    /// The behaviour of S3 towards reads.
    pub archive: Behaviour,
}

/// The behaviour of a fake server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Well,
    Throttles,
    Away,
    /// Half of the answer is sent.
    Cuts,
}

/// The bucket with the archive.
pub const ARCHIVE: &str = "archive";
/// Keys on a page of a listing.
const PAGE: usize = 7;

/// A running server.
#[derive(Clone)]
pub struct Aws {
    /// Where it listens.
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

/// The visibility timeout of the queue in seconds.
pub const VISIBILITY: u64 = 1;

type Answer = (StatusCode, Vec<u8>);

impl Aws {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serve = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let shared = Arc::clone(&shared);
            async move {
                if method == Method::GET {
                    return read(&shared.lock().unwrap(), &uri);
                }
                let (status, body) = answer(&shared, &method, &uri, &headers, &body).await;
                Response::builder().status(status).body(Body::from(body)).unwrap()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).layer(DefaultBodyLimit::disable());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { endpoint, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A listing of a bucket, or an object.
fn read(state: &State, uri: &Uri) -> Response<Body> {
    let failed = |status: u16, code: &str| (status, format!("<Error><Code>{code}</Code></Error>").into_bytes());
    let (status, bytes) = match state.archive {
        Behaviour::Throttles => failed(503, "SlowDown"),
        Behaviour::Away => failed(500, "InternalError"),
        Behaviour::Well | Behaviour::Cuts => match (uri.query(), state.objects.get(uri.path())) {
            (Some(query), _) if query.contains("list-type") => (200, listing(state, uri.path(), query).into_bytes()),
            (_, Some(object)) => (200, object.clone()),
            _ => failed(404, "NoSuchKey"),
        },
    };
    let response = Response::builder().status(status).header("content-length", bytes.len());
    response.body(if state.archive == Behaviour::Cuts { half(&bytes) } else { Body::from(bytes) }).unwrap()
}

/// The first half, and a connection that breaks off.
pub fn half(bytes: &[u8]) -> Body {
    let first = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(futures_util::stream::iter([Ok(first), Err(cut)]))
}

/// A page of `ListObjectsV2`.
fn listing(state: &State, path: &str, query: &str) -> String {
    let query = reqwest::Url::parse(&format!("http://s3/?{query}")).unwrap();
    let query: HashMap<String, String> = query.query_pairs().into_owned().collect();
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    let bucket = format!("{}/", path.trim_end_matches('/'));
    let after = text("start-after").max(text("continuation-token"));
    let mut found: Vec<(&str, usize)> =
        state.objects.iter().filter_map(|(key, bytes)| Some((key.strip_prefix(&bucket)?, bytes.len()))).collect();
    found.retain(|(key, _)| key.starts_with(text("prefix")) && *key > after);
    found.sort_unstable();
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let contents: String = found
        .iter()
        .map(|(key, size)| {
            format!("<Contents><Key>{key}</Key><ETag>&quot;x&quot;</ETag><Size>{size}</Size></Contents>")
        })
        .collect();
    let next = found.last().filter(|_| more);
    let next = next.map(|(key, _)| format!("<NextContinuationToken>{key}</NextContinuationToken>")).unwrap_or_default();
    format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{next}{contents}</ListBucketResult>")
}

async fn answer(state: &Mutex<State>, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
    if *method == Method::PUT {
        let mut state = state.lock().unwrap();
        if state.is_full {
            let error = "<Error><Code>XMinioStorageFull</Code><Message>no space left</Message></Error>";
            return (StatusCode::INSUFFICIENT_STORAGE, error.into());
        }
        state.objects.insert(uri.path().to_owned(), unchunked(headers, body));
        return (StatusCode::OK, Vec::new());
    }
    let Some(target) = headers.get("x-amz-target") else { return publish(&mut state.lock().unwrap(), body) };
    let target = target.to_str().unwrap().trim_start_matches("AmazonSQS.").to_owned();
    let request: Value = serde_json::from_slice(body).unwrap();
    let (status, answer) = call(&mut state.lock().unwrap(), &target, &request);
    if answer["Messages"] == json!([]) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (status, answer.to_string().into_bytes())
}

/// The body of a `PUT`, which the SDK sends in chunks with a checksum behind them.
fn unchunked(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    if !headers.get("content-encoding").is_some_and(|encoding| encoding.as_bytes().starts_with(b"aws-chunked")) {
        return body.to_vec();
    }
    let (mut rest, mut bytes) = (body, Vec::new());
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(head.split(';').next().unwrap_or_default(), 16).unwrap_or_default();
        if size == 0 {
            break;
        }
        bytes.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    bytes
}

fn publish(state: &mut State, body: &[u8]) -> Answer {
    if state.throttles {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttled</Code><Message>Rate \
            exceeded</Message></Error></ErrorResponse>";
        return (StatusCode::TOO_MANY_REQUESTS, error.into());
    }
    let entries = entries(&String::from_utf8_lossy(body));
    let (ids, bodies): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    state.published.extend(bodies);
    (StatusCode::OK, published(&ids, &[]).into_bytes())
}

fn call(state: &mut State, target: &str, request: &Value) -> (StatusCode, Value) {
    let Some(queue) = state.queue.clone() else { return (StatusCode::OK, json!({"Messages": []})) };
    let entries = || request["Entries"].as_array().unwrap().iter();
    let handle = |entry: &Value| entry["ReceiptHandle"].as_str().unwrap().to_owned();
    if state.throttles {
        let error = json!({"__type": "com.amazonaws.sqs#RequestThrottled", "message": "Rate exceeded"});
        return (StatusCode::BAD_REQUEST, error);
    }
    let answer = match target {
        "GetQueueAttributes" => json!({"Attributes": {"VisibilityTimeout": VISIBILITY.to_string()}}),
        "ReceiveMessage" => {
            let most = request["MaxNumberOfMessages"].as_u64().unwrap() as usize;
            let messages = queue.receive(most, Duration::from_secs(VISIBILITY));
            json!({"Messages": messages.iter().map(received).collect::<Vec<_>>()})
        }
        "DeleteMessageBatch" => {
            entries().for_each(|entry| queue.delete(&handle(entry)));
            if state.loses_acks {
                return (StatusCode::INTERNAL_SERVER_ERROR, json!({"__type": "com.amazonaws.sqs#InternalError"}));
            }
            json!({"Successful": [], "Failed": []})
        }
        "ChangeMessageVisibilityBatch" => {
            let time = |entry: &Value| Duration::from_secs(entry["VisibilityTimeout"].as_u64().unwrap());
            entries().for_each(|entry| queue.hide(&handle(entry), time(entry)));
            json!({"Successful": [], "Failed": []})
        }
        other => panic!("unexpected call {other}"),
    };
    (StatusCode::OK, answer)
}

fn received(of: &InHand) -> Value {
    json!({
        "MessageId": of.message.id, "ReceiptHandle": of.handle, "Body": of.message.body,
        "Attributes": {
            "SentTimestamp": of.message.sent_at.as_millisecond().to_string(),
            "ApproximateReceiveCount": of.receives.to_string(),
        },
    })
}

/// The same in an event for a function.
pub fn record(of: &InHand) -> Value {
    json!({
        "messageId": of.message.id, "receiptHandle": of.handle, "body": of.message.body, "eventSource": "aws:sqs",
        "attributes": {
            "SentTimestamp": of.message.sent_at.as_millisecond().to_string(),
            "ApproximateReceiveCount": of.receives.to_string(),
        },
        "messageAttributes": {},
    })
}
