//! The body of a request, whole: within a time, within a size, and no byte of one that says that it is larger.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request};
use futures_util::StreamExt;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Larger than it may be, by its `Content-Length` or by its bytes: 413.
    TooLarge,
    /// Not there in time: 408.
    Late,
    /// It broke off.
    Broken,
    /// There is no room for more of it: 503.
    Full,
}

/// Reads a body. `room` is asked for each piece before it is kept, by its number of bytes.
///
/// # Errors
/// When it is not there whole.
pub async fn read(
    request: Request<Body>,
    most: usize,
    within: Duration,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, Unread> {
    let is_too_large = declared(request.headers()).is_some_and(|length| length > most as u64);
    let mut pieces = request.into_body().into_data_stream();
    if is_too_large {
        pass_over(&mut pieces).await;
        return Err(Unread::TooLarge);
    }
    let whole = async {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Unread::Broken)?;
            if bytes.len() + piece.len() > most {
                pass_over(&mut pieces).await;
                return Err(Unread::TooLarge);
            }
            if !room(piece.len()) {
                return Err(Unread::Full);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    tokio::time::timeout(within, whole).await.unwrap_or(Err(Unread::Late))
}

/// Bytes on their way are passed over up to here, so that a client who is not hostile can read the answer: a connection that is
/// closed with unread bytes is reset.
const PASSED_OVER: usize = 1 << 20;
/// No longer than this after the last of them.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

async fn pass_over(pieces: &mut BodyDataStream) {
    let mut passed = 0;
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(ON_ITS_WAY, pieces.next()).await {
        passed += piece.len();
        if passed > PASSED_OVER {
            return;
        }
    }
}

/// The length that a request says it has.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
