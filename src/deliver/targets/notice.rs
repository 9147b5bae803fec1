//! Targets of notices, which are texts for people: Slack, mail, webhooks that builds name, bridges to IRC, check runs.

use reqwest::Url;

use super::credential::credential;
use super::{GHE_COM, KINDS, Raw, TargetsError, address};
use crate::deliver::authorization::Credential;
use crate::deliver::signature::private_key;
use crate::outbox::receiver::NoticeRules;
use crate::platform::environment::Lookup;
use crate::platform::secret::{self, Secret};

/// A target of notices.
#[derive(Clone, Debug)]
pub struct NoticeTarget {
    /// How notices are sent.
    pub method: NoticeMethod,
    /// Which notices it gets.
    pub rules: NoticeRules,
    /// PEM bundle to trust instead of the default authorities.
    pub ca_bundle: Option<Vec<u8>>,
}

/// How notices are sent to a target.
#[derive(Clone, Debug)]
pub enum NoticeMethod {
    /// An incoming webhook of Slack; its address is the secret.
    SlackWebhook(Secret),
    /// Slack's integration for Travis CI, with a token: at the account that a build names, or at the given server.
    SlackToken(Secret, Option<Url>),
    /// Mail, by SES.
    Mail {
        /// Sender address, with or without a name.
        from: String,
        /// Base URL of the API.
        api: Url,
        /// Region that requests are signed for.
        region: String,
    },
    /// Webhooks at addresses that builds name.
    Hook {
        /// Private key (PEM), for the signature of Travis CI.
        key: Option<Secret>,
        /// For the signature of Standard Webhooks.
        secret: Option<Secret>,
        /// `user:password`
        token: Option<Secret>,
        /// Whether the document is sent as a field of a form, as Travis CI does; else as JSON.
        is_form: bool,
    },
    /// A bridge to IRC.
    Irc {
        /// The address.
        url: Url,
        /// Signs the requests.
        secret: Secret,
    },
    /// Check runs of GitHub.
    CheckRun {
        /// Base URL of the API.
        api: Url,
        /// Token of an installation of an app, or the app that gets one.
        credential: Credential,
    },
}

/// Reads how notices are sent to a target, and how many at the same time.
pub(super) fn method(raw: &Raw, lookup: Lookup<'_>) -> Result<(NoticeMethod, usize), TargetsError> {
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
            // The error does not repeat the address: it is the secret.
            address(secret.expose()).map_err(|_| wrong("url", "the secret is no address of the web".to_owned()))?;
            (NoticeMethod::SlackWebhook(secret), 1)
        }
        "slack" => (NoticeMethod::SlackToken(found("token", &raw.token)?, api), 1),
        "mail" => {
            let region = raw.region.clone().or_else(|| lookup("AWS_REGION")).ok_or_else(|| missing("region"))?;
            let own = ["AWS_ENDPOINT_URL_SESV2", "AWS_ENDPOINT_URL"].iter().find_map(|name| lookup(name));
            let default = own.unwrap_or_else(|| format!("https://email.{region}.amazonaws.com"));
            let api = match api {
                Some(api) => api,
                None => url("region", &default)?,
            };
            let from = raw.from.clone().filter(|from| from.contains('@') && !from.contains(char::is_control));
            (NoticeMethod::Mail { from: from.ok_or_else(|| missing("from"))?, api, region }, 4)
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
            (NoticeMethod::Hook { key, secret, token, is_form }, 16)
        }
        "irc" => {
            let text = raw.url.as_deref().ok_or_else(|| missing("url"))?;
            (NoticeMethod::Irc { url: url("url", text)?, secret: found("secret", &raw.secret)? }, 1)
        }
        "check_run" => {
            let host = raw.hosts.first().ok_or_else(|| missing("hosts"))?;
            let default = if raw.hosts.iter().any(|host| host == "github.com") {
                "https://api.github.com".to_owned()
            } else if host.ends_with(GHE_COM) {
                format!("https://api.{host}")
            } else {
                format!("https://{host}/api/v3")
            };
            let api = match api {
                Some(api) => api,
                None => url("hosts", &default)?,
            };
            (NoticeMethod::CheckRun { api, credential: credential(raw, lookup)? }, 4)
        }
        other => return Err(wrong("kind", format!("{other}: expected {KINDS}"))),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn errors_name_the_missing_member_and_show_no_secret() {
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
