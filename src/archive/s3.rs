//! Objects of S3: listed in order of their keys, and read whole.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;

use crate::store::chain;

/// A client; `own_endpoint` when the configuration leads elsewhere than to AWS.
#[must_use]
pub fn client(config: &SdkConfig, own_endpoint: bool) -> Client {
    // Names of buckets as hosts need a DNS that only AWS has.
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(own_endpoint).build())
}

/// Codes of S3 that will be the same tomorrow (S3 API, error responses).
const GONE: [&str; 4] = ["NoSuchKey", "NoSuchBucket", "NoSuchVersion", "InvalidObjectState"];
/// Codes that mean a missing permission, which somebody may give; also of an object that is not there, where the bucket
/// may not be listed.
const DENIED: [&str; 3] = ["AccessDenied", "AllAccessDisabled", "KMS.DisabledException"];

/// Why something cannot be read. The text is the error with its causes.
#[derive(Debug)]
pub enum Failure {
    /// It never will be.
    Gone(String),
    /// We are not let.
    Denied(String),
    /// Not now.
    Later(String),
}

impl Failure {
    /// Why.
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
    /// Its key, as it is: with `#`, `:` and percent signs.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// What changes with its content; none where there is nothing of the kind.
    pub etag: Option<String>,
}

/// Lists at most a thousand objects whose keys begin with `prefix` and come after `after`, in order of their keys; with
/// the token of the page before, those that come next. The other value is the token for the next page, if there is one.
///
/// # Errors
/// When S3 does not answer, or not let us.
pub async fn list(
    s3: &Client,
    bucket: &str,
    prefix: &str,
    after: &str,
    token: Option<&str>,
) -> Result<(Vec<Listed>, Option<String>), Failure> {
    let after = (!after.is_empty()).then(|| after.to_owned());
    let page = s3.list_objects_v2().bucket(bucket).prefix(prefix).set_start_after(after);
    let page = page.set_continuation_token(token.map(str::to_owned)).send().await;
    let page = page.map_err(|error| Failure::of(&error))?;
    let listed = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
        let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        Some(Listed { key: object.key?, size, etag: object.e_tag })
    });
    Ok((listed.collect(), page.next_continuation_token))
}

/// Reads an object of at most `most` bytes.
///
/// With an `etag` it is the very content that was listed, or what has replaced it since. That nothing got lost on the
/// way is checked by its length, and by its checksum where S3 has one (the SDK does so).
///
/// # Errors
/// When it cannot be had whole.
pub async fn read(s3: &Client, bucket: &str, key: &str, etag: Option<&str>, most: usize) -> Result<Vec<u8>, Failure> {
    let get = s3.get_object().bucket(bucket).key(key);
    let mut object = match get.clone().set_if_match(etag.map(str::to_owned)).send().await {
        Err(error) if etag.is_some() && error.code() == Some("PreconditionFailed") => get.send().await,
        answer => answer,
    }
    .map_err(|error| Failure::of(&error))?;
    let too_long = || Failure::Gone(format!("longer than {most} bytes"));
    let length = object.content_length.and_then(|length| usize::try_from(length).ok());
    // What the header says saves the reading; what is read counts.
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
            Err(Failure::Later(format!("{} bytes came of an object of {length}", bytes.len())))
        }
        _ => Ok(bytes),
    }
}
