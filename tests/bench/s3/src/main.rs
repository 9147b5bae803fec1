//! Serves a folder as a read-only S3 bucket: `s3-of-folder ROOT BUCKET`, with ROOT/BUCKET/key. Prints where it listens,
//! and ends when its standard input ends.
//!
//! Requests, signatures (key and secret are both `x`), answers and errors are handled by s3s, objects are read by
//! s3s-fs. This program implements the list, for which s3s-fs would walk all files for each page of a thousand, and
//! `If-Match`, which it ignores.

use std::io::Read;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use md5::{Digest, Md5};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

/// The largest number of keys on a page, as in S3.
const PAGE: usize = 1000;

struct Folder {
    files: FileSystem,
    root: PathBuf,
    bucket: String,
    /// All keys at the start, sorted. Later files are not listed.
    keys: OnceCell<Vec<String>>,
}

#[async_trait::async_trait]
impl S3 for Folder {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let condition = request.input.if_match.clone();
        let response = self.files.get_object(request).await?;
        match (condition, &response.output.e_tag) {
            (Some(ETagCondition::ETag(wanted)), Some(found)) if !found.strong_cmp(&wanted) => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(response),
        }
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        if input.bucket != self.bucket {
            return Err(s3_error!(NoSuchBucket));
        }
        if input.delimiter.is_some() || input.encoding_type.is_some() {
            return Err(s3_error!(NotImplemented));
        }
        let folder = self.root.join(&self.bucket);
        let keys = self.keys.get_or_try_init(|| walk(folder.clone())).await?;
        let prefix = input.prefix.clone().unwrap_or_default();
        // The token of a page is its last key; it takes precedence over `start-after`, as in S3.
        let after = input.continuation_token.as_ref().or(input.start_after.as_ref());
        let most = input.max_keys.and_then(|keys| usize::try_from(keys).ok()).unwrap_or(PAGE).min(PAGE);
        let first = keys.partition_point(|key| *key < prefix || after.is_some_and(|after| key <= after));
        let matching = keys[first..].iter().take_while(|key| key.starts_with(&prefix));
        let page: Vec<String> = matching.clone().take(most).cloned().collect();
        let more = matching.take(most + 1).count() > page.len();
        let next = page.last().filter(|_| more).cloned();
        let objects = move || page.into_iter().map(|key| object(&folder, key)).collect::<S3Result<Vec<_>>>();
        let contents = tokio::task::spawn_blocking(objects).await.map_err(internal)??;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            key_count: i32::try_from(contents.len()).ok(),
            max_keys: i32::try_from(most).ok(),
            is_truncated: Some(more),
            continuation_token: input.continuation_token,
            next_continuation_token: next,
            start_after: input.start_after,
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> s3s::S3Error {
    s3s::S3Error::internal_error(error)
}

/// The list entry of an object, with the MD5 of its bytes as `ETag`.
fn object(folder: &Path, key: String) -> S3Result<Object> {
    let path = folder.join(&key);
    let bytes = std::fs::read(&path).map_err(internal)?;
    let modified = std::fs::metadata(&path).and_then(|of| of.modified()).map_err(internal)?;
    let tag = Md5::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Object {
        e_tag: Some(ETag::Strong(tag)),
        key: Some(key),
        last_modified: Some(modified.into()),
        size: i64::try_from(bytes.len()).ok(),
        ..Object::default()
    })
}

/// The keys below a folder, sorted by their bytes.
async fn walk(folder: PathBuf) -> S3Result<Vec<String>> {
    fn into(keys: &mut Vec<String>, root: &Path, folder: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                into(keys, root, &entry.path())?;
            } else if let Some(key) = entry.path().strip_prefix(root).ok().and_then(Path::to_str) {
                keys.push(key.to_owned());
            }
        }
        Ok(())
    }
    let walk = tokio::task::spawn_blocking(move || {
        let mut keys = Vec::new();
        into(&mut keys, &folder, &folder)?;
        keys.sort_unstable();
        Ok::<_, std::io::Error>(keys)
    });
    walk.await.map_err(internal)?.map_err(internal)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(root), Some(bucket)) = (arguments.next(), arguments.next()) else {
        return Err("s3-of-folder ROOT BUCKET".into());
    };
    let files = FileSystem::new(&root).map_err(|error| format!("{root}: {error:?}"))?;
    let mut service = S3ServiceBuilder::new(Folder { files, root: root.into(), bucket, keys: OnceCell::new() });
    service.set_auth(SimpleAuth::from_single("x", "x"));
    let service = service.build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let http = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            http.serve_connection(TokioIo::new(connection), service).await.ok();
        });
    }
}
