//! Payloads that were too large for the queue: reads them from S3 and puts them where the pointer was.

use aws_sdk_s3::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::archive::s3::{self, Failure};
use crate::envelope::Delivery;
use crate::envelope::pointer::{self, Pointer};

/// S3 cannot be read now; the message is to come again.
#[derive(Debug)]
pub(super) struct Later;

/// A pointer and what is around it.
enum Found {
    /// The body is nothing else.
    Bare(Pointer),
    /// It is the `Message` of a notification of SNS, here with its other members.
    Notified(Pointer, Map<String, Value>),
}

/// Reads the payload that a delivery points to, if it does and the bucket is allowed.
///
/// A payload that cannot be had (another bucket, gone, longer than `most` bytes) leaves the pointer, which the pipeline
/// then refuses by that reason. `Err` when S3 should be asked again later.
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
            log(&why, "the payload cannot be had, refusing its pointer");
            Ok(())
        }
        // Denied: it may mean a missing object, but also a missing permission, which somebody will give.
        Err(Failure::Later(why) | Failure::Denied(why)) => {
            log(&why, "cannot read a payload from S3, trying again later");
            Err(Later)
        }
    }
}

/// The pointer in a body: alone, or as SNS wraps it when raw delivery is off.
fn find(body: &[u8]) -> Option<Found> {
    let text = str::from_utf8(body).ok()?;
    if let Some(pointer) = pointer::find(text) {
        return Some(Found::Bare(pointer));
    }
    // Cheap no before a parse, as most bodies are large.
    if !text.trim_start().starts_with('{') || memchr::memmem::find(body, b"S3Pointer").is_none() {
        return None;
    }
    let envelope: Map<String, Value> = serde_json::from_str(text).ok()?;
    let pointer = pointer::find(envelope.get("Message")?.as_str()?)?;
    Some(Found::Notified(pointer, envelope))
}

/// The notification with the payload in it; bytes that are no text in base64, which the envelope reads as well.
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
    fn other_bodies_are_left_alone() {
        for body in ["{}", "[1]", r#"{"Message":"S3Pointer"}"#, r#"{"Message":{"S3Pointer":1}}"#, "S3Pointer"] {
            assert!(find(body.as_bytes()).is_none(), "{body}");
        }
    }
}
