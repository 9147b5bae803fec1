//! The storage of archived objects: a bucket, or a mirror of it on disk. Lists objects in order of their keys, and
//! reads them one by one, with retries and backoff.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::mirror::{self, Walk};
use super::range::{Position, Range};
use super::s3::{self, Failure, Listed};
use crate::platform::clock::{self, Deadline};
use crate::platform::failure::chain;

/// Keys that are listed ahead: two answers of S3.
const AHEAD: usize = 2000;
/// Attempts to read an object before the archive itself is tested.
const ATTEMPTS: u32 = 5;
/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Largest object that is read, because it is held in memory as it is stored. Firehose writes at most 128 MiB.
pub(super) const MOST_BYTES: usize = 256 << 20;

/// The storage of archived objects.
#[derive(Clone, Debug)]
pub enum Archive {
    /// A bucket.
    Bucket {
        /// The client.
        s3: aws_sdk_s3::Client,
        /// Its name.
        name: String,
    },
    /// A folder.
    Mirror(PathBuf),
}

impl fmt::Display for Archive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket { name, .. } => write!(formatter, "s3://{name}"),
            Self::Mirror(root) => write!(formatter, "{}", root.display()),
        }
    }
}

/// Why an object was not read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// The object cannot be read, but the archive answers.
    Unreadable(String),
    /// The archive does not answer.
    Unavailable(String),
}

impl Archive {
    /// Counts the objects of a range after `cursor`, as far as they can be listed.
    pub async fn count(&self, range: &Range, cursor: Option<&str>) -> u64 {
        let mut keys = self.list(range, cursor, Duration::ZERO);
        let mut count = 0;
        while let Some(Ok(_)) = keys.recv().await {
            count += 1;
        }
        count
    }

    /// Lists the objects of a range after `cursor`, in order of their keys. Ends early with an error when the archive
    /// cannot be listed for `time_limit`.
    pub(super) fn list(
        &self,
        range: &Range,
        cursor: Option<&str>,
        time_limit: Duration,
    ) -> Receiver<Result<Listed, String>> {
        let (sender, receiver) = channel(AHEAD);
        let (range, after) = (range.clone(), range.start_after(cursor));
        match self.clone() {
            Self::Bucket { s3, name } => {
                tokio::spawn(async move { list_bucket(&s3, &name, &range, &after, time_limit, &sender).await });
            }
            Self::Mirror(root) => {
                tokio::task::spawn_blocking(move || {
                    let walk = Walk::new(&root, &range.prefix, &after).map(|file| {
                        let file = file.map_err(|error| chain(&error))?;
                        Ok(Listed { key: file.key, size: file.stamp.size, etag: None })
                    });
                    send_range(walk, &range, |object| sender.blocking_send(object).is_ok());
                });
            }
        }
        receiver
    }

    /// Reads an object. Temporary failures are retried with backoff: [`ATTEMPTS`] times, and while the archive itself
    /// does not answer, until `time_limit`.
    pub(super) async fn read(&self, object: &Listed, time_limit: Duration) -> Result<Vec<u8>, NotRead> {
        let time = Deadline::within(time_limit);
        let mut attempt = 0;
        loop {
            let why = match self.read_once(object).await {
                Ok(bytes) => return Ok(bytes),
                Err(Failure::Later(why)) => why,
                Err(failure) => return Err(NotRead::Unreadable(failure.why().to_owned())),
            };
            attempt += 1;
            if attempt >= ATTEMPTS {
                match self.answers().await {
                    Ok(()) => return Err(NotRead::Unreadable(why)),
                    Err(why) if time.remaining().is_zero() => return Err(NotRead::Unavailable(why)),
                    Err(why) => tracing::warn!(error = why, "the archive does not answer, waiting"),
                }
            }
            tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(200), LONGEST_WAIT)).await;
        }
    }

    async fn read_once(&self, object: &Listed) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Bucket { s3, name } => s3::read(s3, name, &object.key, object.etag.as_deref(), MOST_BYTES).await,
            Self::Mirror(root) => {
                let (path, key) = (root.join(&object.key), object.key.clone());
                let file = mirror::File { key, path, stamp: mirror::Stamp { size: 0, modified: None } };
                let read = tokio::task::spawn_blocking(move || read_file(&file)).await;
                read.unwrap_or_else(|error| Err(Failure::Later(chain(&error))))
            }
        }
    }

    /// Tests whether the archive can be listed. `Err` is the reason why not.
    async fn answers(&self) -> Result<(), String> {
        match self {
            Self::Bucket { s3, name } => {
                let answer = s3.list_objects_v2().bucket(name).max_keys(1).send().await;
                answer.map(drop).map_err(|error| chain(&error))
            }
            Self::Mirror(root) => root.read_dir().map(drop).map_err(|error| format!("{}: {error}", root.display())),
        }
    }
}

/// Reads a file of a mirror.
fn read_file(file: &mirror::File) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge => Failure::Gone(error.to_string()),
        io::ErrorKind::PermissionDenied => Failure::Denied(error.to_string()),
        _ => Failure::Later(error.to_string()),
    };
    file.read(MOST_BYTES as u64).map_err(failed)
}

/// Sends those objects of a listing that are in the range, and stops after it. `false` when the listing is to end.
fn send_range(
    listing: impl Iterator<Item = Result<Listed, String>>,
    range: &Range,
    mut send: impl FnMut(Result<Listed, String>) -> bool,
) -> bool {
    for object in listing {
        let go_on = match object {
            // The console of S3 makes such an object for a folder.
            Ok(object) if object.key.ends_with('/') => true,
            Ok(object) => match range.position(&object.key) {
                Position::In => send(Ok(object)),
                Position::Out => true,
                Position::After => false,
            },
            Err(error) => {
                send(Err(error));
                false
            }
        };
        if !go_on {
            return false;
        }
    }
    true
}

/// Lists a bucket, at most 1,000 objects at a time.
async fn list_bucket(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    range: &Range,
    after: &str,
    time_limit: Duration,
    sender: &Sender<Result<Listed, String>>,
) {
    let mut token: Option<String> = None;
    loop {
        let (objects, next) = match list_with_retries(s3, bucket, range, after, token.as_deref(), time_limit).await {
            Ok(listed) => listed,
            Err(why) => return drop(sender.send(Err(why)).await),
        };
        let mut chosen = Vec::with_capacity(objects.len());
        let go_on = send_range(objects.into_iter().map(Ok), range, |object| {
            chosen.push(object);
            true
        });
        for object in chosen {
            if sender.send(object).await.is_err() {
                return;
            }
        }
        match next {
            Some(next) if go_on => token = Some(next),
            _ => return,
        }
    }
}

/// Lists the next objects of a bucket. Temporary failures are retried with backoff until `time_limit`.
async fn list_with_retries(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    range: &Range,
    after: &str,
    token: Option<&str>,
    time_limit: Duration,
) -> Result<(Vec<Listed>, Option<String>), String> {
    let time = Deadline::within(time_limit);
    let mut attempt = 0;
    loop {
        match s3::list(s3, bucket, &range.prefix, after, token).await {
            Ok(listed) => return Ok(listed),
            Err(Failure::Later(why)) if !time.remaining().is_zero() => {
                tracing::warn!(s3.bucket = bucket, error = why, "cannot list the archive, waiting");
            }
            Err(failure) => return Err(failure.why().to_owned()),
        }
        attempt += 1;
        tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(200), LONGEST_WAIT)).await;
    }
}
