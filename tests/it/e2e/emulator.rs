//! `.ci/emulator.py --serve` as a process: AWS on this machine, with `sam/template.yaml` in it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{self, project};

/// The exit status when it cannot be installed.
const UNAVAILABLE: i32 = 69;

/// A running emulator. When this is dropped or the process ends, it deletes its stack and ends.
pub struct Emulator {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Where it listens.
    pub endpoint: String,
}

impl Emulator {
    /// Starts one; the first time it installs itself. `None`, and a line on standard error, where it cannot.
    pub fn start(bootstraps: &Path) -> Option<Self> {
        let mut command = Command::new("python3");
        command.arg(project(".ci/emulator.py")).args(["--serve", "--bootstrap-dir"]).arg(bootstraps);
        let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            eprintln!("no end-to-end test: there is no python3 for the emulator");
            return None;
        };
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let silent = tokio::task::block_in_place(|| answers.fill_buf().unwrap().is_empty());
        if silent && child.wait().unwrap().code() == Some(UNAVAILABLE) {
            eprintln!("no end-to-end test: the emulator cannot be installed; it says above why");
            return None;
        }
        let mut emulator = Self { requests: child.stdin.take(), child, answers, endpoint: String::new() };
        let hello = emulator.answer().unwrap();
        emulator.endpoint = hello["endpoint"].as_str().unwrap().to_owned();
        Some(emulator)
    }

    fn answer(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        // Other tasks of the test, such as what plays GitHub, go on meanwhile.
        tokio::task::block_in_place(|| self.answers.read_line(&mut line)).unwrap();
        assert!(!line.is_empty(), "the emulator ended; it says above why");
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].take() {
            Value::Null => Ok(answer["ok"].take()),
            error => Err(error.to_string()),
        }
    }

    fn ask(&mut self, deed: &str, about: &Value) -> Result<Value, String> {
        writeln!(self.requests.as_mut().unwrap(), "{}", json!({deed: about})).unwrap();
        self.answer()
    }

    /// A call of AWS, as boto3 names it; it may fail.
    pub fn try_call(&mut self, service: &str, operation: &str, parameters: &Value) -> Result<Value, String> {
        self.ask("call", &json!([service, operation, parameters]))
    }

    /// A call of AWS.
    pub fn call(&mut self, service: &str, operation: &str, parameters: &Value) -> Value {
        let answer = self.try_call(service, operation, parameters);
        answer.unwrap_or_else(|error| panic!("{service} {operation}: {error}"))
    }

    /// Creates the stack, or updates it; its outputs.
    pub fn deploy(&mut self, parameters: &Value) -> Value {
        self.ask("deploy", parameters).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The log lines of the functions, each after the name of its log group.
    pub fn logs(&mut self) -> Vec<String> {
        let groups = self.ask("logs", &Value::Null).unwrap();
        let lines = groups.as_object().unwrap().iter().flat_map(|(group, lines)| {
            lines.as_array().unwrap().iter().map(move |line| format!("{group}: {}", line.as_str().unwrap()))
        });
        lines.collect()
    }

    /// Deletes the stack.
    pub fn delete(&mut self) {
        self.ask("delete", &Value::Null).unwrap_or_else(|error| panic!("{error}"));
    }

    /// The number of messages of a queue: visible, and in flight.
    pub fn depth(&mut self, url: &str) -> u64 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.call("sqs", "get_queue_attributes", &json!({"QueueUrl": url, "AttributeNames": names}));
        names.iter().map(|name| answer["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until a queue is empty and stays so.
    pub async fn drained(&mut self, url: &str) {
        let mut empty = 0;
        let end = Instant::now() + LONGEST;
        while empty < 3 {
            empty = if self.depth(url) == 0 { empty + 1 } else { 0 };
            assert!(Instant::now() < end, "{} messages are left in {url}", self.depth(url));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Receives and deletes all messages of a queue.
    pub fn take(&mut self, url: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let ask = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]});
            let answer = self.call("sqs", "receive_message", &ask);
            let Some(messages) = answer["Messages"].as_array() else { return all };
            for message in messages {
                let handle = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
                self.call("sqs", "delete_message", &handle);
                all.push(message.clone());
            }
        }
    }

    /// A queue of ours that a topic sends to, with a filter policy if it has one; raw or in the envelope of SNS.
    pub fn subscriber(&mut self, name: &str, topic: &str, filter: Option<Value>, raw: bool) -> String {
        let url =
            self.call("sqs", "create_queue", &json!({"QueueName": name}))["QueueUrl"].as_str().unwrap().to_owned();
        let ask = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
        let arn = self.call("sqs", "get_queue_attributes", &ask)["Attributes"]["QueueArn"].clone();
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }]});
        let attributes = json!({"Policy": policy.to_string()});
        self.call("sqs", "set_queue_attributes", &json!({"QueueUrl": url, "Attributes": attributes}));
        let mut attributes = json!({"RawMessageDelivery": raw.to_string()});
        if let Some(filter) = filter {
            attributes["FilterPolicy"] = filter.to_string().into();
        }
        let subscription = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": attributes});
        self.call("sns", "subscribe", &subscription);
        url
    }

    /// A secret of Secrets Manager; its ARN.
    pub fn secret(&mut self, name: &str, text: &str) -> Value {
        self.call("secretsmanager", "create_secret", &json!({"Name": name, "SecretString": text}))["ARN"].take()
    }

    /// Invokes a function: its answer.
    pub fn invoke(&mut self, function: &Value, event: &Value) -> Value {
        let answer = self.call("lambda", "invoke", &json!({"FunctionName": function, "Payload": event.to_string()}));
        assert!(answer["FunctionError"].is_null(), "{function}: {answer}");
        serde_json::from_str(answer["Payload"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.requests.take();
        self.child.wait().ok();
    }
}

/// The time limit of waits, also for a busy machine.
pub const LONGEST: Duration = support::LONGEST;

/// Waits for a condition.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LONGEST;
    while !so().await {
        assert!(Instant::now() < end, "not so after {LONGEST:?}: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
