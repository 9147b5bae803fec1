//! Middleware for all answers: security headers, an `ETag`, gzip.

use std::io::Write;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::platform::hex::hex;

/// Security headers: nothing is loaded from other sites, no script runs, and no site may frame a page.
const SECURITY: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors \
         'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("strict-transport-security", "max-age=31536000"),
];
/// Smallest body in bytes that is compressed: below, gzip saves no packet.
const WORTH_COMPRESSING: usize = 1000;
/// Limit of the bytes of an answer; no page is so long.
const LONGEST: usize = 32 << 20;

/// Finishes the answer of a handler.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let request_headers = request.headers().clone();
    let head = request.method() == Method::HEAD;
    let (mut parts, body) = next.run(request).await.into_parts();
    for (name, value) in SECURITY {
        parts.headers.insert(*name, HeaderValue::from_static(value));
    }
    parts.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    // In addition to the headers that the handler's answer depends on.
    parts.headers.append(VARY, HeaderValue::from_static("accept, accept-encoding"));
    // Handlers make whole answers in memory.
    let Ok(bytes) = to_bytes(body, LONGEST).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    if parts.status == StatusCode::OK {
        // A handler may know the version of what it shows.
        let given = parts.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let tag = given.unwrap_or_else(|| etag(&bytes));
        if matches(&request_headers, &tag) {
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.remove(CONTENT_TYPE);
            insert(&mut parts.headers, ETAG, &tag);
            return Response::from_parts(parts, Body::empty());
        }
        insert(&mut parts.headers, ETAG, &tag);
    }
    let compressed =
        if !head && bytes.len() >= WORTH_COMPRESSING && accepts_gzip(&request_headers) { gzip(&bytes) } else { None };
    if compressed.is_some() {
        parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, compressed.map_or_else(|| Body::from(bytes), Body::from))
}

fn insert(headers: &mut HeaderMap, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A weak tag: the same for the plain and the compressed form.
fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("W/\"{}\"", hex(&hash[..12]))
}

fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = tag.trim_start_matches("W/");
    given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == bare)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let given = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
    })
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
