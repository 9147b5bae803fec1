//! Posts one commit status to GitHub, GitHub Enterprise Server or GitLab.

use percent_encoding::utf8_percent_encode;
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

use super::authorization::{self, Authorization, Request};
use super::http::{ClientOptions, Header, Poster, TOTAL};
use super::policy::{self, Decision, Lost};
use super::states::Forge;
use crate::outbox::Attempts;
use crate::outbox::queue::Status;
use crate::platform::https::SEGMENT;
use crate::platform::secret::Secret;

/// Client of one host.
#[derive(Clone, Debug)]
pub struct CommitPoster {
    forge: Forge,
    api: Url,
    authorization: Authorization,
    poster: Poster,
}

impl CommitPoster {
    /// Sets up a client for a host.
    ///
    /// # Errors
    /// When the bundle is not PEM, or TLS cannot be set up.
    pub(super) fn new(
        forge: Forge,
        api: Url,
        authorization: Authorization,
        ca_bundle: Option<&[u8]>,
    ) -> Result<Self, reqwest::Error> {
        let poster = Poster::new(ClientOptions { ca_bundle, ..ClientOptions::default() })?;
        Ok(Self { forge, api, authorization, poster })
    }

    /// Posts, and decides what the answer means.
    pub async fn post(&self, status: &Status, attempts: Attempts) -> Decision {
        // Another version of this program routed it.
        if !self.forge.has(&status.repo) {
            return Decision::dead("no repository of this host");
        }
        let url = address(self.forge, &self.api, status);
        let headers = match self.forge {
            Forge::Github => authorization::github,
            Forge::Gitlab => gitlab,
        };
        let request = Request { method: &Method::POST, url: &url, headers, body: &body(self.forge, status) };
        // The time limit includes the request for a token.
        match tokio::time::timeout(TOTAL, self.authorization.send(&self.poster, request, attempts)).await {
            Ok(Ok(answer)) => match self.forge {
                Forge::Github => policy::github(&answer, attempts),
                Forge::Gitlab => policy::gitlab(&answer, attempts),
            },
            Ok(Err(decision)) => decision,
            Err(_) => Decision::lost(attempts, &Lost::late()),
        }
    }
}

/// Headers of a request to GitLab.
fn gitlab(token: &Secret) -> Vec<Header> {
    vec![("private-token", token.expose().to_owned())]
}

/// URL to which a status is posted.
fn address(forge: Forge, api: &Url, status: &Status) -> Url {
    let encode = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
    let base = api.path().trim_end_matches('/');
    let sha = encode(&status.sha);
    let path = match forge {
        Forge::Github => {
            let repo: Vec<String> = status.repo.split('/').map(encode).collect();
            format!("{base}/repos/{}/statuses/{sha}", repo.join("/"))
        }
        Forge::Gitlab => format!("{base}/projects/{}/statuses/{sha}", encode(&status.repo)),
    };
    let mut url = api.clone();
    url.set_path(&path);
    url
}

/// Body that is posted.
fn body(forge: Forge, status: &Status) -> String {
    let name = match forge {
        Forge::Github => "context",
        Forge::Gitlab => "name",
    };
    let members = [("state", &status.state), (name, &status.name), ("description", &status.description)];
    let mut body: Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    if let Some(url) = &status.url {
        body.insert("target_url".to_owned(), json!(url));
    }
    Value::Object(body).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole_and_stay_on_the_host() {
        let status = |repo: &str| Status {
            repo: repo.to_owned(),
            sha: "ab".repeat(20),
            name: "n".to_owned(),
            state: "success".to_owned(),
            description: String::new(),
            url: None,
        };
        let at = |forge, api: &str, repo: &str| address(forge, &Url::parse(api).expect(api), &status(repo)).to_string();
        let sha = "ab".repeat(20);
        assert_eq!(
            at(Forge::Github, "https://ghe.acme.example/api/v3/", "acme/my.app"),
            format!("https://ghe.acme.example/api/v3/repos/acme/my.app/statuses/{sha}")
        );
        assert_eq!(
            at(Forge::Github, "https://api.github.com", "acme/app"),
            format!("https://api.github.com/repos/acme/app/statuses/{sha}")
        );
        assert_eq!(
            at(Forge::Gitlab, "https://gitlab.com/api/v4", "group/sub/app"),
            format!("https://gitlab.com/api/v4/projects/group%2Fsub%2Fapp/statuses/{sha}")
        );
        assert!(at(Forge::Github, "https://h/api", "a?b/c#d").starts_with("https://h/api/repos/a%3Fb/c%23d/"));
    }
}
