//! A target as registered in the database: its name, and the rules by which it receives events. They hold no address
//! and no secret, so that the transaction that causes an event can decide which targets receive it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::filter::fits;
use super::states::Forge;
use super::{Filter, Notice, State};

/// A registered target.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// What it receives; `None` if another release of this program registered it in a form that this one cannot read.
    pub rules: Option<Rules>,
    /// Events older than this are not announced.
    pub max_age: Duration,
    /// When it was registered: it only receives later events.
    pub registered_at: Timestamp,
}

/// What a target receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rules {
    /// Commit statuses of the repositories of a host.
    Commit(CommitRules),
    /// Events as they are.
    Events(Filter),
    /// Notices for people, webhooks of builds, and check runs.
    Notice(NoticeRules),
}

/// Which commit statuses a target receives, and in which form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitRules {
    /// API of the target.
    pub forge: Forge,
    /// Its host names in the URLs of repositories, in lower case.
    pub hosts: Vec<String>,
    /// Template of the name of a status.
    pub context: Option<String>,
    /// State names that differ from the default ones.
    pub states: BTreeMap<String, String>,
    /// Ignored values of the source: `branch` and `source`, with `*` at the end for a prefix.
    pub ignored: Vec<(String, String)>,
    /// Base URL of the build pages, for sources that do not know it.
    pub pages: Option<String>,
    /// Whether a status is posted where there is a check run, too.
    pub beside_check_runs: bool,
    /// The status for the verdict of a commit; `None` if the target does not ask for it.
    #[serde(default)]
    pub verdict: Option<VerdictStatus>,
}

/// The status for the verdict of a commit over all checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictStatus {
    /// Its name.
    pub name: String,
    /// Base URL of the web UI, without a slash at the end: the status links to the page of the commit.
    #[serde(default)]
    pub page: Option<String>,
}

/// Which notices a target receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeRules {
    /// Kind of notices.
    pub notices: NoticeKind,
    /// Hosts of Slack, mail, webhooks, IRC or repositories: `team.slack.com`, `*.acme.example`, `*`.
    pub hosts: Vec<String>,
    /// Addresses that get no mail.
    pub except: Vec<String>,
    /// Slack channels that builds may write to without naming the token: `#general`, `*`.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Base URL of the build pages, without a slash at the end.
    pub pages: String,
    /// Whether URLs of builds may lead to private networks.
    pub allow_private: bool,
}

/// A kind of notices; for Slack also the method of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Slack, by an incoming webhook.
    SlackWebhook,
    /// Slack, with the token that a build names.
    SlackToken,
    /// Mail.
    Mail,
    /// Webhooks that builds name.
    Hook,
    /// Channels of IRC.
    Irc,
    /// Check runs of GitHub.
    CheckRun,
}

impl CommitRules {
    /// Whether the target ignores a status, by the values of its source.
    #[must_use]
    pub fn ignores(&self, names: &BTreeMap<String, String>) -> bool {
        self.ignored.iter().any(|(name, pattern)| names.get(name).is_some_and(|value| fits(pattern, value)))
    }

    /// The name of a state at the host.
    #[must_use]
    pub fn word(&self, state: State) -> &str {
        let own = serde_json::json!(state);
        let own = own.as_str().and_then(|name| self.states.get(name));
        own.map_or_else(|| self.forge.word(state), String::as_str)
    }
}

impl NoticeRules {
    /// Whether the target handles notices of this kind.
    #[must_use]
    pub fn speaks(&self, notice: &Notice) -> bool {
        matches!(
            (self.notices, notice),
            (NoticeKind::SlackWebhook | NoticeKind::SlackToken, Notice::Slack { .. })
                | (NoticeKind::Mail, Notice::Mail { .. })
                | (NoticeKind::Hook, Notice::Hook { .. })
                | (NoticeKind::Irc, Notice::Irc { .. })
                | (NoticeKind::CheckRun, Notice::CheckRun { .. })
        )
    }

    /// Whether the target receives this notice: hosts come from the configuration, never from a message.
    #[must_use]
    pub fn takes(&self, notice: &Notice) -> bool {
        if !self.speaks(notice) {
            return false;
        }
        match notice {
            // If the account is unknown, only a catch-all webhook (`*`) receives it, on its default channel.
            Notice::Slack { account: None, .. } => {
                self.notices == NoticeKind::SlackWebhook && self.hosts.iter().any(|host| host == "*")
            }
            Notice::Slack { account: Some(account), token, body } => {
                // Whether the token that the build names is that of the target is checked at delivery.
                let may_write = self.notices != NoticeKind::SlackToken || token.is_some() || self.lists_channel(body);
                may_write && self.allows(&format!("{account}.slack.com"))
            }
            Notice::Mail { address, .. } => {
                let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
                self.allows(domain) && !self.except.iter().any(|other| other.eq_ignore_ascii_case(address))
            }
            Notice::Hook { url, .. } => self.url(url).is_some(),
            Notice::Irc { server, .. } => self.allows(server),
            Notice::CheckRun { host, path, .. } => self.allows(host) && Forge::Github.has(path),
        }
    }

    /// Whether builds may write to the channel of a message without naming the Slack token.
    #[must_use]
    pub fn lists_channel(&self, message: &Value) -> bool {
        let channel = message.get("channel").and_then(Value::as_str);
        channel.is_some_and(|channel| self.channels.iter().any(|known| known == "*" || known == channel))
    }

    /// The URL that a build names, if the target may send to it.
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
                // `*` means all hosts on their default ports.
                Some("") => !host.contains(':') || host.starts_with('['),
                Some(end) => host.len() > end.len() && host.ends_with(end),
                None => host == *pattern,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(hosts: &[&str]) -> NoticeRules {
        NoticeRules {
            notices: NoticeKind::Hook,
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            except: Vec::new(),
            channels: Vec::new(),
            pages: "https://ci.acme.example".to_owned(),
            allow_private: false,
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
        assert!(NoticeRules { hosts: vec!["*".to_owned()], ..target }.url("https://a.example.com/").is_some());
    }

    /// A newer release may register kinds of rules that this one cannot read.
    #[test]
    fn rules_survive_the_database_and_unknown_ones_are_none() {
        let rules = Rules::Notice(target(&["*.acme.example"]));
        let json = serde_json::to_string(&rules).expect("JSON");
        assert_eq!(serde_json::from_str::<Rules>(&json).ok(), Some(rules));
        assert!(serde_json::from_str::<Rules>(r#"{"kind":"pigeon","hosts":[]}"#).is_err());
    }
}
