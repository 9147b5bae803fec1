//! Lists objects of S3 in order of their keys, and reads whole objects.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;

use crate::platform::failure::chain;

/// Makes a client. `own_endpoint`: the configuration names an endpoint that is not of AWS.
#[must_use]
pub fn client(config: &SdkConfig, own_endpoint: bool) -> Client {
    // Bucket names in the host name need the DNS of AWS, so other endpoints get path-style addresses.
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(own_endpoint).build())
}

/// Error codes of S3 that are permanent (S3 API, error responses).
const GONE: [&str; 4] = ["NoSuchKey", "NoSuchBucket", "NoSuchVersion", "InvalidObjectState"];
/// Error codes for a missing permission, which may be granted later. S3 also answers these for an object that does not
/// exist, where the client may not list the bucket.
const DENIED: [&str; 3] = ["AccessDenied", "AllAccessDisabled", "KMS.DisabledException"];

/// Why an object cannot be listed or read. The text is the error with its causes.
#[derive(Debug)]
pub enum Failure {
    /// Permanent: the object does not exist or cannot be read.
    Gone(String),
    /// A permission is missing.
    Denied(String),
    /// Temporary: to be retried.
    Later(String),
}

impl Failure {
    /// The text of the error.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Gone(why) | Self::Denied(why) | Self::Later(why) => why,
        }
    }

    fn of<E>(error: &E) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        let why = chain(error);
        match error.code() {
            Some(code) if GONE.contains(&code) => Self::Gone(why),
            Some(code) if DENIED.contains(&code) => Self::Denied(why),
            _ => Self::Later(why),
        }
    }
}

/// An object as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key, not encoded: with `#`, `:` and percent signs.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Its entity tag, which changes with its content; `None` for files of a mirror.
    pub etag: Option<String>,
}

/// Lists at most 1,000 objects whose keys begin with `prefix` and sort after `after`, in order of their keys. With the
/// continuation token of the previous call, lists the objects that follow. Returns the token of the next call, if there
/// are more objects.
///
/// # Errors
/// When S3 does not answer, or rejects the request.
pub async fn list(
    s3: &Client,
    bucket: &str,
    prefix: &str,
    after: &str,
    token: Option<&str>,
) -> Result<(Vec<Listed>, Option<String>), Failure> {
    let after = (!after.is_empty()).then(|| after.to_owned());
    let request = s3.list_objects_v2().bucket(bucket).prefix(prefix).set_start_after(after);
    let answer = request.set_continuation_token(token.map(str::to_owned)).send().await;
    let answer = answer.map_err(|error| Failure::of(&error))?;
    let listed = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
        let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        Some(Listed { key: object.key?, size, etag: object.e_tag })
    });
    Ok((listed.collect(), answer.next_continuation_token))
}

/// Reads an object of at most `most` bytes.
///
/// With an `etag` the content is the one that was listed; if the object was replaced since, it is the new content. The
/// length of the content is checked, and its checksum where S3 has one (by the SDK).
///
/// # Errors
/// When S3 does not answer or rejects the request, or the content is too long or incomplete.
pub async fn read(s3: &Client, bucket: &str, key: &str, etag: Option<&str>, most: usize) -> Result<Vec<u8>, Failure> {
    let get = s3.get_object().bucket(bucket).key(key);
    let mut object = match get.clone().set_if_match(etag.map(str::to_owned)).send().await {
        Err(error) if etag.is_some() && error.code() == Some("PreconditionFailed") => get.send().await,
        answer => answer,
    }
    .map_err(|error| Failure::of(&error))?;
    let too_long = || Failure::Gone(format!("longer than {most} bytes"));
    let length = object.content_length.and_then(|length| usize::try_from(length).ok());
    // The header rejects a long object before it is read; the bytes that are read are counted all the same.
    if length.is_some_and(|length| length > most) {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(length.unwrap_or(0));
    while let Some(part) = object.body.next().await {
        let part = part.map_err(|error| Failure::Later(chain(&error)))?;
        if bytes.len() + part.len() > most {
            return Err(too_long());
        }
        bytes.extend_from_slice(&part);
    }
    match length {
        Some(length) if length != bytes.len() => {
            Err(Failure::Later(format!("received {} bytes of an object of {length}", bytes.len())))
        }
        _ => Ok(bytes),
    }
}
