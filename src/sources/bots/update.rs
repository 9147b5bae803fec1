//! Builds a heartbeat to send (command `bot-status`).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::record::Status;
use crate::transport::{Attributes, Head, Latest, Message, Rejection};

/// A heartbeat to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Name of the bot.
    pub name: String,
    /// Status.
    pub status: Status,
    /// Comment.
    pub comment: Option<String>,
    /// Additional names and values; `None` leaves the member `meta` out.
    pub meta: Option<Map<String, Value>>,
    /// Seconds until the next heartbeat.
    pub interval: Option<u64>,
}

impl Update {
    /// The body of the message, in the form in which bot-status's own tool sends it.
    ///
    /// # Errors
    /// When ingest would reject the message or leave a member out; the detail names the field.
    pub fn payload(&self) -> Result<String, Rejection> {
        let mut members = Map::new();
        members.insert("name".to_owned(), self.name.as_str().into());
        members.insert("status".to_owned(), self.status.name().into());
        let comment = self.comment.as_deref().map(|comment| ("comment", comment.into()));
        let meta = self.meta.clone().map(|meta| ("meta", Value::Object(meta)));
        let interval = self.interval.map(|interval| ("interval", interval.into()));
        members.extend([comment, meta, interval].into_iter().flatten().map(|(key, value)| (key.to_owned(), value)));
        let payload = Value::Object(members).to_string();
        let head = Head::read(&payload).unwrap_or_default();
        let attributes = Cow::Owned(Attributes::new());
        let (id, latest) = (String::new(), Latest::default());
        let message = Message { id, attributes, payload: &payload, head, sent_at: None, latest };
        let beats = match super::decode(&message)? {
            crate::transport::Decoded::Records(beats) => beats,
            crate::transport::Decoded::Ignored(why) => return Err(Rejection::new("ignored", why)),
        };
        match beats.iter().flat_map(|beat| &beat.warnings).next() {
            Some(warning) => Err(Rejection::new("bad-field", warning)),
            None => Ok(payload),
        }
    }
}

/// Parses `key: value`; `None` without a colon.
#[must_use]
pub fn meta_pair(text: &str) -> Option<(String, Value)> {
    let (key, value) = text.split_once(':')?;
    Some((key.trim().to_owned(), value.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_would_be_rejected_is_not_sent() {
        let valid = Update { name: "a".to_owned(), status: Status::Ok, comment: None, meta: None, interval: None };
        assert_eq!(valid.payload().as_deref(), Ok(r#"{"name":"a","status":"ok"}"#));
        let long = Some("x".repeat(501));
        let meta: Option<Map<String, Value>> = Some([("k".to_owned(), "v".repeat(5000).into())].into_iter().collect());
        for wrong in [
            Update { name: " ".to_owned(), ..valid.clone() },
            Update { comment: long, ..valid.clone() },
            Update { meta, ..valid.clone() },
            Update { interval: Some(0), ..valid },
        ] {
            assert!(wrong.payload().is_err(), "{wrong:?}");
        }
        assert_eq!(meta_pair("a b : c:d"), Some(("a b".to_owned(), "c:d".into())));
        assert_eq!(meta_pair("bad"), None);
    }
}
