//! Targets that are told in words: Slack, mail, webhooks that builds name, bridges to IRC, check runs.

use reqwest::Url;

use super::credential::credential;
use super::{GHE_COM, KINDS, Raw, TargetsError, address};
use crate::config::Lookup;
use crate::deliver::authorization::Credential;
use crate::deliver::signature::private_key;
use crate::outbox::receiver::NoticeRules;
use crate::secret::{self, Secret};

/// A target of notices.
#[derive(Clone, Debug)]
pub struct NoticeTarget {
    /// How.
    pub way: NoticeWay,
    /// Which notices it gets.
    pub rules: NoticeRules,
    /// PEM bundle to trust instead of the usual authorities.
    pub ca_bundle: Option<Vec<u8>>,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum NoticeWay {
    /// An incoming webhook of Slack, whose address is the secret.
    SlackWebhook(Secret),
    /// Slack's own way for Travis CI, with a token: at the account that a build names, or at a server of one's own.
    SlackToken(Secret, Option<Url>),
    /// SES.
    Mail {
        /// Address that it comes from, with a name or without.
        from: String,
        /// Where the API is.
        api: Url,
        /// Region that requests are signed for.
        region: String,
    },
    /// Addresses that builds name.
    Hook {
        /// Private key (PEM), for the signature of Travis CI.
        key: Option<Secret>,
        /// For the signature of Standard Webhooks.
        secret: Option<Secret>,
        /// `user:password`
        token: Option<Secret>,
        /// Whether the document is a field of a form, as at Travis CI; else it is sent as it is.
        is_form: bool,
    },
    /// A bridge to IRC.
    Irc {
        /// Where to.
        url: Url,
        /// Signs what is sent.
        secret: Secret,
    },
    /// Check runs of GitHub.
    CheckRun {
        /// Where the API begins.
        api: Url,
        /// Token of an installation of an app, or what gets it.
        credential: Credential,
    },
}

/// Reads how one is sent to, and how many deliveries at a time.
pub(super) fn way(raw: &Raw, lookup: Lookup<'_>) -> Result<(NoticeWay, usize), TargetsError> {
    let wrong = |member, what: String| TargetsError::Member { target: raw.name.clone(), member, what };
    let missing = |member| wrong(member, "missing".to_owned());
    let found = |member, reference: &Option<String>| {
        let reference = reference.as_deref().ok_or_else(|| missing(member))?;
        secret::find(reference, lookup).map_err(|what| wrong(member, what))
    };
    let maybe = |member, reference: &Option<String>| reference.as_ref().map(|_| found(member, reference)).transpose();
    let url = |member, text: &str| address(text).map_err(|what| wrong(member, what));
    let api = raw.api.as_deref().map(|text| url("api", text)).transpose()?;
    Ok(match raw.kind.as_str() {
        "slack" if raw.url.is_some() => {
            let secret = found("url", &raw.url)?;
            // Not repeated: the address is the secret.
            address(secret.expose()).map_err(|_| wrong("url", "the secret is no address of the web".to_owned()))?;
            (NoticeWay::SlackWebhook(secret), 1)
        }
        "slack" => (NoticeWay::SlackToken(found("token", &raw.token)?, api), 1),
        "mail" => {
            let region = raw.region.clone().or_else(|| lookup("AWS_REGION")).ok_or_else(|| missing("region"))?;
            let own = ["AWS_ENDPOINT_URL_SESV2", "AWS_ENDPOINT_URL"].iter().find_map(|name| lookup(name));
            let usual = own.unwrap_or_else(|| format!("https://email.{region}.amazonaws.com"));
            let api = match api {
                Some(api) => api,
                None => url("region", &usual)?,
            };
            let from = raw.from.clone().filter(|from| from.contains('@') && !from.contains(char::is_control));
            (NoticeWay::Mail { from: from.ok_or_else(|| missing("from"))?, api, region }, 4)
        }
        "travis_webhook" => {
            let key = raw.key.as_deref().map(|reference| secret::find_lines(reference, lookup));
            let is_form = match raw.format.as_deref() {
                None | Some("form") => true,
                Some("json") => false,
                Some(other) => return Err(wrong("format", format!("{other}: expected form or json"))),
            };
            let key = key.transpose().map_err(|what| wrong("key", what))?;
            key.as_ref().map(private_key).transpose().map_err(|what| wrong("key", what))?;
            let (secret, token) = (maybe("secret", &raw.secret)?, maybe("token", &raw.token)?);
            (NoticeWay::Hook { key, secret, token, is_form }, 16)
        }
        "irc" => {
            let text = raw.url.as_deref().ok_or_else(|| missing("url"))?;
            (NoticeWay::Irc { url: url("url", text)?, secret: found("secret", &raw.secret)? }, 1)
        }
        "check_run" => {
            let host = raw.hosts.first().ok_or_else(|| missing("hosts"))?;
            let usual = if raw.hosts.iter().any(|host| host == "github.com") {
                "https://api.github.com".to_owned()
            } else if host.ends_with(GHE_COM) {
                format!("https://api.{host}")
            } else {
                format!("https://{host}/api/v3")
            };
            let api = match api {
                Some(api) => api,
                None => url("hosts", &usual)?,
            };
            (NoticeWay::CheckRun { api, credential: credential(raw, lookup)? }, 4)
        }
        other => return Err(wrong("kind", format!("{other}: expected {KINDS}"))),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_missing_is_named_and_no_secret_is_shown() {
        let read = |document: &str| {
            let document = format!("[[target]]\nname = 'x'\n{document}");
            crate::deliver::targets::targets(&|name| match name {
                "DELIVERY_TARGETS" => Some(document.clone()),
                "SECRET" => Some("hunter2".to_owned()),
                "ADDRESS" => Some("https://hooks.slack.example/services/hunter2".to_owned()),
                _ => None,
            })
        };
        let (hosts, pages) = ("hosts = ['*']", "pages = 'https://ci.acme.example'");
        for (document, expected) in [
            (format!("kind = 'slack'\n{hosts}\n{pages}\nurl = 'env:ADDRESS'"), ""),
            (format!("kind = 'slack'\n{hosts}\n{pages}\nurl = 'env:SECRET'"), "url: the secret is no address"),
            (format!("kind = 'slack'\n{hosts}\n{pages}"), "token: missing"),
            (format!("kind = 'slack'\n{pages}\ntoken = 'env:SECRET'"), "hosts: missing"),
            (format!("kind = 'slack'\n{hosts}\ntoken = 'env:SECRET'"), "pages: missing"),
            (format!("kind = 'mail'\n{hosts}\n{pages}\nfrom = 'a@b.example'"), "region: missing"),
            (format!("kind = 'mail'\n{hosts}\n{pages}\nregion = 'eu-west-1'"), "from: missing"),
            (
                format!("kind = 'travis_webhook'\n{hosts}\n{pages}\nkey = 'env:SECRET'"),
                "key: the key is no private key",
            ),
            (format!("kind = 'travis_webhook'\n{hosts}\n{pages}\nformat = 'xml'"), "format: xml"),
            (format!("kind = 'irc'\n{hosts}\n{pages}\nsecret = 'env:SECRET'"), "url: missing"),
            (
                format!(
                    "kind = 'check_run'\nhosts = ['ghe.example']\n{pages}\ntoken = 'env:SECRET'\napi = 'http://ghe.example'"
                ),
                "api: expected https",
            ),
            (format!("kind = 'fax'\n{hosts}"), "kind: fax: expected github, gitlab"),
        ] {
            let said = read(&document).map_or_else(|error| error.to_string(), |targets| format!("{targets:?}"));
            assert!(said.contains(expected) && !said.contains("hunter2"), "{document}: {said}");
        }
    }
}
