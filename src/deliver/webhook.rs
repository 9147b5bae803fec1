//! Posts one event to an address, signed by Standard Webhooks: `webhook-id` (the same at each attempt, so that
//! receivers can be idempotent), `webhook-timestamp`, and `webhook-signature`, HMAC-SHA256 over `id.timestamp.body`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Url;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::http::{ClientOptions, Header, Poster};
use super::policy::{self, Decision};
use crate::outbox::EventDue;
use crate::platform::clock;
use crate::platform::secret::Secret;

/// Client of one address.
#[derive(Clone, Debug)]
pub struct WebhookPoster {
    url: Url,
    secret: Secret,
    poster: Poster,
}

impl WebhookPoster {
    /// Sets up a client for an address.
    ///
    /// # Errors
    /// When the bundle is not PEM, or TLS cannot be set up.
    pub fn new(
        url: Url,
        secret: Secret,
        allow_private: bool,
        ca_bundle: Option<&[u8]>,
    ) -> Result<Self, reqwest::Error> {
        let options =
            ClientOptions { ca_bundle, public_only: !allow_private, secret_address: true, secrets: &[&secret] };
        let poster = Poster::new(options)?;
        Ok(Self { url, secret, poster })
    }

    /// Posts, and decides what the answer means.
    pub async fn post(&self, due: &EventDue) -> Decision {
        let body = document(due);
        let headers = signed(&self.secret, due.id, &body, clock::now());
        let answer = self.poster.post(&self.url, &headers, &body, false).await;
        match answer {
            Ok(answer) => policy::webhook(&answer, due.attempts),
            Err(lost) => Decision::lost(due.attempts, &lost),
        }
    }
}

/// The headers of the standard.
pub(super) fn signed(secret: &Secret, event: i64, body: &str, now: Timestamp) -> Vec<Header> {
    let id = format!("evt_{event}");
    let seconds = now.as_second();
    let signature = signature(secret, &format!("{id}.{seconds}.{body}"));
    vec![("webhook-id", id), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)]
}

/// The body that is posted.
fn document(due: &EventDue) -> String {
    #[derive(Serialize)]
    struct Document<'d> {
        attributes: BTreeMap<String, String>,
        data: Box<RawValue>,
        key: &'d str,
        source: &'d str,
        timestamp: Timestamp,
        r#type: &'d str,
    }
    let document = Document {
        attributes: due.attributes(true),
        // A whole payload is valid JSON.
        data: RawValue::from_string(due.whole()).unwrap_or_default(),
        key: &due.key,
        source: &due.family,
        timestamp: due.created_at,
        r#type: &due.event,
    };
    serde_json::to_string(&document).unwrap_or_default()
}

/// `v1,` and the base64 of the HMAC. A secret in the form of the standard (`whsec_` and base64) is decoded.
fn signature(secret: &Secret, text: &str) -> String {
    let encoded = secret.expose().strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    let key = encoded.unwrap_or_else(|| secret.expose().as_bytes().to_vec());
    let mac = Hmac::<Sha256>::new_from_slice(&key).map(|mac| mac.chain_update(text).finalize().into_bytes());
    // HMAC accepts keys of any length, so that this cannot fail.
    format!("v1,{}", STANDARD.encode(mac.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard's own libraries.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let text = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        assert_eq!(signature(&secret, text), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
