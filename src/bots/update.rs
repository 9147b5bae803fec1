//! A heartbeat on its way out.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::record::Status;
use crate::envelope::{Attributes, Head, Latest, Message, Refusal};

/// What a bot wants to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Of the bot.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What it adds.
    pub comment: Option<String>,
    /// Names and values for people; `None` leaves the key out.
    pub meta: Option<Map<String, Value>>,
    /// Seconds until the next heartbeat.
    pub interval: Option<u64>,
}

impl Update {
    /// The message, as bot-status's own tool sends it.
    ///
    /// # Errors
    /// When it would be refused, or anything of it left out, where it is taken in; the detail names the field.
    pub fn payload(&self) -> Result<String, Refusal> {
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
            crate::envelope::Decoded::Records(beats) => beats,
            crate::envelope::Decoded::Ignored(why) => return Err(Refusal::new("ignored", why)),
        };
        match beats.iter().flat_map(|beat| &beat.warnings).next() {
            Some(warning) => Err(Refusal::new("bad-field", warning)),
            None => Ok(payload),
        }
    }
}

/// Reads `key: value`; `None` without a colon.
#[must_use]
pub fn meta_pair(text: &str) -> Option<(String, Value)> {
    let (key, value) = text.split_once(':')?;
    Some((key.trim().to_owned(), value.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_refused_is_not_sent() {
        let fine = Update { name: "a".to_owned(), status: Status::Ok, comment: None, meta: None, interval: None };
        assert_eq!(fine.payload().as_deref(), Ok(r#"{"name":"a","status":"ok"}"#));
        let long = Some("x".repeat(501));
        let meta: Option<Map<String, Value>> = Some([("k".to_owned(), "v".repeat(5000).into())].into_iter().collect());
        for wrong in [
            Update { name: " ".to_owned(), ..fine.clone() },
            Update { comment: long, ..fine.clone() },
            Update { meta, ..fine.clone() },
            Update { interval: Some(0), ..fine },
        ] {
            assert!(wrong.payload().is_err(), "{wrong:?}");
        }
        assert_eq!(meta_pair("a b : c:d"), Some(("a b".to_owned(), "c:d".into())));
        assert_eq!(meta_pair("bad"), None);
    }
}
