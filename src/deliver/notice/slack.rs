//! Slack: an incoming webhook, or its integration for Travis CI.

use reqwest::Url;
use serde_json::Value;

use crate::deliver::http::Poster;
use crate::deliver::policy::{self, Decision, Lost};
use crate::outbox::Attempts;
use crate::platform::secret::Secret;

/// URL at which an account accepts messages of Travis CI.
#[must_use]
pub fn address(account: &str, token: &str) -> String {
    format!("https://{account}.slack.com/services/hooks/travis?token={token}")
}

pub(super) async fn to_webhook(poster: &Poster, url: &Secret, body: &Value, attempts: Attempts) -> Decision {
    send(poster, url.expose(), body, attempts).await
}

pub(super) async fn with_token(
    poster: &Poster,
    account: &str,
    token: &Secret,
    api: Option<&Url>,
    body: &Value,
    attempts: Attempts,
) -> Decision {
    let url = match api {
        Some(api) => {
            format!("{}/services/hooks/travis?token={}", api.as_str().trim_end_matches('/'), token.expose())
        }
        None => address(account, token.expose()),
    };
    send(poster, &url, body, attempts).await
}

async fn send(poster: &Poster, url: &str, body: &Value, attempts: Attempts) -> Decision {
    let Ok(url) = Url::parse(url) else {
        return Decision::lost(attempts, &Lost { why: "the address cannot be read".to_owned(), certain: true });
    };
    match poster.post(&url, &[], &body.to_string(), false).await {
        Ok(answer) => policy::slack(&answer, attempts),
        Err(lost) => Decision::lost(attempts, &lost),
    }
}
