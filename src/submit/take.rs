//! From the body of a request to ingest, for all addresses.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use sha2::{Digest, Sha256};

use super::Intake;
use super::answer::Problem;
use super::capacity::Taken;
use crate::db::ErrorClass;
use crate::ingest::{self, Outcome};
use crate::platform::aws::invoke::Waker;
use crate::platform::hex::hex;
use crate::platform::serving::{self, Unread};
use crate::platform::shutdown::on_a_thread;
use crate::sources::Source;
use crate::transport::{Delivery, Limits, Rejection, Unwrapped, unwrap};

impl Intake {
    /// Receives the body of a request, and then acquires a slot for processing, which dropping the returned guard
    /// releases. A slow body holds no slot.
    pub(super) async fn body(&self, token: &str, request: Request) -> Result<(Vec<u8>, Taken), Problem> {
        if !is_known(request.headers()) {
            return Err(Problem::Unknown);
        }
        let mut taken = self.capacity.begin(token)?;
        let (most, within) = (self.settings.limits.decoded_bytes, self.body_time);
        let bytes = serving::read(request, most, within, |count| taken.bytes(count)).await;
        let bytes = bytes.map_err(|unread| match unread {
            Unread::TooLarge => Problem::TooLarge,
            Unread::Late => Problem::Late,
            Unread::Full => Problem::Busy,
            Unread::Broken => Problem::Bad("body", "the body is incomplete".to_owned()),
        })?;
        Ok((bytes, taken.slot()?))
    }

    /// Ingests a delivery; returns its outcome.
    pub(super) async fn ingest(&self, delivery: Delivery) -> Result<Outcome, Problem> {
        let (store, settings, deadline) = (self.store.clone(), self.settings.clone(), self.deadline());
        let report = on_a_thread(move || async move { ingest::ingest(&store, &[delivery], &settings, deadline).await });
        let report = report.await.map_err(|error| {
            tracing::error!(error = %error, alarm = true, "a request panicked");
            Problem::Bug
        })?;
        crate::ingest::record(&report);
        Waker::wake_for(self.waker.as_deref(), report.due.needs_waking()).await;
        match report.error {
            Some((ErrorClass::Retry, _)) => Err(Problem::Away),
            Some(_) => Err(Problem::Bug),
            None => Ok(report.outcomes().first().copied().unwrap_or(Outcome::Ignored)),
        }
    }
}

/// Whether the content encoding is supported. Decoding goes by the bytes, not by this header.
fn is_known(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.map(|coding| coding.to_str().unwrap_or("?")).all(|coding| {
        let coding = coding.trim();
        ["gzip", "x-gzip", "identity", ""].iter().any(|known| coding.eq_ignore_ascii_case(known))
    })
}

/// The one document in a body, decompressed and without envelopes.
pub(super) fn document(body: &[u8], limits: Limits) -> Result<String, Problem> {
    let delivery = Delivery { body: body.to_vec(), ..Delivery::default() };
    let (mut parts, mut found) = (0, Err(Rejection::new("empty", "an empty list")));
    unwrap(&delivery, limits, &mut |part| {
        parts += 1;
        found = match part {
            Unwrapped::Message(message) => Ok(message.payload.to_owned()),
            Unwrapped::Ignored(why) => Err(Rejection::new("ignored", why)),
            Unwrapped::Rejected { rejection, .. } => Err(rejection),
        };
    });
    match found {
        Ok(document) if parts == 1 => Ok(document),
        Ok(_) => Err(Problem::Bad("several", format!("expected one document, got {parts}"))),
        Err(rejection) if rejection.reason == "too-large" => Err(Problem::TooLarge),
        Err(rejection) => Err(Problem::Bad(rejection.reason, rejection.detail)),
    }
}

/// Whether a delivery holds exactly one message, of this source: a token for one source must not write to another.
pub(super) fn is_of(source: Source, delivery: &Delivery, limits: Limits) -> bool {
    let (mut parts, mut found) = (0, None);
    unwrap(delivery, limits, &mut |part| {
        parts += 1;
        if let Unwrapped::Message(message) = part {
            found = Source::recognise(&message);
        }
    });
    parts == 1 && found == Some(source)
}

/// 32 hex digits that depend on the parts only: a retried request has the same id (idempotent).
pub(super) fn id_of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..16])
}
