//! Webhooks to addresses that builds name, and to a bridge to IRC.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::Value;

use crate::deliver::http::{Header, Poster};
use crate::deliver::policy::{self, Answer, Decision, Lost};
use crate::deliver::signature::rsa_sha1;
use crate::deliver::targets::NoticeMethod;
use crate::deliver::webhook::signed;
use crate::outbox::EventDue;
use crate::outbox::Notice;
use crate::platform::clock;
use crate::platform::secret::Secret;

/// A document and its address.
pub(super) struct Document {
    pub(super) url: Url,
    pub(super) slug: String,
    pub(super) signed: bool,
    pub(super) body: Value,
}

/// Sends a document as Travis CI does: as the field `payload` of a form, signed with its key; or as JSON.
pub(super) async fn send(poster: &Poster, method: &NoticeMethod, due: &EventDue, document: &Document) -> Decision {
    let NoticeMethod::Hook { key, secret, token, is_form } = method else { return Decision::dead("no hook") };
    let json = document.body.to_string();
    let mut headers: Vec<Header> =
        vec![("travis-repo-slug", header_text(&document.slug)), ("user-agent", "Travis CI Notifications".to_owned())];
    let mut body = json.clone();
    if document.signed {
        if let Some(key) = key {
            match rsa_sha1(key, json.as_bytes()) {
                Ok(signature) => headers.push(("signature", signature)),
                Err(why) => return Decision::lost(due.attempts, &Lost { why, certain: true }),
            }
        }
        if *is_form {
            body = format!("payload={}", utf8_percent_encode(&json, NON_ALPHANUMERIC));
            headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        }
        if let Some(secret) = secret {
            headers.extend(signed(secret, due.id, &body, clock::now()));
        }
    }
    if let Some(token) = token {
        headers.push(("authorization", format!("Basic {}", STANDARD.encode(token.expose()))));
    }
    decide(poster.post(&document.url, &headers, &body, false).await, due)
}

/// A text of a message as the value of a header: without line ends, which would begin another header.
fn header_text(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).collect()
}

/// Sends lines to a bridge, which speaks IRC.
pub(super) async fn to_bridge(poster: &Poster, url: &Url, secret: &Secret, due: &EventDue, irc: &Notice) -> Decision {
    let Notice::Irc { server, port, tls, channel, lines } = irc else { return Decision::dead("no lines") };
    let body = serde_json::json!({
        "server": server, "port": port.unwrap_or(if *tls { 6697 } else { 6667 }), "tls": tls, "channel": channel,
        "lines": lines,
    });
    let body = body.to_string();
    let headers = signed(secret, due.id, &body, clock::now());
    decide(poster.post(url, &headers, &body, false).await, due)
}

fn decide(answer: Result<Answer, Lost>, due: &EventDue) -> Decision {
    match answer {
        Ok(answer) => policy::hook(&answer, due.attempts),
        // One address that does not answer says nothing about the others of the target.
        Err(lost) => Decision { fault: false, ..Decision::lost(due.attempts, &lost) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_cannot_add_a_header() {
        assert_eq!(header_text("acme/app\r\nx-evil: 1\0\u{a0}\u{2028}"), "acme/appx-evil:1");
    }
}
