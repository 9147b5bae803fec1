//! Where messages go that are too large for their topic: into a bucket, with a pointer in their place.
//!
//! The pointer is that of AWS's extended clients (awslabs payload-offloading-java-common-lib): as body
//! `["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": .., "s3Key": ..}]`, and the attribute
//! `ExtendedPayloadSize`. Their readers follow it by themselves, and so does our own worker.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use serde_json::json;

/// Attribute with the bytes of the payload, of the type `Number`.
pub(super) const SIZE: &str = "ExtendedPayloadSize";

/// A part of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// What its keys begin with.
    pub prefix: String,
}

impl Place {
    /// Reads `s3://bucket/prefix`.
    ///
    /// # Errors
    /// In words, when it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let place = text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
        let is_name = |name: &str| {
            (3..=63).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        let Some((bucket, prefix)) = place.filter(|(bucket, _)| is_name(bucket)) else {
            return Err("expected s3://bucket/prefix".to_owned());
        };
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// Leaves a payload under a name, over what a try before has left there. Returns the body that points to it; the error is
/// what S3 said.
pub(super) async fn leave(s3: &Client, place: &Place, name: &str, payload: &str) -> Result<String, String> {
    let key = format!("{}{name}.json", place.prefix);
    let put = s3.put_object().bucket(&place.bucket).key(&key).content_type("application/json");
    put.body(payload.as_bytes().to_vec().into()).send().await.map_err(|error| {
        format!("S3: {}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no answer"))
    })?;
    let location = json!({"s3BucketName": place.bucket, "s3Key": key});
    Ok(json!(["software.amazon.payloadoffloading.PayloadS3Pointer", location]).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_buckets_and_prefixes() {
        let place = |text| Place::read(text).map(|place| format!("{} {}", place.bucket, place.prefix));
        assert_eq!(place("s3://large-ones/kcidb/").as_deref(), Ok("large-ones kcidb/"));
        assert_eq!(place("s3://large-ones").as_deref(), Ok("large-ones "));
        for text in ["large-ones/kcidb", "s3:///kcidb", "s3://A_b/c", "https://large-ones/x"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
