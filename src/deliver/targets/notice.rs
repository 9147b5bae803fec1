//! Targets that are told in words: Slack, mail, webhooks that builds name, bridges to IRC, check runs.

use reqwest::Url;

use super::credential::credential;
use super::{Raw, TargetsError, address};
use crate::config::Lookup;
use crate::deliver::authorization::Credential;
use crate::deliver::signature::private_key;
use crate::outbox::Notice;
use crate::secret::{self, Secret};

/// Somebody who is told in words.
#[derive(Clone, Debug)]
pub struct NoticeTarget {
    /// How.
    pub way: NoticeWay,
    /// Which hosts of Slack, mail, webhooks, IRC or repositories it is for: `team.slack.com`, `*.acme.example`, `*`.
    pub hosts: Vec<String>,
    /// Addresses that want no mail.
    pub except: Vec<String>,
    /// Where the pages of builds begin, without a slash at the end.
    pub pages: String,
    /// Whether addresses may be such as are not public.
    pub allow_private: bool,
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

impl NoticeTarget {
    /// Whether it is for notices of this kind.
    #[must_use]
    pub fn speaks(&self, notice: &Notice) -> bool {
        matches!(
            (&self.way, notice),
            (NoticeWay::SlackWebhook(_) | NoticeWay::SlackToken(..), Notice::Slack { .. })
                | (NoticeWay::Mail { .. }, Notice::Mail { .. })
                | (NoticeWay::Hook { .. }, Notice::Hook { .. })
                | (NoticeWay::Irc { .. }, Notice::Irc { .. })
                | (NoticeWay::CheckRun { .. }, Notice::CheckRun { .. })
        )
    }

    /// Whether it is for this one: who writes messages does not choose hosts.
    #[must_use]
    pub fn takes(&self, notice: &Notice) -> bool {
        if !self.speaks(notice) {
            return false;
        }
        match notice {
            // Where the account is not known, nobody but who takes all gets it, on a channel of his own.
            Notice::Slack { account: None, .. } => {
                matches!(self.way, NoticeWay::SlackWebhook(_)) && self.hosts.iter().any(|host| host == "*")
            }
            Notice::Slack { account: Some(account), .. } => self.allows(&format!("{account}.slack.com")),
            Notice::Mail { address, .. } => {
                let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
                self.allows(domain) && !self.except.iter().any(|other| other.eq_ignore_ascii_case(address))
            }
            Notice::Hook { url, .. } => self.url(url).is_some(),
            Notice::Irc { server, .. } => self.allows(server),
            Notice::CheckRun { host, path, .. } => self.allows(host) && path.split('/').count() == 2,
        }
    }

    /// An address that a build names, if it may be spoken to.
    #[must_use]
    pub fn url(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?.trim_end_matches('.');
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let has_scheme = url.scheme() == "https" || (url.scheme() == "http" && self.allow_private);
        let is_plain = url.username().is_empty() && url.password().is_none();
        (has_scheme && is_plain && self.allows(&host)).then_some(url)
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        !host.is_empty()
            && self.hosts.iter().any(|pattern| match pattern.strip_prefix('*') {
                // All of them means their usual ports.
                Some("") => !host.contains(':') || host.starts_with('['),
                Some(end) => host.len() > end.len() && host.ends_with(end),
                None => host == *pattern,
            })
    }
}

/// Reads one; `None` if it is of another kind. Beside it: deliveries at a time.
pub(super) fn read(
    raw: &Raw,
    ca_bundle: Option<Vec<u8>>,
    lookup: Lookup<'_>,
) -> Result<Option<(NoticeTarget, usize)>, TargetsError> {
    let wrong = |member, what: String| TargetsError::Member { target: raw.name.clone(), member, what };
    let missing = |member| wrong(member, "missing".to_owned());
    let found = |member, reference: &Option<String>| {
        let reference = reference.as_deref().ok_or_else(|| missing(member))?;
        secret::find(reference, lookup).map_err(|what| wrong(member, what))
    };
    let maybe = |member, reference: &Option<String>| reference.as_ref().map(|_| found(member, reference)).transpose();
    let url = |member, text: &str| address(text).map_err(|what| wrong(member, what));
    let api = raw.api.as_deref().map(|text| url("api", text)).transpose()?;
    let (way, concurrency) = match raw.kind.as_str() {
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
            } else {
                format!("https://{host}/api/v3")
            };
            let api = match api {
                Some(api) => api,
                None => url("hosts", &usual)?,
            };
            (NoticeWay::CheckRun { api, credential: credential(raw, lookup)? }, 4)
        }
        _ => return Ok(None),
    };
    if raw.hosts.is_empty() {
        return Err(missing("hosts"));
    }
    let pages = url("pages", raw.pages.as_deref().ok_or_else(|| missing("pages"))?)?;
    let target = NoticeTarget {
        way,
        hosts: raw.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        except: raw.except.clone(),
        pages: pages.as_str().trim_end_matches('/').to_owned(),
        allow_private: raw.allow_private,
        ca_bundle,
    };
    Ok(Some((target, concurrency)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(hosts: &[&str]) -> NoticeTarget {
        NoticeTarget {
            way: NoticeWay::Hook { key: None, secret: None, token: None, is_form: true },
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            except: Vec::new(),
            pages: "https://ci.acme.example".to_owned(),
            allow_private: false,
            ca_bundle: None,
        }
    }

    #[test]
    fn addresses_of_builds_lead_to_allowed_hosts_only() {
        let target = target(&["hooks.acme.example", "*.example.org", "own.example.net:8443"]);
        for url in [
            "https://hooks.acme.example/in?x=1",
            "https://HOOKS.acme.example./in",
            "https://a.b.example.org/",
            "https://own.example.net:8443/",
        ] {
            assert!(target.url(url).is_some(), "{url}");
        }
        for url in [
            "http://hooks.acme.example/in",
            "https://hooks.acme.example:8443/in",
            "https://user:pw@hooks.acme.example/in",
            "https://hooks.acme.example@evil.example.com/in",
            "https://evil.example.com/hooks.acme.example",
            "https://evil.example.com\\@hooks.acme.example/",
            "https://example.org/",
            "https://evilexample.org/",
            "https://hooks.acme.example.evil.example.com/",
            "ftp://hooks.acme.example/",
            "hooks.acme.example",
            "",
        ] {
            assert_eq!(target.url(url), None, "{url}");
        }
        assert!(super::NoticeTarget { hosts: vec!["*".to_owned()], ..target }.url("https://a.example.com/").is_some());
    }

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
                format!("kind = 'check_run'\n{hosts}\n{pages}\ntoken = 'env:SECRET'\napi = 'http://ghe.example'"),
                "api: expected https",
            ),
            (format!("kind = 'fax'\n{hosts}"), "kind: fax: expected github, gitlab"),
        ] {
            let said = read(&document).map_or_else(|error| error.to_string(), |targets| format!("{targets:?}"));
            assert!(said.contains(expected) && !said.contains("hunter2"), "{document}: {said}");
        }
    }
}
