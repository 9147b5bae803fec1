//! Invokes a Lambda function: one signed request, for which its SDK would be a large dependency.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use serde_json::{Value, json};

use crate::platform::aws;
use crate::platform::clock;
use crate::platform::environment::Lookup;
use crate::platform::https;

/// How often an invocation is tried, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Number of attempts.
    pub attempts: u32,
    /// Time limit of an attempt. In a network without access to Lambda there is no answer.
    pub time: Duration,
}

/// For the next invocation of a long task. A duplicate is harmless: it finds the lease of the first one and ends.
pub const CONTINUES: RetryPolicy = RetryPolicy { attempts: 3, time: Duration::from_secs(5) };
/// For a function that a schedule invokes soon anyway.
const WAKES: RetryPolicy = RetryPolicy { attempts: 1, time: Duration::from_secs(1) };

/// A function, and the credentials to invoke it with.
#[derive(Clone, Debug)]
pub struct Function {
    url: String,
    region: String,
    credentials: Credentials,
}

impl Function {
    /// A function by its name, invoked with the credentials of this one's environment.
    ///
    /// # Errors
    /// When a variable is not set.
    pub fn named(lookup: Lookup<'_>, function: &str) -> Result<Self, String> {
        let get = |name: &str| lookup(name).ok_or_else(|| format!("{name} is not set"));
        let region = get("AWS_REGION")?;
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"].iter().find_map(|name| lookup(name));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://lambda.{region}.{suffix}"));
        let url = format!("{}/2015-03-31/functions/{function}/invocations", endpoint.trim_end_matches('/'));
        let (id, secret) = (get("AWS_ACCESS_KEY_ID")?, get("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, lookup("AWS_SESSION_TOKEN"), None, "environment");
        Ok(Self { url, region, credentials })
    }

    /// Invokes it with an event and does not wait for its end. Retries with backoff.
    ///
    /// # Errors
    /// Why it was not invoked, or may not have been.
    pub async fn invoke(&self, event: &Value, policy: RetryPolicy) -> Result<(), String> {
        let client = https::client().timeout(policy.time).build().map_err(|error| with_causes(&error))?;
        let body = event.to_string();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut request = client.post(&self.url).body(body.clone());
            let credentials = self.credentials.clone();
            for (name, value) in headers(&self.url, &self.region, credentials, body.as_bytes(), clock::now().into())? {
                request = request.header(name, value);
            }
            let why = match request.send().await {
                // Accepted; the function may not have started yet.
                Ok(answer) if answer.status() == 202 => return Ok(()),
                Ok(answer) => format!("Lambda answers {}", answer.status()),
                Err(error) => with_causes(&error),
            };
            if attempt >= policy.attempts {
                return Err(why);
            }
            tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(200), Duration::from_secs(2))).await;
        }
    }
}

/// An error with its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source()).map(|cause| format!(": {cause}"));
    std::iter::once(error.to_string()).chain(causes).collect()
}

/// Invokes the `deliver` function when deliveries are due and no deliverer is running.
#[derive(Debug)]
pub struct Waker {
    function: Function,
    /// Whether it failed once: this network may have no access to Lambda, and the schedule remains.
    failed: AtomicBool,
}

impl Waker {
    /// The waker of the function that the environment names (`DELIVER_FUNCTION`), if any.
    ///
    /// # Errors
    /// When the environment is not that of a function.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Option<Self>, String> {
        let named = lookup("DELIVER_FUNCTION").map(|name| Function::named(lookup, &name));
        Ok(named.transpose()?.map(|function| Self { function, failed: AtomicBool::new(false) }))
    }

    /// Invokes the function if there is a waker and something to deliver.
    pub async fn wake_for(waker: Option<&Self>, is_due: bool) {
        if let (true, Some(waker)) = (is_due, waker) {
            waker.wake().await;
        }
    }

    /// Invokes it. After one failure this process does not try again.
    pub async fn wake(&self) {
        if self.failed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(why) = self.function.invoke(&json!({}), WAKES).await {
            self.failed.store(true, Ordering::Relaxed);
            tracing::warn!(reason = why, "deliver cannot be invoked from here; its schedule remains");
        }
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
