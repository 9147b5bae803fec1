//! What a Lambda function answers after a batch.

use aws_lambda_events::sqs::SqsBatchResponse;

use super::report::Report;
use crate::envelope::lambda::{Invocation, batch_response};

/// The invocation has to fail as a whole, so that its caller tries again.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Messages could not be tried.
    #[error("{again} of {received} messages could not be tried: {cause}")]
    Untried {
        /// How many.
        again: u64,
        /// Of how many.
        received: u64,
        /// Why.
        cause: String,
    },
    /// The event is of a transport that is not decoded. Success would let its messages be deleted.
    #[error("an event of {source_name}, which is a transport that is not decoded here; {}", if *.kept { "its bytes are in `refused`" } else { "it still has its messages" })]
    Transport {
        /// Its `eventSource`.
        source_name: String,
        /// Whether its bytes are kept in `refused`: what invokes asynchronously keeps none itself.
        kept: bool,
    },
}

/// The answer to an invocation: the ids of exactly those messages that are not durably stored.
///
/// # Errors
/// When the caller does not take answers by part, or a message has no id to name it by, and not all was stored; and always
/// for an event of a transport that is not decoded.
pub fn answer(invocation: &Invocation, report: &Report) -> Result<SqsBatchResponse, NotTaken> {
    let counts = report.counts();
    if let Some(unknown) = invocation.unknown.as_ref().filter(|_| counts.again == 0) {
        return Err(NotTaken::Transport { source_name: unknown.source.clone(), kept: !unknown.polled });
    }
    let response = batch_response(report.again()).filter(|_| invocation.partial || counts.again == 0);
    response.ok_or_else(|| NotTaken::Untried {
        again: counts.again,
        received: counts.received,
        cause: report.error.as_ref().map_or_else(String::new, |(_, error)| error.clone()),
    })
}
