//! An archive as the archiver makes it: an object a message, its payload unpacked, under a key that begins with its
//! time; and as Firehose does: many messages an object.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::generate::pack;

/// A message that was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// SNS `MessageId`.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// JSON.
    pub payload: String,
    /// Attribute `event_type`.
    pub event_type: &'static str,
    /// Whether its payload was packed.
    pub packed: bool,
}

impl Published {
    fn envelope(&self, message: Value) -> Value {
        json!({
            "Type": "Notification",
            "MessageId": self.id,
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events",
            "Message": message,
            "Timestamp": self.at.to_string(),
            "MessageAttributes": {"event_type": {"Type": "String", "Value": self.event_type}},
        })
    }

    /// The message as a queue delivers it.
    pub fn delivery(&self) -> Delivery {
        Delivery { id: format!("sqs-{}", self.id), body: self.record().into_bytes(), ..Delivery::default() }
    }

    /// The message as SNS sends it, in one line.
    pub fn record(&self) -> String {
        let message = if self.packed { pack(self.payload.as_bytes()) } else { self.payload.clone() };
        self.envelope(json!(message)).to_string()
    }

    /// The object of the archiver: key and bytes.
    pub fn object(&self) -> (String, Vec<u8>) {
        let payload: Value = serde_json::from_str(&self.payload).unwrap();
        let kind = payload["kind"].as_str().or_else(|| payload["object_kind"].as_str()).unwrap_or("unknown");
        let source = if payload["kind"].is_null() { "gitlab" } else { "kubernetes" };
        // Names that do not go through HTTP as they are.
        let name = ["50%25", "a b+c", "ä&x=y"][self.payload.len() % 3];
        let id = &self.id[self.id.len().saturating_sub(8)..];
        let at = self.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let key = format!("sns/{}/{at}#{id}::{source}::{kind}::{name}.json.gz", self.at.strftime("%Y/%m/%d/%H/%M"));
        (key, gzip(self.envelope(payload).to_string().as_bytes()))
    }
}

/// Objects as Firehose makes them: so many messages in one, with or without line breaks, in one member or two.
pub fn gathered(messages: &[Published], in_one: usize) -> Vec<(String, Vec<u8>)> {
    let object = |(number, part): (usize, &[Published])| {
        let at = part[0].at.strftime("%Y/%m/%d/%H");
        let key = format!("sns/{at}/events-1-{number:06}.gz");
        let (one, other) = part.split_at(part.len() / 2);
        let join = |part: &[Published]| {
            let end = if number % 2 == 0 { "\n" } else { "" };
            part.iter().map(|message| message.record() + end).collect::<String>()
        };
        (key, [gzip(join(one).as_bytes()), gzip(join(other).as_bytes())].concat())
    };
    messages.chunks(in_one).enumerate().map(object).collect()
}

/// A member of gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The time of the message of a number: some of them in one second, and a day in about ten thousand.
pub fn time(number: usize) -> Timestamp {
    let first: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    first + SignedDuration::from_millis(8_640 * number as i64)
}

/// A temporary folder, removed when this is dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty one.
    pub fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// With objects as files.
    pub fn of(name: &str, objects: &[(String, Vec<u8>)]) -> Self {
        let folder = Self::new(name);
        for (key, bytes) in objects {
            put(&folder.0, key, bytes);
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A file below a folder.
pub fn put(root: &Path, key: &str, bytes: &[u8]) {
    let path = root.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
