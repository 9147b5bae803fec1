//! Messages that are too large for their topic: the payload is stored in a bucket, and a pointer to it is published.
//!
//! The pointer is that of AWS's extended clients (awslabs payload-offloading-java-common-lib): as body
//! `["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": .., "s3Key": ..}]`, and the attribute
//! `ExtendedPayloadSize`. Those clients follow the pointer, and so does our own worker.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use serde_json::json;

/// Attribute with the size of the payload in bytes, of the type `Number`.
pub(super) const SIZE: &str = "ExtendedPayloadSize";

/// A bucket and a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// Prefix of the keys.
    pub prefix: String,
}

impl Location {
    /// Reads `s3://bucket/prefix`.
    ///
    /// # Errors
    /// When the text is not of this form.
    pub fn read(text: &str) -> Result<Self, String> {
        let location = text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
        let is_name = |name: &str| {
            (3..=63).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        let Some((bucket, prefix)) = location.filter(|(bucket, _)| is_name(bucket)) else {
            return Err("expected s3://bucket/prefix".to_owned());
        };
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// Stores a payload under a name; a retry overwrites it (idempotent). Returns the body that points to it; the error is
/// the answer of S3.
pub(super) async fn store(s3: &Client, location: &Location, name: &str, payload: &str) -> Result<String, String> {
    let key = format!("{}{name}.json", location.prefix);
    let put = s3.put_object().bucket(&location.bucket).key(&key).content_type("application/json");
    put.body(payload.as_bytes().to_vec().into()).send().await.map_err(|error| {
        format!("S3: {}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no answer"))
    })?;
    let pointer = json!({"s3BucketName": location.bucket, "s3Key": key});
    Ok(json!(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_buckets_and_prefixes() {
        let read = |text| Location::read(text).map(|found| format!("{} {}", found.bucket, found.prefix));
        assert_eq!(read("s3://large-ones/kcidb/").as_deref(), Ok("large-ones kcidb/"));
        assert_eq!(read("s3://large-ones").as_deref(), Ok("large-ones "));
        for text in ["large-ones/kcidb", "s3:///kcidb", "s3://A_b/c", "https://large-ones/x"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
