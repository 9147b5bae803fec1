//! What all clients of AWS begin with: credentials, region and endpoint from the environment, over our own HTTP.

mod connector;
pub mod invoke;
pub mod secrets;
mod sign;

use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

pub use self::sign::{Request, signed};
use crate::config::Lookup;

/// An answer takes no longer; a long poll of SQS waits for 20 s of it.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Where an endpoint of one's own is, its region does not matter, but a signature has to name one.
const ANY_REGION: &str = "us-east-1";

/// The configuration as every AWS SDK reads it from the environment.
pub async fn config(lookup: Lookup<'_>) -> SdkConfig {
    // Pinned: the newest behaviour would come with an update of the SDK.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    if has_own_endpoint(lookup) {
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| lookup(name));
        // Without the SDK's own search, which asks the metadata service of EC2 and waits for it.
        let region = region.unwrap_or_else(|| ANY_REGION.to_owned());
        loader = loader.region(RegionProviderChain::first_try(aws_config::Region::new(region)));
    }
    loader.load().await
}

/// What clients send their requests with; a configuration made by hand needs it too.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(connector::Connectors::default())
}

/// Whether requests go elsewhere than to AWS. Then names of buckets must not become hosts, which need a DNS that only
/// AWS has.
#[must_use]
pub fn has_own_endpoint(lookup: Lookup<'_>) -> bool {
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS"]
        .iter()
        .any(|name| lookup(name).is_some())
}
