//! The GitLab instances that reconcile queries.

use serde::Deserialize;

use super::{ConfigError, Lookup};
use crate::platform::secret::Secret;

/// A GitLab instance: its address and how to sign in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitLab {
    /// URL, with or without `/api/v4`.
    pub url: String,
    /// Token with the scope `read_api`; without one only public projects are seen.
    pub token: Option<Secret>,
    /// Host in the URLs of its pages, if it differs from the host of `url`. Identifies the instance of a project.
    pub host: Option<String>,
    /// Path of a PEM bundle with authorities to trust in addition to those of the system.
    pub ca_bundle: Option<String>,
}

impl GitLab {
    /// The host in the URLs of its pages, in lower case.
    #[must_use]
    pub fn page_host(&self) -> Option<String> {
        let host = self.host.as_deref().or_else(|| {
            let (_, rest) = self.url.split_once("://")?;
            rest.split(['/', ':']).next()
        });
        host.map(str::to_ascii_lowercase).filter(|host| !host.is_empty())
    }
}

/// The instances: those of `GITLAB_INSTANCES`, else the one of `GITLAB_URL` (or gitlab.com) with `GITLAB_TOKEN`.
///
/// # Errors
/// When `GITLAB_INSTANCES` cannot be read; the error does not repeat it, since it holds the tokens.
pub fn gitlab(lookup: Lookup<'_>) -> Result<Vec<GitLab>, ConfigError> {
    let invalid = |_| ConfigError::Invalid {
        variable: "GITLAB_INSTANCES",
        expected: "JSON such as [{\"url\": \"https://..\", \"token\": .., \"host\": .., \"ca_bundle\": ..}], \
                   with a url in each",
    };
    if let Some(json) = lookup("GITLAB_INSTANCES") {
        // The parser's own error could quote a token.
        return serde_json::from_str(&json).map_err(invalid);
    }
    Ok(vec![GitLab {
        url: lookup("GITLAB_URL").unwrap_or_else(|| "https://gitlab.com".to_owned()),
        token: lookup("GITLAB_TOKEN").map(|token| Secret::new(&token)),
        host: None,
        ca_bundle: lookup("GITLAB_CA_BUNDLE"),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Vec<GitLab>, ConfigError> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        gitlab(&find)
    }

    #[test]
    fn one_instance_is_the_default() {
        let found = read(&[("GITLAB_TOKEN", " glpat-x\n")]).expect("defaults");
        assert_eq!((found.len(), found[0].url.as_str()), (1, "https://gitlab.com"));
        assert_eq!(found[0].token.as_ref().map(Secret::expose), Some("glpat-x"));
        assert!(read(&[("GITLAB_URL", "https://g.example.com")]).expect("no token")[0].token.is_none());
    }

    #[test]
    fn several_come_as_json() {
        let json =
            r#"[{"url":"https://gitlab.com","token":"a"},{"url":"https://api.example.com","host":"git.example.com"}]"#;
        let found = read(&[("GITLAB_INSTANCES", json), ("GITLAB_URL", "https://x")]).expect("instances");
        assert_eq!((found.len(), found[1].host.as_deref()), (2, Some("git.example.com")));
        let hosts: Vec<_> = found.iter().filter_map(GitLab::page_host).collect();
        assert_eq!(hosts, ["gitlab.com", "git.example.com"]);
    }

    #[test]
    fn tokens_are_in_no_error_and_in_no_debug() {
        for json in [r#"{"token":"hunter2"}"#, r#"[{"url":"x","token":"hunter2","x":1}]"#, r#"[{"url":"hunter2"}"#] {
            let error = read(&[("GITLAB_INSTANCES", json)]).expect_err(json);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let debug = format!("{:?}", read(&[("GITLAB_TOKEN", "hunter2")]));
        assert!(!debug.contains("hunter2"), "{debug}");
    }
}
