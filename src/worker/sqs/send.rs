//! Sends one message to a queue, for programs that send heartbeats.

use aws_sdk_sqs::types::MessageAttributeValue;

use crate::platform::aws;
use crate::platform::environment::Lookup;

/// SQS rejected the message or cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot send the message to SQS")]
pub struct SendError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Sends a message with its attributes. In a FIFO queue messages of one group stay in order.
///
/// # Errors
/// When SQS cannot be reached, or rejects the message.
pub async fn send(
    lookup: Lookup<'_>,
    queue_url: &str,
    body: &str,
    attributes: &[(&str, &str)],
    group: &str,
) -> Result<(), SendError> {
    let config = aws::config(lookup).await;
    let mut call = aws_sdk_sqs::Client::new(&config).send_message().queue_url(queue_url).message_body(body);
    for (name, value) in attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build();
        call = call.message_attributes(*name, value.map_err(|error| SendError(error.into()))?);
    }
    if queue_url.ends_with(".fifo") {
        // Two equal heartbeats are two messages, so the deduplication id is unique.
        let unique = crate::platform::clock::now().as_nanosecond().to_string();
        call = call.message_group_id(group_id(group)).message_deduplication_id(unique);
    }
    call.send().await.map(drop).map_err(|error| SendError(error.into()))
}

/// The group id for a name: up to 128 ASCII characters without blanks (SQS API, `MessageGroupId`).
fn group_id(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(128).collect()
}
