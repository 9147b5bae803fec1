//! What a Lambda function answers after a batch.

use aws_lambda_events::sqs::SqsBatchResponse;

use super::report::Report;
use crate::envelope::lambda::{Invocation, batch_response};

/// The invocation has to fail as a whole, so that its caller tries again.
#[derive(Debug, thiserror::Error)]
#[error("{again} of {received} messages could not be tried: {cause}")]
pub struct NotTaken {
    /// How many.
    pub again: u64,
    /// Of how many.
    pub received: u64,
    /// Why.
    pub cause: String,
}

/// The answer to an invocation: the ids of exactly those messages that are not durably stored.
///
/// # Errors
/// When the caller does not take answers by part, or a message has no id to name it by, and not all was stored.
pub fn answer(invocation: &Invocation, report: &Report) -> Result<SqsBatchResponse, NotTaken> {
    let counts = report.counts();
    let response = batch_response(report.again()).filter(|_| invocation.partial || counts.again == 0);
    response.ok_or_else(|| NotTaken {
        again: counts.again,
        received: counts.received,
        cause: report.error.as_ref().map_or_else(String::new, |(_, error)| error.clone()),
    })
}
