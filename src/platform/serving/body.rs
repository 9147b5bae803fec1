//! Reads the body of a request, with limits on time and size. A body that declares a larger size is not read.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Request};
use futures_util::StreamExt;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Larger than the limit, by its `Content-Length` or by its bytes: 413.
    TooLarge,
    /// Not received in time: 408.
    Late,
    /// The connection broke.
    Broken,
    /// There is no capacity for more of it: 503.
    Full,
}

/// Reads a body. `reserve` is called with the size of each piece before it is stored, and says whether there is
/// capacity for it.
///
/// # Errors
/// When the body is not received as a whole.
pub async fn read(
    request: Request<Body>,
    most: usize,
    within: Duration,
    mut reserve: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, Unread> {
    let is_too_large = declared(request.headers()).is_some_and(|length| length > most as u64);
    let mut pieces = request.into_body().into_data_stream();
    if is_too_large {
        discard(&mut pieces).await;
        return Err(Unread::TooLarge);
    }
    let whole = async {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Unread::Broken)?;
            if bytes.len() + piece.len() > most {
                discard(&mut pieces).await;
                return Err(Unread::TooLarge);
            }
            if !reserve(piece.len()) {
                return Err(Unread::Full);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    tokio::time::timeout(within, whole).await.unwrap_or(Err(Unread::Late))
}

/// Most bytes that are read and discarded after a rejection, so that a client that is not hostile can read the
/// response: closing a connection with unread bytes resets it.
const DISCARDED: usize = 1 << 20;
/// Longest wait for the next piece to discard.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

async fn discard(pieces: &mut BodyDataStream) {
    let mut discarded = 0;
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(ON_ITS_WAY, pieces.next()).await {
        discarded += piece.len();
        if discarded > DISCARDED {
            return;
        }
    }
}

/// The `Content-Length` of a request.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
