//! Secrets of AWS Secrets Manager, read at run time: the environment holds the ARN, and the secret is only in memory.
//!
//! Each variable of [`VARIABLES`] that is set gives another variable its value, as if that were in the environment.
//! Values are read at start, again when a caller asks and they are five minutes old ([`Secrets::renew_if_old`]), and at
//! once when PostgreSQL rejects a password (28P01). Each is one signed request, for which the SDK would be a large
//! dependency.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::sign::{Request, signed};
use crate::platform::clock::{self, Deadline};
use crate::platform::https;

/// Variables with the ARN of a secret, and the variables that receive its value.
pub const VARIABLES: &[(&str, &str)] = &[
    ("DATABASE_SECRET_ARN", "DATABASE_SECRET"),
    ("PAGE_DATABASE_SECRET_ARN", "PAGE_DATABASE_SECRET"),
    ("INTAKE_SECRET_ARN", "INTAKE_SECRETS"),
    ("DELIVERY_SECRET_ARN", "DELIVERY_SECRETS"),
    ("PULL_SECRET_ARN", "PULL_SECRETS"),
    ("GITLAB_TOKEN_SECRET_ARN", "GITLAB_TOKEN"),
    ("GITLAB_INSTANCES_SECRET_ARN", "GITLAB_INSTANCES"),
];

/// How long a value is used before it is read again.
const FRESH: Duration = Duration::from_secs(300);
/// When it is retried after a failure.
const SOON: Duration = Duration::from_secs(30);
/// Time limit of a request. In a network without access to Secrets Manager there is no answer.
const TIME_LIMIT: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 3;

/// A secret cannot be read. Never holds the secret itself.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {why}")]
pub struct SecretError {
    /// The variable that names it.
    pub variable: &'static str,
    /// The reason.
    pub why: String,
}

type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The environment, with the secrets that it names.
pub struct Secrets {
    environment: Box<Environment>,
    read: Mutex<Read>,
}

struct Read {
    values: BTreeMap<&'static str, String>,
    fresh: Deadline,
}

impl Secrets {
    /// Reads all secrets that the environment names; sends no request if it names none.
    ///
    /// # Errors
    /// When one cannot be read.
    pub async fn read(
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, SecretError> {
        let values = all(&environment).await?;
        let read = Mutex::new(Read { values, fresh: Deadline::within(FRESH) });
        Ok(Arc::new(Self { environment: Box::new(environment), read }))
    }

    /// The value of a variable: from a secret, else from the environment.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.state().values.get(name).cloned().or_else(|| (self.environment)(name))
    }

    /// Reads all secrets again. Returns whether any has changed.
    ///
    /// # Errors
    /// When one cannot be read; all values then stay unchanged.
    pub async fn renew(&self) -> Result<bool, SecretError> {
        let values = all(&*self.environment).await;
        let mut state = self.state();
        match values {
            Ok(values) => {
                let changed = state.values != values;
                *state = Read { values, fresh: Deadline::within(FRESH) };
                Ok(changed)
            }
            Err(error) => {
                state.fresh = Deadline::within(SOON);
                Err(error)
            }
        }
    }

    /// Reads all secrets again if they are five minutes old. Returns whether any has changed; on an error all stay
    /// unchanged.
    pub async fn renew_if_old(&self) -> bool {
        let is_old = { self.state().fresh.remaining().is_zero() };
        if !is_old || !self.is_any() {
            return false;
        }
        self.renew().await.unwrap_or_else(|error| {
            tracing::warn!(error = error.to_string(), "a secret cannot be read again");
            false
        })
    }

    /// Whether the environment names a secret.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.state().values.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, Read> {
        // The lock is held for no operation that can panic.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn all(lookup: &Environment) -> Result<BTreeMap<&'static str, String>, SecretError> {
    let named = VARIABLES.iter().filter_map(|(variable, target)| Some((*variable, *target, lookup(variable)?)));
    let read = named.map(async |(variable, target, arn)| match one(lookup, &arn).await {
        Ok(value) => Ok((target, value)),
        Err(why) => Err(SecretError { variable, why }),
    });
    Ok(try_join_all(read).await?.into_iter().collect())
}

/// Reads a secret (Secrets Manager API, `GetSecretValue`), with retries and backoff.
async fn one(lookup: &Environment, arn: &str) -> Result<String, String> {
    let get = |name: &str| lookup(name).ok_or_else(|| format!("{name} is not set"));
    let region = arn.split(':').nth(3).filter(|region| !region.is_empty()).ok_or("expected the ARN of a secret")?;
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let own = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"].iter().find_map(|name| lookup(name));
    let url = own.unwrap_or_else(|| format!("https://secretsmanager.{region}.{suffix}"));
    let url = format!("{}/", url.trim_end_matches('/'));
    let (key, secret) = (get("AWS_ACCESS_KEY_ID")?, get("AWS_SECRET_ACCESS_KEY")?);
    let credentials = Credentials::new(key, secret, lookup("AWS_SESSION_TOKEN"), None, "environment");
    let client = https::client().timeout(TIME_LIMIT).build().map_err(|error| error.to_string())?;
    let body = json!({"SecretId": arn}).to_string();
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "secretsmanager.GetSecretValue")];
    let mut attempt = 0;
    loop {
        attempt += 1;
        let request = Request { service: "secretsmanager", region, method: "POST", url: &url, headers: &headers };
        let mut post = client.post(&url).body(body.clone());
        for (name, value) in signed(&request, credentials.clone(), body.as_bytes(), clock::now().into())? {
            post = post.header(name, value);
        }
        let why = match post.send().await {
            Ok(answer) => {
                let status = answer.status();
                // Errors repeat neither the text nor the parser's error, which may hold the secret.
                let text = answer.text().await.unwrap_or_default();
                let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                if let (true, Some(value)) = (status.is_success(), answer["SecretString"].as_str()) {
                    return Ok(value.to_owned());
                }
                let kind = answer["__type"].as_str().unwrap_or("no text");
                let why = format!("Secrets Manager answers {} ({kind})", status.as_u16());
                let is_final = status.is_client_error() && status != 429 && !kind.contains("Throttling");
                if is_final {
                    return Err(why);
                }
                why
            }
            Err(error) => format!("no answer from Secrets Manager: {}", error.without_url()),
        };
        if attempt == ATTEMPTS {
            return Err(why);
        }
        tokio::time::sleep(clock::backoff(attempt, Duration::from_millis(200), Duration::from_secs(2))).await;
    }
}
