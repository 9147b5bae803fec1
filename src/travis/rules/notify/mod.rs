//! Which notifications the beginning or the end of a build causes, whom they go to, and what they say (facts:
//! `travis-hub.md` 4.2 to 4.4). Sending them is not done here.

pub mod github;
pub mod irc;
pub mod mail;
mod notices;
pub mod slack;
mod subject;
pub mod template;
pub mod webhook;

use serde_json::{Map, Value};

pub use self::notices::{notices, without_user};
pub use self::subject::Subject;

use crate::travis::record::State;

/// A way to notify somebody, by its key under `notifications`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addon {
    /// Mail.
    Email,
    /// HTTP POST.
    Webhooks,
    /// IRC.
    Irc,
    /// Slack.
    Slack,
    /// `HipChat`.
    Hipchat,
    /// Campfire.
    Campfire,
    /// Flowdock.
    Flowdock,
    /// Pushover.
    Pushover,
}

impl Addon {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Email,
        Self::Webhooks,
        Self::Irc,
        Self::Slack,
        Self::Hipchat,
        Self::Campfire,
        Self::Flowdock,
        Self::Pushover,
    ];

    /// The key under `notifications`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhooks => "webhooks",
            Self::Irc => "irc",
            Self::Slack => "slack",
            Self::Hipchat => "hipchat",
            Self::Campfire => "campfire",
            Self::Flowdock => "flowdock",
            Self::Pushover => "pushover",
        }
    }

    /// The event that says that one is due.
    #[must_use]
    pub fn event(self) -> &'static str {
        match self {
            Self::Email => "notify:email",
            Self::Webhooks => "notify:webhooks",
            Self::Irc => "notify:irc",
            Self::Slack => "notify:slack",
            Self::Hipchat => "notify:hipchat",
            Self::Campfire => "notify:campfire",
            Self::Flowdock => "notify:flowdock",
            Self::Pushover => "notify:pushover",
        }
    }

    /// The key of its targets.
    #[must_use]
    pub fn targets_key(self) -> &'static str {
        match self {
            Self::Email => "recipients",
            Self::Webhooks => "urls",
            Self::Irc => "channels",
            Self::Pushover => "users",
            Self::Slack | Self::Hipchat | Self::Campfire | Self::Flowdock => "rooms",
        }
    }

    /// Whether it listens to an event.
    fn listens(self, on: On) -> bool {
        match self {
            Self::Webhooks => true,
            Self::Email => on != On::Started,
            _ => on == On::Finished,
        }
    }

    /// Whether it speaks of pull requests, with a configuration.
    fn takes_pull_requests(self, config: &Value) -> bool {
        match self {
            Self::Webhooks => true,
            Self::Slack | Self::Hipchat => config.get("on_pull_requests") != Some(&Value::Bool(false)),
            _ => false,
        }
    }
}

/// What happened to a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `build:started`.
    Started,
    /// `build:finished`.
    Finished,
    /// `build:canceled`.
    Canceled,
}

/// A build, as far as it decides about notifications.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What happened.
    pub on: On,
    /// Where it stands.
    pub state: Option<State>,
    /// How the one before had ended.
    pub previous_state: Option<State>,
    /// Whether all of its jobs have ended, those that may fail included.
    pub all_jobs_finished: bool,
    /// Whether it is of a pull request.
    pub is_pull_request: bool,
}

/// A notification that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// How.
    pub addon: Addon,
    /// Which of its configurations: 0 but for a list of several.
    pub index: usize,
}

/// Everything that is due, given `notifications` of the build's configuration.
#[must_use]
pub fn due(notifications: Option<&Value>, about: About) -> Vec<Due> {
    let mut due = Vec::new();
    for addon in Addon::ALL {
        let config = match notifications {
            Some(Value::Object(all)) => all.get(addon.name()),
            // `notifications: false` is said of all of them.
            other => other,
        };
        for (index, config) in configs(config).into_iter().enumerate() {
            // Mail goes to the authors unless something else is said; all others need somebody to go to.
            let is_on = match (addon, config) {
                (Addon::Email, None) => true,
                (_, None) => false,
                (_, Some(config)) => handles(addon, config, about),
            };
            let nothing = Value::Object(Map::new());
            if is_on && (config.is_some() || handles(addon, &nothing, about)) {
                due.push(Due { addon, index });
            }
        }
    }
    due
}

/// Several configurations are independent notifications; a list of targets, encrypted or not, is one.
fn configs(config: Option<&Value>) -> Vec<Option<&Value>> {
    match config {
        Some(Value::Array(items)) if items.iter().all(Value::is_object) && !items.iter().all(is_encrypted) => {
            items.iter().map(Some).collect()
        }
        other => vec![other],
    }
}

/// Whether a notification goes out with a configuration.
#[must_use]
pub fn handles(addon: Addon, config: &Value, about: About) -> bool {
    let has_targets = addon == Addon::Email || !targets(addon, config).is_empty();
    addon.listens(about.on)
        && (!about.is_pull_request || addon.takes_pull_requests(config))
        && is_enabled(config)
        && has_targets
        && sends(addon, config, about)
}

/// What `on_success`, `on_failure`, `on_cancel` and `on_start` decide.
#[must_use]
pub fn sends(addon: Addon, config: &Value, about: About) -> bool {
    let rule = |key: &str, default: &'static str| match config.get(key) {
        None => default.to_owned(),
        Some(Value::String(word)) => word.clone(),
        // `true` is no word of this language.
        Some(_) => "never".to_owned(),
    };
    let previous = about.previous_state;
    let on_bad_news = |key: &str| match &*rule(key, "always") {
        "always" => true,
        "change" => matches!(previous, None | Some(State::Passed)),
        _ => false,
    };
    match about.on {
        On::Started => rule("on_start", "never") == "always",
        On::Canceled => on_bad_news("on_cancel"),
        On::Finished if about.state == Some(State::Passed) => {
            let default = if addon == Addon::Email { "change" } else { "always" };
            match &*rule("on_success", default) {
                "always" => true,
                "change" => previous != Some(State::Passed),
                _ => false,
            }
        }
        On::Finished => about.all_jobs_finished && on_bad_news("on_failure"),
    }
}

/// Whether a configuration is switched on.
#[must_use]
pub fn is_enabled(config: &Value) -> bool {
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    match config {
        Value::Null | Value::Bool(false) => false,
        Value::Object(_) => {
            flag("enabled").unwrap_or(true) && !flag("disabled").or_else(|| flag("disable")).unwrap_or(false)
        }
        _ => true,
    }
}

/// Whether a value is encrypted: `{secure: ..}` stands where the plain value would (docs of Travis CI, 'Encryption keys').
fn is_encrypted(value: &Value) -> bool {
    value.get("secure").is_some()
}

/// The values of a configuration that may be one string, some with commas between, a list, any of these under a key, or encrypted.
#[must_use]
pub fn values(config: &Value, key: &str) -> Vec<Value> {
    match config {
        Value::Object(members) => match members.get(key) {
            Some(under) => values(under, key),
            None if is_encrypted(config) => vec![config.clone()],
            None => Vec::new(),
        },
        Value::Array(items) => items
            .iter()
            .flat_map(|item| if item.is_object() { vec![item.clone()] } else { values(item, key) })
            .collect(),
        Value::String(text) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| Value::String(part.to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// Where a notification goes, as far as its configuration says; for webhooks the address alone.
#[must_use]
pub fn targets(addon: Addon, config: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        // A webhook of another form, or a value that is encrypted.
        Value::Object(members) => {
            ["url", "secure"].iter().find_map(|key| members.get(*key)?.as_str()).map(str::to_owned)
        }
        _ => None,
    };
    values(config, addon.targets_key()).iter().filter_map(text).collect()
}

/// Who gets mail: who is configured, else author and committer as far as they may see the repository; less those who
/// unsubscribed from it or want no mail about builds. Recipients that are encrypted are configured, though they cannot be read here.
#[must_use]
pub fn recipients(config: &Value, authors: &[&str], permitted: &[&str], unwanted: &[&str]) -> Vec<String> {
    let mut recipients = targets(Addon::Email, config);
    if recipients.is_empty() {
        recipients = authors.iter().filter(|author| permitted.contains(author)).map(|&a| a.to_owned()).collect();
        recipients.dedup();
    }
    recipients.retain(|recipient| !unwanted.contains(&recipient.as_str()));
    recipients
}

/// How a build ended, in words: short (`Still Failing`) and as what follows `The build` (`is still failing`).
#[must_use]
pub fn words(state: Option<State>, previous_state: Option<State>) -> (&'static str, &'static str) {
    match (state, previous_state) {
        (Some(State::Passed), Some(State::Failed)) => ("Fixed", "was fixed"),
        (Some(State::Passed), _) => ("Passed", "passed"),
        (Some(State::Failed), Some(State::Failed)) => ("Still Failing", "is still failing"),
        (Some(State::Failed), Some(State::Passed)) => ("Broken", "was broken"),
        (Some(State::Failed), _) => ("Failed", "failed"),
        (Some(State::Errored), _) => ("Errored", "has errored"),
        (Some(State::Canceled), _) => ("Canceled", "was canceled"),
        _ => ("Pending", "is pending"),
    }
}
