//! The clients of SQS and S3, from the environment as every AWS SDK reads it.

use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

use crate::config::Lookup;

/// An answer of SQS or S3 takes no longer; a long poll waits for 20 s of it.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Where an endpoint of one's own is, its region does not matter, but a signature has to name one.
const ANY_REGION: &str = "us-east-1";

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
        let own_endpoint = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"].iter().any(|name| lookup(name).is_some());
        // Pinned: the newest behaviour would come with an update of the SDK.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
        if own_endpoint {
            let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| lookup(name));
            // Without the SDK's own search, which asks the metadata service of EC2 and waits for it.
            let region = region.unwrap_or_else(|| ANY_REGION.to_owned());
            loader = loader.region(RegionProviderChain::first_try(aws_config::Region::new(region)));
        }
        Self::new(&loader.load().await, own_endpoint)
    }

    /// Clients of a configuration; `own_endpoint` when it leads elsewhere than to AWS.
    #[must_use]
    pub fn new(config: &SdkConfig, own_endpoint: bool) -> Self {
        // Names of buckets as hosts need a DNS that only AWS has.
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(own_endpoint).build();
        Self { sqs: aws_sdk_sqs::Client::new(config), s3: aws_sdk_s3::Client::from_conf(s3) }
    }
}
