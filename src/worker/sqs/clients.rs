//! The clients of SQS and S3.

use aws_config::SdkConfig;

use crate::archive::s3;
use crate::aws;
use crate::config::Lookup;

/// Clients, connected with nothing yet.
#[derive(Clone, Debug)]
pub struct Clients {
    /// For the queue.
    pub sqs: aws_sdk_sqs::Client,
    /// For payloads that did not fit into it.
    pub s3: aws_sdk_s3::Client,
}

impl Clients {
    /// Clients with the credentials and region of the environment, and the endpoint `AWS_ENDPOINT_URL` if set.
    pub async fn from_env(lookup: Lookup<'_>) -> Self {
        Self::new(&aws::config(lookup).await, aws::has_own_endpoint(lookup))
    }

    /// Clients of a configuration; `own_endpoint` when it leads elsewhere than to AWS.
    #[must_use]
    pub fn new(config: &SdkConfig, own_endpoint: bool) -> Self {
        Self { sqs: aws_sdk_sqs::Client::new(config), s3: s3::client(config, own_endpoint) }
    }
}
