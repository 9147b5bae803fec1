//! The response of a Lambda function to a batch.

use aws_lambda_events::sqs::SqsBatchResponse;

use super::report::Report;
use crate::transport::lambda::{Invocation, batch_response};

/// The invocation has to fail as a whole, so that its caller retries.
#[derive(Debug, thiserror::Error)]
pub enum InvocationFailed {
    /// Messages could not be tried.
    #[error("{again} of {received} messages could not be tried: {cause}")]
    Untried {
        /// Number of messages to retry.
        again: u64,
        /// Number of messages in the invocation.
        received: u64,
        /// Why.
        cause: String,
    },
    /// The event is of a transport that is not decoded. Success would delete its messages.
    #[error(
        "an event of {source_name}, which is a transport that is not decoded here; {}",
        if *.kept { "its bytes are in `refused`" } else { "it still has its messages" }
    )]
    Transport {
        /// Its `eventSource`.
        source_name: String,
        /// Whether its bytes are stored in `refused`: an asynchronous caller keeps no messages itself.
        kept: bool,
    },
}

/// The response to an invocation: the ids of exactly those messages that are not durably stored.
///
/// # Errors
/// When not all was stored and the caller accepts no partial response or a message has no id; and always for an event
/// of a transport that is not decoded.
pub fn answer(invocation: &Invocation, report: &Report) -> Result<SqsBatchResponse, InvocationFailed> {
    let counts = report.counts();
    if let Some(unknown) = invocation.unknown.as_ref().filter(|_| counts.again == 0) {
        return Err(InvocationFailed::Transport { source_name: unknown.source.clone(), kept: !unknown.polled });
    }
    let response = batch_response(report.to_retry()).filter(|_| invocation.partial || counts.again == 0);
    response.ok_or_else(|| InvocationFailed::Untried {
        again: counts.again,
        received: counts.received,
        cause: report.error.as_ref().map_or_else(String::new, |(_, error)| error.clone()),
    })
}
