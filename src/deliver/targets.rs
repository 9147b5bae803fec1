//! The configuration of the targets: their addresses, secrets and filters. Nothing is sent to an address that it does
//! not name.
//!
//! TOML, inline in `DELIVERY_TARGETS` or in the file that it names:
//!
//! ```toml
//! [[target]]
//! name = "ghe"                                # in rows, logs and commands
//! kind = "github"                             # github, gitlab: commit statuses; sns, webhook: events
//! hosts = ["ghe.acme.example"]                # hosts of the repositories
//! api = "https://ghe.acme.example/api/v3"     # without: github.com, or /api/v3 (/api/v4) of the first host
//! token = "env:GHE_TOKEN"                     # or file:/path, or secret:NAME (see `secret::find`)
//! ca_bundle = "/etc/acme/ca.pem"              # trusted instead of the default authorities
//! context = "ci/{pipeline}"                   # without: the source's own, buildkite/{pipeline}
//! states = { blocked = "pending" }            # other state names than the default ones
//! ignore_branches = ["gh-readonly-queue/*"]   # builds of these branches are not reported
//! ignore_sources = ["schedule", "trigger_job"]  # nor builds that these started (Buildkite: webhook, api, ui, ..)
//! api_key = "env:PULL_KEY"                    # instead of token: a client fetches the statuses (`worker --pull`)
//!
//! [[target]]
//! name = "broadcast"
//! kind = "sns"
//! topic_arn = "arn:aws:sns:eu-west-1:123456789012:broadcast"
//! sources = ["travis", "kcidb"]               # without: all
//! events = ["build:*"]                        # without: all
//! overflow = "s3://bucket/prefix/"            # for messages that are too large for SNS; without, these are dead
//!
//! [[target]]
//! name = "chat"
//! kind = "webhook"
//! url = "https://hooks.acme.example/status"
//! secret = "env:HOOK_SECRET"
//! allow_private = true                        # addresses that are not public
//!
//! [[target]]
//! name = "slack"                              # notifications of Travis CI builds, as are the kinds below
//! kind = "slack"
//! hosts = ["acme.slack.com"]                  # accounts of Slack that builds may name; `*.acme.example`, `*` for all
//! pages = "https://ci.acme.example"           # base URL of the pages of builds
//! url = "env:SLACK_WEBHOOK"                   # an incoming webhook; or token = "env:..", for /services/hooks/travis
//! channels = ["#ci"]                          # allowed for builds that do not name the token; `*` for all
//!
//! [[target]]
//! name = "mail"
//! kind = "mail"                               # by SES, with the credentials of the environment
//! hosts = ["acme.example"]                    # domains of recipients
//! from = "CI <ci@acme.example>"
//! except = ["sven@acme.example"]              # recipients that get no mail
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
//! app_id = "Iv23liAbCdEfGhIjKlMn"             # client id (or number) of a GitHub App, instead of a token; also for
//! installation_id = 12345678                  # the kind github: it gets a token for its installation each hour
//! key = "secret:github-app"                   # its private key (PEM), as GitHub gave it
//! pages = "https://ci.acme.example"
//! ```
//!
//! A target of the kind `github` or `gitlab` with `verdict = "ci/verdict"` also gets the verdict of each commit over
//! all checks, as one status of that name: to be the only one that a merge needs. `verdict_page` is the base URL of the
//! web UI, to whose page of the commit the status links.
//!
//! Commit statuses of Travis CI link to their builds where the target has `pages`. Events that begin with `notify:`,
//! `worker:` or `verdict:` are internal: only a target that names them in `events` gets them.
//!
//! All targets may have `concurrency`, `interval_ms`, `max_attempts`, and `max_age_hours` (default: 7 days; for chat,
//! mail and webhooks 6 hours): an event that is older than that, by the time of its message, is not announced.

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
pub use self::notice::{NoticeMethod, NoticeTarget};
use super::authorization::Credential;
use super::overflow::Location;
use crate::outbox::Filter;
use crate::outbox::receiver::{CommitRules, Rules};
use crate::outbox::registry::Registration;
use crate::outbox::states::Forge;
use crate::platform::environment::Lookup;
use crate::platform::secret::{self, Secret};

/// An error in the configuration of the targets.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// There is no configuration.
    #[error("no targets: set DELIVERY_TARGETS (TOML, or the path of a file) or BROADCAST_TOPIC_ARN")]
    None,
    /// The file cannot be read.
    #[error("DELIVERY_TARGETS: cannot read {path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or has unknown members.
    #[error("DELIVERY_TARGETS: {0}")]
    Document(String),
    /// A member of a target is missing or invalid.
    #[error("target {target}: {member}: {what}")]
    Member {
        /// Name of the target.
        target: String,
        /// Which member.
        member: &'static str,
        /// What is wrong with it; contains no secret.
        what: String,
    },
}

/// A target, with all that is needed to send to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name, unique.
    pub name: String,
    /// Its kind, with address and secrets.
    pub kind: Kind,
    /// Deliveries at the same time.
    pub concurrency: usize,
    /// Time between two deliveries (rate limit).
    pub interval: Duration,
    /// Age after which a delivery is given up.
    pub max_age: Duration,
    /// Attempts after which a delivery is given up.
    pub max_attempts: i32,
}

/// The kind of a target.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A host of repositories, for commit statuses.
    Commit(Box<CommitTarget>),
    /// A topic, for events.
    Sns {
        /// The topic.
        topic_arn: String,
        /// Where payloads are stored that are too large for the topic.
        overflow: Option<Location>,
        /// Which events.
        filter: Filter,
    },
    /// An address, for events.
    Webhook {
        /// The address.
        url: Url,
        /// Signs the requests.
        secret: Secret,
        /// Whether the address may be a private one.
        allow_private: bool,
        /// PEM bundle to trust instead of the default authorities.
        ca_bundle: Option<Vec<u8>>,
        /// Which events.
        filter: Filter,
    },
    /// A receiver of notices, which are texts for people.
    Notice(Box<NoticeTarget>),
}

/// A host of repositories.
#[derive(Clone, Debug)]
pub struct CommitTarget {
    /// Which statuses it gets, and how their texts are made.
    pub rules: CommitRules,
    /// Base URL of its API.
    pub api: Url,
    /// Which side posts the statuses.
    pub posting: Posting,
    /// PEM bundle to trust instead of the default authorities.
    pub ca_bundle: Option<Vec<u8>>,
}

/// Which side posts commit statuses.
#[derive(Clone, Debug)]
pub enum Posting {
    /// This program, with this credential.
    Push(Credential),
    /// A client that fetches them from here, with this key ([`pull`](super::pull)).
    Pull(Secret),
}

/// Suffix of the hosts of GitHub Enterprise Cloud with data residency, whose API is at `api.` before the host.
pub(super) const GHE_COM: &str = ".ghe.com";
/// The kinds, for error messages.
const KINDS: &str = "github, gitlab, sns, webhook, slack, mail, travis_webhook, irc or check_run";

/// All targets that the environment names.
///
/// # Errors
/// When there are none, or one is invalid.
pub fn targets(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Target>, TargetsError> {
    let raw = named(lookup)?;
    if raw.is_empty() {
        return Err(TargetsError::None);
    }
    all(raw, lookup)
}

/// What is registered of the targets in the database; empty where the environment names none. Reads no token and no
/// key: a process that only registers targets needs none.
///
/// # Errors
/// When one is invalid.
pub fn registrations(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Registration>, TargetsError> {
    named(lookup)?.iter().map(rules::registration).collect()
}

/// The pull targets, which have an `api_key`; empty if there are none. Reads no tokens of the others: the process that
/// serves pull targets needs none.
///
/// # Errors
/// When one is invalid.
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
            sources: Some(["travis", "kcidb"].map(str::to_owned).to_vec()),
            // Workers of Travis CI get their cancellations on this topic.
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
            let posting = match &raw.api_key {
                Some(_) => Posting::Pull(secret("api_key", &raw.api_key)?),
                None => Posting::Push(credential(&raw, lookup)?),
            };
            let api = address(&api).map_err(|what| wrong("api", what))?;
            // GitHub asks for a second between two posts, and for one at a time; its Enterprise Server has no limits
            // unless set (github/docs, best practices for the REST API).
            let pace = if is_public { (1, Duration::from_secs(1)) } else { (8, Duration::ZERO) };
            (Kind::Commit(Box::new(CommitTarget { rules, api, posting, ca_bundle })), pace.0, pace.1)
        }
        Rules::Events(filter) if raw.kind == "sns" => {
            let topic_arn = raw.topic_arn.ok_or_else(|| wrong("topic_arn", "missing".to_owned()))?;
            let overflow = raw.overflow.as_deref().map(Location::read).transpose();
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
            let (method, concurrency) = notice::method(&raw, lookup)?;
            (Kind::Notice(Box::new(NoticeTarget { method, rules, ca_bundle })), concurrency, Duration::ZERO)
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
    /// What is registered of this target in the database.
    #[must_use]
    pub fn registration(&self) -> Registration {
        let rules = match &self.kind {
            Kind::Commit(target) => Rules::Commit(target.rules.clone()),
            Kind::Sns { filter, .. } | Kind::Webhook { filter, .. } => Rules::Events(filter.clone()),
            Kind::Notice(target) => Rules::Notice(target.rules.clone()),
        };
        Registration { name: self.name.clone(), rules, max_age: self.max_age }
    }
}

/// Parses an address that a secret may be sent to: with TLS, or on this machine.
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
