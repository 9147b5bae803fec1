//! A queue and a bucket on loopback, as far as the worker uses them: SQS's JSON protocol 1.0 and `GET` of S3.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use hummingbird_status::worker::Stopper;
use hummingbird_status::worker::sqs::Clients;
use serde_json::{Value, json};

/// The contents of the fake, and the requests that it received.
#[derive(Default)]
pub struct State {
    /// Messages that wait: id, body, receives so far.
    pub waiting: VecDeque<(String, String, u32)>,
    /// Ids, in the order in which they were deleted.
    pub deleted: Vec<String>,
    /// Id and seconds of each change of visibility.
    pub hidden: Vec<(String, u64)>,
    /// Seconds that the queue hides what was received.
    pub visibility: u64,
    /// Ids whose next deletion fails: by SQS's fault, or by ours.
    pub fail_delete: HashMap<String, bool>,
    /// Stops the worker when an object is read, during a batch.
    pub stop_at_read: Option<Stopper>,
    /// Objects by `/bucket/key`; `None` for one for which S3 answers with an error.
    pub objects: HashMap<String, Option<Vec<u8>>>,
}

/// A running fake.
pub struct Fake {
    /// Of the queue.
    pub url: String,
    /// To be looked at and changed.
    pub state: Arc<Mutex<State>>,
    /// Clients that talk to it.
    pub clients: Clients,
}

impl Fake {
    /// Starts with messages of these ids and bodies.
    pub async fn start(messages: impl IntoIterator<Item = (String, String)>) -> Self {
        let waiting = messages.into_iter().map(|(id, body)| (id, body, 0)).collect();
        let state = Arc::new(Mutex::new(State { waiting, visibility: 30, ..State::default() }));
        let shared = Arc::clone(&state);
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let shared = Arc::clone(&shared);
            async move { answer(&shared, &method, &uri, &headers, &body).await }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());

        let credentials = aws_sdk_sqs::config::Credentials::new("x", "x", None, None, "test");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(aws_config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(&endpoint)
            .http_client(hummingbird_status::platform::aws::http_client())
            .build();
        Self { url: format!("{endpoint}/1/queue"), state, clients: Clients::new(&config, true) }
    }

    /// How many messages were deleted.
    pub fn deleted(&self) -> usize {
        self.state.lock().unwrap().deleted.len()
    }
}

async fn answer(
    state: &Mutex<State>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (StatusCode, Vec<u8>) {
    if *method == Method::GET {
        let mut state = state.lock().unwrap();
        state.stop_at_read.take();
        return match state.objects.get(uri.path()) {
            Some(Some(bytes)) => (StatusCode::OK, bytes.clone()),
            Some(None) => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
            None => (StatusCode::NOT_FOUND, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        };
    }
    let request: Value = serde_json::from_slice(body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap().trim_start_matches("AmazonSQS.");
    if target == "ReceiveMessage" && state.lock().unwrap().waiting.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = state.lock().unwrap().call(target, &request);
    (StatusCode::OK, answer.to_string().into_bytes())
}

impl State {
    fn call(&mut self, target: &str, request: &Value) -> Value {
        let entries = || request["Entries"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        match target {
            "GetQueueAttributes" => json!({"Attributes": {"VisibilityTimeout": self.visibility.to_string()}}),
            "ReceiveMessage" => self.receive(request["MaxNumberOfMessages"].as_u64().unwrap()),
            "DeleteMessageBatch" => {
                let mut failed = Vec::new();
                for entry in entries() {
                    let id = text(&entry["ReceiptHandle"]);
                    match self.fail_delete.remove(&id) {
                        Some(fault) => failed.push(json!({"Id": entry["Id"], "Code": "Fault", "SenderFault": fault})),
                        None => self.deleted.push(id),
                    }
                }
                json!({"Successful": [], "Failed": failed})
            }
            "ChangeMessageVisibilityBatch" => {
                let change =
                    |entry: &Value| (text(&entry["ReceiptHandle"]), entry["VisibilityTimeout"].as_u64().unwrap());
                self.hidden.extend(entries().map(change));
                json!({"Successful": [], "Failed": []})
            }
            other => panic!("unexpected call {other}"),
        }
    }

    fn receive(&mut self, most: u64) -> Value {
        let mut messages = Vec::new();
        while (messages.len() as u64) < most
            && let Some((id, body, receives)) = self.waiting.pop_front()
        {
            messages.push(json!({
                "MessageId": id, "ReceiptHandle": id, "Body": body,
                "Attributes": {
                    "SentTimestamp": "1777628400000", "ApproximateReceiveCount": (receives + 1).to_string()
                },
            }));
        }
        json!({"Messages": messages})
    }
}
