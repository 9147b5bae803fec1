//! The way from a request's body into the pipeline, the same for all addresses.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use sha2::{Digest, Sha256};

use super::Intake;
use super::answer::Problem;
use super::capacity::Taken;
use crate::aws::invoke::Waker;
use crate::envelope::{Delivery, Limits, Refusal, Unwrapped, unwrap};
use crate::family::Family;
use crate::hex::hex;
use crate::pipeline::{self, Outcome};
use crate::serving::{self, Unread};
use crate::store::Verdict;
use crate::tasks::on_a_thread;
use crate::telemetry;

impl Intake {
    /// The body of a request, as it came, and then a place among the requests that are worked on, until what is returned
    /// is dropped: a body that does not come blocks no other request.
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
            Unread::Broken => Problem::Bad("body", "the body did not come whole".to_owned()),
        })?;
        Ok((bytes, taken.place()?))
    }

    /// Hands a delivery to the pipeline; what became of it.
    pub(super) async fn ingest(&self, delivery: Delivery) -> Result<Outcome, Problem> {
        let (store, settings, deadline) = (self.store.clone(), self.settings.clone(), self.deadline());
        let report =
            on_a_thread(move || async move { pipeline::ingest(&store, &[delivery], &settings, deadline).await });
        let report = report.await.map_err(|error| {
            tracing::error!(error = %error, alarm = true, "a request panicked");
            Problem::Bug
        })?;
        telemetry::record(&report);
        Waker::wake_for(self.waker.as_deref(), report.due.wants_waking()).await;
        match report.error {
            Some((Verdict::Again, _)) => Err(Problem::Away),
            Some(_) => Err(Problem::Bug),
            None => Ok(report.outcomes().first().copied().unwrap_or(Outcome::Ignored)),
        }
    }
}

/// Whether the body is packed in a way that the envelope takes off; it goes by the bytes, not by this header.
fn is_known(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.map(|coding| coding.to_str().unwrap_or("?")).all(|coding| {
        let coding = coding.trim();
        ["gzip", "x-gzip", "identity", ""].iter().any(|known| coding.eq_ignore_ascii_case(known))
    })
}

/// The one document in a body, out of all that it is packed in.
pub(super) fn document(body: &[u8], limits: Limits) -> Result<String, Problem> {
    let delivery = Delivery { body: body.to_vec(), ..Delivery::default() };
    let (mut parts, mut found) = (0, Err(Refusal::new("empty", "an empty list")));
    unwrap(&delivery, limits, &mut |part| {
        parts += 1;
        found = match part {
            Unwrapped::Message(message) => Ok(message.payload.to_owned()),
            Unwrapped::Ignored(why) => Err(Refusal::new("ignored", why)),
            Unwrapped::Refused { refusal, .. } => Err(refusal),
        };
    });
    match found {
        Ok(document) if parts == 1 => Ok(document),
        Ok(_) => Err(Problem::Bad("several", format!("expected one document, got {parts}"))),
        Err(refusal) if refusal.reason == "too-large" => Err(Problem::TooLarge),
        Err(refusal) => Err(Problem::Bad(refusal.reason, refusal.detail)),
    }
}

/// Whether the pipeline would find one message of this family in a delivery, and nothing else: a token for one thing must
/// not bring in another.
pub(super) fn is_of(family: Family, delivery: &Delivery, limits: Limits) -> bool {
    let (mut parts, mut found) = (0, None);
    unwrap(delivery, limits, &mut |part| {
        parts += 1;
        if let Unwrapped::Message(message) = part {
            found = Family::recognise(&message);
        }
    });
    parts == 1 && found == Some(family)
}

/// 32 hex digits that depend on nothing but the parts: the same request has the same id when it comes again.
pub(super) fn id_of(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..16])
}
