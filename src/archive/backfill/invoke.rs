//! Invokes this very function once more: one signed request to Lambda, for which its SDK would be a large dependency.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use serde_json::Value;

use crate::aws;
use crate::clock;
use crate::config::Lookup;
use crate::https;
use crate::store::chain;

/// How often it is tried: a second invocation by chance finds that the first one has the run, and ends.
const ATTEMPTS: u32 = 3;
/// How long an answer may take. In a network without a way to Lambda there is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Invokes the function `AWS_LAMBDA_FUNCTION_NAME` with an event and does not wait for its end. `Err` says why it is not
/// invoked, or may be not.
pub(super) async fn asynchronously(lookup: Lookup<'_>, event: &Value) -> Result<(), String> {
    let get = |name: &str| lookup(name).ok_or_else(|| format!("{name} is not set"));
    let region = get("AWS_REGION")?;
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let endpoint = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"].iter().find_map(|name| lookup(name));
    let endpoint = endpoint.unwrap_or_else(|| format!("https://lambda.{region}.{suffix}"));
    let function = get("AWS_LAMBDA_FUNCTION_NAME")?;
    let url = format!("{}/2015-03-31/functions/{function}/invocations", endpoint.trim_end_matches('/'));
    let credentials = Credentials::new(
        get("AWS_ACCESS_KEY_ID")?,
        get("AWS_SECRET_ACCESS_KEY")?,
        lookup("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let client = https::client().timeout(PATIENCE).build().map_err(|error| chain(&error))?;
    let body = event.to_string();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut request = client.post(&url).body(body.clone());
        for (name, value) in headers(&url, &region, credentials.clone(), body.as_bytes(), clock::now().into())? {
            request = request.header(name, value);
        }
        let why = match request.send().await {
            // Accepted, which is not yet begun.
            Ok(answer) if answer.status() == 202 => return Ok(()),
            Ok(answer) => format!("Lambda answers {}", answer.status()),
            Err(error) => chain(&error),
        };
        if attempt == ATTEMPTS {
            return Err(why);
        }
        tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(200), Duration::from_secs(2))).await;
    }
}

/// The headers of an asynchronous invocation, signed (AWS Lambda API, 'Invoke'; IAM user guide, 'Signature Version 4').
fn headers(
    url: &str,
    region: &str,
    credentials: Credentials,
    body: &[u8],
    now: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    let asynchronous = [("x-amz-invocation-type", "Event")];
    let request = aws::Request { service: "lambda", region, method: "POST", url, headers: &asynchronous };
    aws::signed(&request, credentials, body, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with botocore's `SigV4Auth` for the same request, credentials and time.
    #[test]
    fn the_signature_is_that_of_the_sdk() {
        let url = "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/myapp-prod-backfill/invocations";
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, Some("token".to_owned()), None, "test");
        let now: jiff::Timestamp = "2026-03-11T10:00:00Z".parse().expect("time");
        let headers = headers(url, "eu-west-1", credentials, br#"{"continue":"r"}"#, now.into()).expect("headers");
        let find = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        assert_eq!((find("x-amz-date"), find("x-amz-security-token")), ("20260311T100000Z", "token"));
        assert_eq!(
            find("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260311/eu-west-1/lambda/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-invocation-type;x-amz-security-token, \
             Signature=46ab918ed6734b6f68c91ab854ee693e4843bebebc5c613317eb88939ff43342"
        );
    }
}
