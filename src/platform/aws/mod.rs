//! The common configuration of AWS clients: credentials, region and endpoint from the environment, with our own HTTP
//! client.

mod connector;
pub mod invoke;
pub mod secrets;
mod sign;
pub mod site;

use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

pub use self::sign::{Request, signed};
use crate::platform::environment::Lookup;

/// Time limit of a request; a long poll of SQS takes 20 s of it.
const ATTEMPT: Duration = Duration::from_secs(30);
/// With a custom endpoint the region does not matter, but a signature has to name one.
const ANY_REGION: &str = "us-east-1";

/// The SDK configuration, read from the environment.
pub async fn config(lookup: Lookup<'_>) -> SdkConfig {
    // Pinned: the newest behaviour would come with an update of the SDK.
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    if has_own_endpoint(lookup) {
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| lookup(name));
        // Skips the region search of the SDK, which waits for the metadata service of EC2.
        let region = region.unwrap_or_else(|| ANY_REGION.to_owned());
        loader = loader.region(RegionProviderChain::first_try(aws_config::Region::new(region)));
    }
    loader.load().await
}

/// The HTTP client of all AWS clients; a configuration made by hand needs it too.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(connector::Connectors::default())
}

/// Whether a custom endpoint is configured. Then bucket names must not become host names, which need the DNS of AWS.
#[must_use]
pub fn has_own_endpoint(lookup: Lookup<'_>) -> bool {
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS"]
        .iter()
        .any(|name| lookup(name).is_some())
}
