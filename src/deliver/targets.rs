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
//! token = "env:GHE_TOKEN"                     # or file:/path, or secret:NAME (of DELIVERY_SECRETS)
//! ca_bundle = "/etc/acme/ca.pem"              # trusted instead of the usual authorities
//! context = "ci/{pipeline}"                   # without: as the family has it, buildkite/{pipeline}
//! states = { blocked = "pending" }            # other words than the usual ones
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
//! ```
//!
//! For all: `concurrency`, `interval_ms`, `max_age_hours`, `max_attempts`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use super::overflow::Place;
use super::secret;
use super::states::Forge;
use crate::outbox::State;
use crate::secret::Secret;

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
}

/// A host of repositories.
#[derive(Clone, Debug)]
pub struct CommitTarget {
    /// What it speaks.
    pub forge: Forge,
    /// Its names in the URLs of repositories, in lower case.
    pub hosts: Vec<String>,
    /// Where its API begins.
    pub api: Url,
    /// How it is reached.
    pub way: Way,
    /// PEM bundle to trust instead of the usual authorities.
    pub ca_bundle: Option<Vec<u8>>,
    /// Template of the name of a status.
    pub context: Option<String>,
    /// Words that differ from the usual ones.
    pub states: BTreeMap<String, String>,
}

/// Who posts.
#[derive(Clone, Debug)]
pub enum Way {
    /// We do, with this token.
    Push(Secret),
    /// Somebody who comes for it, with this key.
    Pull(Secret),
}

/// Which events a target gets.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Names of families; none for all.
    pub families: Option<Vec<String>>,
    /// Names of events, `*` at the end for all that begin so; none for all.
    pub events: Option<Vec<String>>,
}

impl Filter {
    /// Whether an event passes.
    #[must_use]
    pub fn takes(&self, family: &str, event: &str) -> bool {
        let is = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => event.starts_with(start),
            None => event == pattern,
        };
        self.families.as_ref().is_none_or(|families| families.iter().any(|name| name == family))
            && self.events.as_ref().is_none_or(|events| events.iter().any(is))
    }
}

impl CommitTarget {
    /// The host's word for a state.
    #[must_use]
    pub fn word(&self, state: State) -> &str {
        let own = serde_json::json!(state);
        let own = own.as_str().and_then(|name| self.states.get(name));
        own.map_or_else(|| self.forge.word(state), String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    target: Vec<Raw>,
}

/// A target as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    kind: String,
    #[serde(default)]
    hosts: Vec<String>,
    api: Option<String>,
    token: Option<String>,
    api_key: Option<String>,
    ca_bundle: Option<String>,
    context: Option<String>,
    #[serde(default)]
    states: BTreeMap<String, String>,
    topic_arn: Option<String>,
    overflow: Option<String>,
    families: Option<Vec<String>>,
    events: Option<Vec<String>>,
    url: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    allow_private: bool,
    concurrency: Option<usize>,
    interval_ms: Option<u64>,
    max_age_hours: Option<u64>,
    max_attempts: Option<i32>,
}

/// All targets that the environment names.
///
/// # Errors
/// When there are none, or something about one cannot be.
pub fn targets(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Target>, TargetsError> {
    let mut raw = match lookup("DELIVERY_TARGETS") {
        // An inline document has a table or an assignment, and no path has.
        Some(text) if text.contains('[') || text.contains('=') => document(&text)?,
        Some(path) => {
            let text = std::fs::read_to_string(Path::new(&path));
            document(&text.map_err(|source| TargetsError::File { path, source })?)?
        }
        None => Vec::new(),
    };
    if let Some(topic_arn) = lookup("BROADCAST_TOPIC_ARN") {
        raw.push(Raw {
            name: "broadcast".to_owned(),
            kind: "sns".to_owned(),
            topic_arn: Some(topic_arn),
            overflow: lookup("BROADCAST_OVERFLOW"),
            families: Some(["travis", "kcidb"].map(str::to_owned).to_vec()),
            ..Raw::default()
        });
    }
    if raw.is_empty() {
        return Err(TargetsError::None);
    }
    let mut targets: Vec<Target> = Vec::new();
    for raw in raw {
        let target = target(raw, lookup)?;
        if targets.iter().any(|other| other.name == target.name) {
            return Err(TargetsError::Document(format!("two targets are named {}", target.name)));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn document(text: &str) -> Result<Vec<Raw>, TargetsError> {
    // The parser's whole error quotes the line, in which a secret may have been written against all advice.
    let document: Result<Document, _> = toml::from_str(text);
    document.map(|document| document.target).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        TargetsError::Document(format!("line {line}: {}", error.message()))
    })
}

fn target(raw: Raw, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Target, TargetsError> {
    let name = raw.name.clone();
    let wrong = |member, what: String| TargetsError::Member { target: name.clone(), member, what };
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(wrong("name", "expected 1 to 64 letters, digits, hyphens, dots or underscores".to_owned()));
    }
    let secret = |member, reference: &Option<String>| {
        let reference = reference.as_deref().ok_or_else(|| wrong(member, "missing".to_owned()))?;
        secret::find(reference, lookup).map_err(|what| wrong(member, what))
    };
    let bundle = raw.ca_bundle.as_ref().map(std::fs::read).transpose();
    let ca_bundle = bundle.map_err(|error| wrong("ca_bundle", error.to_string()))?;
    let filter = Filter { families: raw.families.clone(), events: raw.events.clone() };
    let (kind, concurrency, interval) = match raw.kind.as_str() {
        "github" | "gitlab" => {
            let forge = if raw.kind == "github" { Forge::Github } else { Forge::Gitlab };
            let hosts: Vec<String> = raw.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
            let Some(first) = hosts.first() else { return Err(wrong("hosts", "missing".to_owned())) };
            let is_public = hosts.iter().any(|host| host == "github.com");
            let api = raw.api.clone().unwrap_or_else(|| match forge {
                Forge::Github if is_public => "https://api.github.com".to_owned(),
                Forge::Github => format!("https://{first}/api/v3"),
                Forge::Gitlab => format!("https://{first}/api/v4"),
            });
            let way = match &raw.api_key {
                Some(_) => Way::Pull(secret("api_key", &raw.api_key)?),
                None => Way::Push(secret("token", &raw.token)?),
            };
            for (state, word) in &raw.states {
                let known = State::ALL.iter().any(|known| serde_json::json!(known) == state.as_str());
                if !known || !forge.words().contains(&word.as_str()) {
                    return Err(wrong(
                        "states",
                        format!("{state} = {word}: unknown state, or unknown to {}", raw.kind),
                    ));
                }
            }
            let target = CommitTarget {
                forge,
                hosts,
                api: address(&api).map_err(|what| wrong("api", what))?,
                way,
                ca_bundle,
                context: raw.context,
                states: raw.states,
            };
            // GitHub asks for a second between two posts, and for one at a time; its Enterprise Server has no limits unless
            // set (github/docs, best practices for the REST API).
            let pace = if is_public { (1, Duration::from_secs(1)) } else { (8, Duration::ZERO) };
            (Kind::Commit(Box::new(target)), pace.0, pace.1)
        }
        "sns" => {
            let topic_arn = raw.topic_arn.ok_or_else(|| wrong("topic_arn", "missing".to_owned()))?;
            let overflow = raw.overflow.as_deref().map(Place::read).transpose();
            let overflow = overflow.map_err(|what| wrong("overflow", what))?;
            (Kind::Sns { topic_arn, overflow, filter }, 20, Duration::ZERO)
        }
        "webhook" => {
            let url = raw.url.as_deref().ok_or_else(|| wrong("url", "missing".to_owned()))?;
            let url = address(url).map_err(|what| wrong("url", what))?;
            let secret = secret("secret", &raw.secret)?;
            (Kind::Webhook { url, secret, allow_private: raw.allow_private, ca_bundle, filter }, 4, Duration::ZERO)
        }
        kind => return Err(wrong("kind", format!("{kind}: expected github, gitlab, sns or webhook"))),
    };
    Ok(Target {
        kind,
        concurrency: raw.concurrency.unwrap_or(concurrency).clamp(1, 256),
        interval: raw.interval_ms.map_or(interval, Duration::from_millis),
        max_age: Duration::from_secs(3600 * raw.max_age_hours.unwrap_or(7 * 24).min(24 * 366)),
        max_attempts: raw.max_attempts.unwrap_or(1000).max(1),
        name,
    })
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
