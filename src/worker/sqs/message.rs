//! Converts a received message to a delivery and the receipt that acknowledges it.

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::platform::clock;
use crate::transport::{Delivery, time};

/// A received message.
#[derive(Debug)]
pub(super) struct Received {
    /// Its body and attributes.
    pub(super) delivery: Delivery,
    /// Its receipt.
    pub(super) receipt: Receipt,
}

/// Identifies a received message when it is deleted or its visibility is changed.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    /// The handle, which is valid for this receive only.
    pub(super) handle: String,
    /// How often the message was received, this time included.
    pub(super) receives: u32,
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        let system = |name| message.attributes().and_then(|attributes| attributes.get(&name)).map(String::as_str);
        let receives = system(MessageSystemAttributeName::ApproximateReceiveCount).and_then(|text| text.parse().ok());
        let sent_at = system(MessageSystemAttributeName::SentTimestamp).and_then(time::epoch_millis);
        let is_moved = system(MessageSystemAttributeName::DeadLetterQueueSourceArn).is_some();
        let attributes = message.message_attributes.into_iter().flatten();
        Self {
            delivery: Delivery {
                id: message.message_id.unwrap_or_default(),
                body: message.body.unwrap_or_default().into_bytes(),
                attributes: attributes.filter_map(|(name, value)| Some((name, text(value)?))).collect(),
                sent_at,
                is_moved,
                received_at: Some(clock::now()),
            },
            receipt: Receipt { handle: message.receipt_handle.unwrap_or_default(), receives: receives.unwrap_or(1) },
        }
    }
}

/// The text of an attribute; bytes in base64, as in Lambda events.
fn text(value: MessageAttributeValue) -> Option<String> {
    value.string_value.or_else(|| value.binary_value.map(|bytes| STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::primitives::Blob;

    use super::*;

    #[test]
    fn a_message_becomes_a_delivery() {
        let attribute = MessageAttributeValue::builder().data_type("String");
        let received = Received::from(
            Message::builder()
                .message_id("m")
                .receipt_handle("r")
                .body("{}")
                .attributes(MessageSystemAttributeName::SentTimestamp, "1772610591200")
                .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3")
                .message_attributes("source", attribute.clone().string_value("gitlab").build().unwrap())
                .message_attributes("bytes", attribute.binary_value(Blob::new(*b"ab")).build().unwrap())
                .build(),
        );
        let delivery = received.delivery;
        assert_eq!((delivery.id.as_str(), delivery.body.as_slice()), ("m", b"{}".as_slice()));
        assert_eq!((delivery.attributes["source"].as_str(), delivery.attributes["bytes"].as_str()), ("gitlab", "YWI="));
        assert_eq!(delivery.sent_at.map(|time| time.as_millisecond()), Some(1_772_610_591_200));
        assert_eq!((received.receipt.handle.as_str(), received.receipt.receives), ("r", 3));
    }
}
