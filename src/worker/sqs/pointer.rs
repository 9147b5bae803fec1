//! Reads payloads that were too large for the queue from S3, and replaces the pointer in the message by them.

use aws_sdk_s3::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::archive::s3::{self, Failure};
use crate::transport::Delivery;
use crate::transport::pointer::{self, Pointer};

/// S3 cannot be read now; the message is to be retried.
#[derive(Debug)]
pub(super) struct Later;

/// A pointer and its envelope.
enum Found {
    /// The body is only the pointer.
    Bare(Pointer),
    /// The pointer is the `Message` of an SNS notification, whose members these are.
    Notified(Pointer, Map<String, Value>),
}

/// Reads the payload that a delivery points to, if it has a pointer and the bucket is allowed.
///
/// When the payload cannot be read (another bucket, deleted, longer than `most` bytes) the pointer stays in the
/// message, and ingest rejects it. `Err` when reading is to be retried later.
pub(super) async fn resolve(
    client: &Client,
    buckets: &[String],
    most: usize,
    delivery: &mut Delivery,
) -> Result<(), Later> {
    let Some(found) = find(&delivery.body) else { return Ok(()) };
    let pointer = match &found {
        Found::Bare(pointer) | Found::Notified(pointer, _) => pointer,
    };
    if !buckets.contains(&pointer.bucket) {
        return Ok(());
    }
    let log = |why: &str, what: &str| {
        tracing::warn!(
            message.id = delivery.id,
            s3.bucket = pointer.bucket,
            s3.key = pointer.key,
            error = why,
            "{what}"
        );
    };
    match s3::read(client, &pointer.bucket, &pointer.key, None, most).await {
        Ok(payload) => {
            delivery.body = match found {
                Found::Bare(_) => payload,
                Found::Notified(_, envelope) => put_in(envelope, payload),
            };
            Ok(())
        }
        Err(Failure::Gone(why)) => {
            log(&why, "the payload cannot be read, its pointer will be rejected");
            Ok(())
        }
        // Denied may mean a missing object, but also a missing permission, which may be granted later.
        Err(Failure::Later(why) | Failure::Denied(why)) => {
            log(&why, "cannot read a payload from S3, retrying later");
            Err(Later)
        }
    }
}

/// Finds the pointer in a body: alone, or in an SNS envelope, where raw delivery is off.
fn find(body: &[u8]) -> Option<Found> {
    let text = str::from_utf8(body).ok()?;
    if let Some(pointer) = pointer::find(text) {
        return Some(Found::Bare(pointer));
    }
    // Most bodies are large and have no pointer: this avoids parsing them.
    if !text.trim_start().starts_with('{') || memchr::memmem::find(body, b"S3Pointer").is_none() {
        return None;
    }
    let envelope: Map<String, Value> = serde_json::from_str(text).ok()?;
    let pointer = pointer::find(envelope.get("Message")?.as_str()?)?;
    Some(Found::Notified(pointer, envelope))
}

/// Puts the payload into the notification; bytes that are not text as base64, which `transport` decodes.
fn put_in(mut envelope: Map<String, Value>, payload: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(payload).unwrap_or_else(|error| STANDARD.encode(error.as_bytes()));
    envelope.insert("Message".to_owned(), Value::String(text));
    Value::Object(envelope).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTER: &str = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;

    #[test]
    fn a_pointer_is_found_alone_and_in_a_notification() {
        assert!(matches!(find(POINTER.as_bytes()), Some(Found::Bare(_))));
        let envelope = serde_json::json!({"Type": "Notification", "MessageId": "m", "Message": POINTER}).to_string();
        let Some(Found::Notified(pointer, envelope)) = find(envelope.as_bytes()) else { panic!("not found") };
        assert_eq!((pointer.bucket.as_str(), pointer.key.as_str()), ("b", "k"));
        let body: Value = serde_json::from_slice(&put_in(envelope.clone(), b"{}".to_vec())).unwrap();
        assert_eq!((&body["MessageId"], &body["Message"]), (&"m".into(), &"{}".into()));
        let body: Value = serde_json::from_slice(&put_in(envelope, vec![0x1f, 0x8b])).unwrap();
        assert_eq!(body["Message"], "H4s=");
    }

    #[test]
    fn other_bodies_have_no_pointer() {
        for body in ["{}", "[1]", r#"{"Message":"S3Pointer"}"#, r#"{"Message":{"S3Pointer":1}}"#, "S3Pointer"] {
            assert!(find(body.as_bytes()).is_none(), "{body}");
        }
    }
}
