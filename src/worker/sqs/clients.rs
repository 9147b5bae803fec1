//! The clients of SQS and S3.

use aws_config::SdkConfig;

use crate::archive::s3;
use crate::platform::aws;
use crate::platform::environment::Lookup;

/// The clients; they connect at the first call.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The client for the queue.
    pub sqs: aws_sdk_sqs::Client,
    /// The client for payloads that are too large for the queue.
    pub s3: aws_sdk_s3::Client,
}

impl Clients {
    /// Makes clients with the credentials and region of the environment, and the endpoint `AWS_ENDPOINT_URL` if set.
    pub async fn from_env(lookup: Lookup<'_>) -> Self {
        Self::new(&aws::config(lookup).await, aws::has_own_endpoint(lookup))
    }

    /// Makes clients of a configuration. `own_endpoint`: it names an endpoint that is not of AWS.
    #[must_use]
    pub fn new(config: &SdkConfig, own_endpoint: bool) -> Self {
        Self { sqs: aws_sdk_sqs::Client::new(config), s3: s3::client(config, own_endpoint) }
    }
}
