//! The document of the targets: who is told, where, and with which secret. What is not in it is never told anything.
//!
//! TOML, inline in `DELIVERY_TARGETS` or in the file that it names:
//!
//! ```toml
//! [[target]]
//! name = "ghe"                                # in rows, logs and commands
//! kind = "github"                             # github, gitlab: commit statuses; sns, webhook: events
//! hosts = ["ghe.acme.example"]                # whose repositories it is for
//! api = "https://ghe.acme.example/api/v3"     # without: github.com, or /api/v3 (/api/v4) of the first host
//! token = "env:GHE_TOKEN"                     # or file:/path, or secret:NAME (see `secret::find`)
//! ca_bundle = "/etc/acme/ca.pem"              # trusted instead of the usual authorities
//! context = "ci/{pipeline}"                   # without: as the family has it, buildkite/{pipeline}
//! states = { blocked = "pending" }            # other words than the usual ones
//! ignore_branches = ["gh-readonly-queue/*"]   # builds of these branches are not told
//! ignore_sources = ["schedule", "trigger_job"]  # nor those that these started (Buildkite: webhook, api, ui, ..)
//! api_key = "env:PULL_KEY"                    # is not posted to, but asks for its statuses (`worker --pull`)
//!
//! [[target]]
//! name = "broadcast"
//! kind = "sns"
//! topic_arn = "arn:aws:sns:eu-west-1:123456789012:broadcast"
//! families = ["travis", "kcidb"]              # without: all
//! events = ["build:*"]                        # without: all
//! overflow = "s3://bucket/prefix/"            # for what is too large for SNS; without, that is given up
//!
//! [[target]]
//! name = "chat"
//! kind = "webhook"
//! url = "https://hooks.acme.example/status"
//! secret = "env:HOOK_SECRET"
//! allow_private = true                        # addresses that are not public
//!
//! [[target]]
//! name = "slack"                              # what builds of Travis CI tell people; the same members for the next ones
//! kind = "slack"
//! hosts = ["acme.slack.com"]                  # what builds may name: accounts of Slack; `*.acme.example`, `*` for all
//! pages = "https://ci.acme.example"           # where the pages of builds begin
//! url = "env:SLACK_WEBHOOK"                   # an incoming webhook; or token = "env:..", for /services/hooks/travis
//! channels = ["#ci"]                          # which builds may write to that do not name the token; `*` for all
//!
//! [[target]]
//! name = "mail"
//! kind = "mail"                               # by SES, with the credentials of the environment
//! hosts = ["acme.example"]                    # domains of recipients
//! from = "CI <ci@acme.example>"
//! except = ["sven@acme.example"]              # who wants none
//! region = "eu-west-1"                        # without: AWS_REGION
//! pages = "https://ci.acme.example"
//!
//! [[target]]
//! name = "hooks"
//! kind = "travis_webhook"                     # notifications: webhooks: of the configurations of builds
//! hosts = ["hooks.acme.example", "own.acme.example:8443"]
//! key = "file:/etc/acme/key.pem"              # signs as Travis CI does (RSA, SHA-1)
//! secret = "env:HOOK_SECRET"                  # signs as the kind webhook does; both, one or none
//! token = "env:HOOK_USER"                     # user:password
//! format = "form"                             # or json
//! pages = "https://ci.acme.example"
//!
//! [[target]]
//! name = "irc"
//! kind = "irc"                                # a bridge: {server, port, tls, channel, lines}, signed as for webhook
//! hosts = ["irc.libera.chat"]
//! url = "https://bridge.acme.example/irc"
//! secret = "env:BRIDGE_SECRET"
//! pages = "https://ci.acme.example"
//!
//! [[target]]
//! name = "checks"
//! kind = "check_run"                          # instead of commit statuses, unless these have beside_check_runs = true
//! hosts = ["github.com"]
//! app_id = "Iv23liAbCdEfGhIjKlMn"             # client id (or number) of a GitHub App; here and for the kind github, instead
//! installation_id = 12345678                  # of a token: it gets one for its installation, each hour
//! key = "secret:github-app"                   # its private key (PEM), as GitHub gave it
//! pages = "https://ci.acme.example"
//! ```
//!
//! Commit statuses of Travis CI link to their builds where their target has `pages`. Events that begin with `notify:` or
//! `worker:` are no news: only who names them in `events` gets them.
//!
//! For all: `concurrency`, `interval_ms`, `max_attempts`, and `max_age_hours` (7 days; for chat, mail and webhooks 6 hours): what
//! happened earlier, by the time of the message, is not announced.

mod credential;
mod document;
mod notice;
mod rules;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;

use self::credential::credential;
use self::document::{Raw, written};
pub use self::notice::{NoticeTarget, NoticeWay};
use super::authorization::Credential;
use super::overflow::Place;
use crate::config::Lookup;
use crate::outbox::Filter;
use crate::outbox::receiver::{CommitRules, Rules};
use crate::outbox::registry::Registration;
use crate::outbox::states::Forge;
use crate::secret::{self, Secret};

/// Something in the document that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// No document.
    #[error("nobody is to be told anything: set DELIVERY_TARGETS (TOML, or the path of a file) or BROADCAST_TOPIC_ARN")]
    None,
    /// The file cannot be read.
    #[error("DELIVERY_TARGETS: cannot read {path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or has members that nobody knows.
    #[error("DELIVERY_TARGETS: {0}")]
    Document(String),
    /// A member of a target.
    #[error("target {target}: {member}: {what}")]
    Member {
        /// Name of the target.
        target: String,
        /// Which member.
        member: &'static str,
        /// What is wrong with it; never a secret.
        what: String,
    },
}

/// Whoever is told something.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name, unique.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Deliveries at a time.
    pub concurrency: usize,
    /// Time between two.
    pub interval: Duration,
    /// Time after which a delivery is given up.
    pub max_age: Duration,
    /// Attempts after which it is given up.
    pub max_attempts: i32,
}

/// What a target is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A host of repositories, for commit statuses.
    Commit(Box<CommitTarget>),
    /// A topic, for events.
    Sns {
        /// The topic.
        topic_arn: String,
        /// Where messages go that are too large for it.
        overflow: Option<Place>,
        /// Which events.
        filter: Filter,
    },
    /// An address, for events.
    Webhook {
        /// Where to.
        url: Url,
        /// Signs what is sent.
        secret: Secret,
        /// Whether the address may be one that is not public.
        allow_private: bool,
        /// PEM bundle to trust instead of the usual authorities.
        ca_bundle: Option<Vec<u8>>,
        /// Which events.
        filter: Filter,
    },
    /// Somebody who is told in words.
    Notice(Box<NoticeTarget>),
}

/// A host of repositories.
#[derive(Clone, Debug)]
pub struct CommitTarget {
    /// Which statuses it gets, and how they are worded.
    pub rules: CommitRules,
    /// Where its API begins.
    pub api: Url,
    /// How it is reached.
    pub way: Way,
    /// PEM bundle to trust instead of the usual authorities.
    pub ca_bundle: Option<Vec<u8>>,
}

/// Who posts.
#[derive(Clone, Debug)]
pub enum Way {
    /// We do, with this token.
    Push(Credential),
    /// Somebody who comes for it, with this key.
    Pull(Secret),
}

/// End of the hosts of GitHub Enterprise Cloud with data residency, whose API is at `api.` before the host.
pub(super) const GHE_COM: &str = ".ghe.com";
/// For whoever writes another one.
const KINDS: &str = "github, gitlab, sns, webhook, slack, mail, travis_webhook, irc or check_run";

/// All targets that the environment names.
///
/// # Errors
/// When there are none, or something about one cannot be.
pub fn targets(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Target>, TargetsError> {
    let raw = named(lookup)?;
    if raw.is_empty() {
        return Err(TargetsError::None);
    }
    all(raw, lookup)
}

/// What is registered of them in the database; none where the environment names none. No token and no key is looked for: who
/// registers needs to know no more.
///
/// # Errors
/// When something about one cannot be.
pub fn registrations(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Registration>, TargetsError> {
    named(lookup)?.iter().map(rules::registration).collect()
}

/// Those of them that come for what they are told, none if there are none. The tokens of the others are not looked for:
/// whoever serves these needs to know no more.
///
/// # Errors
/// When something about one cannot be.
pub fn pulled(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Target>, TargetsError> {
    all(named(lookup)?.into_iter().filter(|raw| raw.api_key.is_some()).collect(), lookup)
}

/// The targets as they are written, each name once.
fn named(lookup: Lookup<'_>) -> Result<Vec<Raw>, TargetsError> {
    let mut raw = written(lookup)?;
    if let Some(topic_arn) = lookup("BROADCAST_TOPIC_ARN") {
        raw.push(Raw {
            name: "broadcast".to_owned(),
            kind: "sns".to_owned(),
            topic_arn: Some(topic_arn),
            overflow: lookup("BROADCAST_OVERFLOW"),
            families: Some(["travis", "kcidb"].map(str::to_owned).to_vec()),
            // Workers hear there what they are to cancel.
            events: Some(["*", "worker:*"].map(str::to_owned).to_vec()),
            ..Raw::default()
        });
    }
    let mut names = BTreeSet::new();
    match raw.iter().find(|raw| !names.insert(raw.name.clone())) {
        Some(twice) => Err(TargetsError::Document(format!("two targets are named {}", twice.name))),
        None => Ok(raw),
    }
}

fn all(raw: Vec<Raw>, lookup: Lookup<'_>) -> Result<Vec<Target>, TargetsError> {
    raw.into_iter().map(|raw| target(raw, lookup)).collect()
}

fn target(raw: Raw, lookup: Lookup<'_>) -> Result<Target, TargetsError> {
    let Registration { name, rules, max_age } = rules::registration(&raw)?;
    let wrong = |member, what: String| TargetsError::Member { target: name.clone(), member, what };
    let secret = |member, reference: &Option<String>| {
        let reference = reference.as_deref().ok_or_else(|| wrong(member, "missing".to_owned()))?;
        secret::find(reference, lookup).map_err(|what| wrong(member, what))
    };
    let bundle = raw.ca_bundle.as_ref().map(std::fs::read).transpose();
    let ca_bundle = bundle.map_err(|error| wrong("ca_bundle", error.to_string()))?;
    let (kind, concurrency, interval) = match rules {
        Rules::Commit(rules) => {
            let is_public = rules.hosts.iter().any(|host| host == "github.com");
            let first = rules.hosts.first().cloned().unwrap_or_default();
            let api = raw.api.clone().unwrap_or_else(|| match rules.forge {
                Forge::Github if is_public => "https://api.github.com".to_owned(),
                Forge::Github if first.ends_with(GHE_COM) => format!("https://api.{first}"),
                Forge::Github => format!("https://{first}/api/v3"),
                Forge::Gitlab => format!("https://{first}/api/v4"),
            });
            let way = match &raw.api_key {
                Some(_) => Way::Pull(secret("api_key", &raw.api_key)?),
                None => Way::Push(credential(&raw, lookup)?),
            };
            let api = address(&api).map_err(|what| wrong("api", what))?;
            // GitHub asks for a second between two posts, and for one at a time; its Enterprise Server has no limits unless
            // set (github/docs, best practices for the REST API).
            let pace = if is_public { (1, Duration::from_secs(1)) } else { (8, Duration::ZERO) };
            (Kind::Commit(Box::new(CommitTarget { rules, api, way, ca_bundle })), pace.0, pace.1)
        }
        Rules::Events(filter) if raw.kind == "sns" => {
            let topic_arn = raw.topic_arn.ok_or_else(|| wrong("topic_arn", "missing".to_owned()))?;
            let overflow = raw.overflow.as_deref().map(Place::read).transpose();
            let overflow = overflow.map_err(|what| wrong("overflow", what))?;
            (Kind::Sns { topic_arn, overflow, filter }, 20, Duration::ZERO)
        }
        Rules::Events(filter) => {
            let url = raw.url.as_deref().ok_or_else(|| wrong("url", "missing".to_owned()))?;
            let url = address(url).map_err(|what| wrong("url", what))?;
            let secret = secret("secret", &raw.secret)?;
            (Kind::Webhook { url, secret, allow_private: raw.allow_private, ca_bundle, filter }, 4, Duration::ZERO)
        }
        Rules::Notice(rules) => {
            let (way, concurrency) = notice::way(&raw, lookup)?;
            (Kind::Notice(Box::new(NoticeTarget { way, rules, ca_bundle })), concurrency, Duration::ZERO)
        }
    };
    Ok(Target {
        kind,
        concurrency: raw.concurrency.unwrap_or(concurrency).clamp(1, 256),
        interval: raw.interval_ms.map_or(interval, Duration::from_millis),
        max_age,
        max_attempts: raw.max_attempts.unwrap_or(1000).max(1),
        name,
    })
}

impl Target {
    /// What is registered of it.
    #[must_use]
    pub fn registration(&self) -> Registration {
        let rules = match &self.kind {
            Kind::Commit(of) => Rules::Commit(of.rules.clone()),
            Kind::Sns { filter, .. } | Kind::Webhook { filter, .. } => Rules::Events(filter.clone()),
            Kind::Notice(of) => Rules::Notice(of.rules.clone()),
        };
        Registration { name: self.name.clone(), rules, max_age: self.max_age }
    }
}

/// An address that a secret may be sent to: encrypted, or on this machine.
pub(super) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err("user and password do not belong here".to_owned())
        }
        _ if url.query().is_some() || url.fragment().is_some() => Err("expected an address without ? and #".to_owned()),
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err("expected https:// (http:// only to this machine)".to_owned()),
    }
}
