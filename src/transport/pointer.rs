//! Pointers to payloads in S3, which senders leave where a payload is too large for the queue.
//!
//! Reading one needs an S3 client and a list of allowed buckets: a message must never choose the hosts or buckets that
//! we read from.

use serde::Deserialize;

/// The location of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Bucket name.
    pub bucket: String,
    /// Object key.
    pub key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    s3_bucket_name: String,
    s3_key: String,
}

/// The pointer, if the body consists of one.
#[must_use]
pub fn find(body: &str) -> Option<Pointer> {
    let body = body.trim_start();
    // A cheap check before parsing: all but a few bodies are objects or base64.
    if !body.starts_with('[') {
        return None;
    }
    let (class, location): (String, Location) = serde_json::from_str(body).ok()?;
    class.ends_with("S3Pointer").then_some(Pointer { bucket: location.s3_bucket_name, key: location.s3_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_generations() {
        for class in
            ["software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"]
        {
            let body = format!(r#" ["{class}",{{"s3BucketName":"b","s3Key":"k"}}]"#);
            assert_eq!(find(&body), Some(Pointer { bucket: "b".to_owned(), key: "k".to_owned() }));
        }
        assert_eq!(find(r#"["job:finish",{"id":1}]"#), None);
        assert_eq!(find("{}"), None);
    }
}
