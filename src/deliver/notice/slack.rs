//! Slack: an incoming webhook, or its own way for Travis CI.

use reqwest::Url;
use serde_json::Value;

use crate::deliver::http::Poster;
use crate::deliver::policy::{self, Decision, Lost};
use crate::outbox::queue::Tries;
use crate::secret::Secret;

/// Where an account takes what Travis CI tells.
#[must_use]
pub fn address(account: &str, token: &str) -> String {
    format!("https://{account}.slack.com/services/hooks/travis?token={token}")
}

pub(super) async fn to_webhook(poster: &Poster, url: &Secret, body: &Value, tries: Tries) -> Decision {
    send(poster, url.expose(), body, tries).await
}

pub(super) async fn with_token(
    poster: &Poster,
    account: &str,
    token: &Secret,
    api: Option<&Url>,
    body: &Value,
    tries: Tries,
) -> Decision {
    let url = match api {
        Some(api) => {
            format!("{}/services/hooks/travis?token={}", api.as_str().trim_end_matches('/'), token.expose())
        }
        None => address(account, token.expose()),
    };
    send(poster, &url, body, tries).await
}

async fn send(poster: &Poster, url: &str, body: &Value, tries: Tries) -> Decision {
    let Ok(url) = Url::parse(url) else {
        return Decision::lost(tries, &Lost { why: "the address cannot be read".to_owned(), certain: true });
    };
    match poster.post(&url, &[], &body.to_string(), false).await {
        Ok(answer) => policy::slack(&answer, tries),
        Err(lost) => Decision::lost(tries, &lost),
    }
}
