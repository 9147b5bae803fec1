//! Decides which notifications the start or the end of a build causes, with their destinations and contents (facts:
//! `travis-hub.md` 4.2 to 4.4). The module `deliver` sends them.

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

use crate::sources::travis::record::State;

/// A kind of notification, by its key under `notifications`.
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
    /// All kinds.
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

    /// The event that announces a due notification.
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

    /// The key of its destinations in a configuration.
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

    /// Whether it notifies about an event.
    fn handles_event(self, on: On) -> bool {
        match self {
            Self::Webhooks => true,
            Self::Email => on != On::Started,
            _ => on == On::Finished,
        }
    }

    /// Whether it notifies about pull requests, with this configuration.
    fn handles_pull_requests(self, config: &Value) -> bool {
        match self {
            Self::Webhooks => true,
            Self::Slack | Self::Hipchat => config.get("on_pull_requests") != Some(&Value::Bool(false)),
            _ => false,
        }
    }
}

/// The event of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// `build:started`.
    Started,
    /// `build:finished`.
    Finished,
    /// `build:canceled`.
    Canceled,
}

/// The properties of a build that decide about notifications.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The event.
    pub on: On,
    /// State of the build.
    pub state: Option<State>,
    /// Final state of the previous build.
    pub previous_state: Option<State>,
    /// Whether all of its jobs have ended, those that may fail included.
    pub all_jobs_finished: bool,
    /// Whether the build is of a pull request.
    pub is_pull_request: bool,
}

/// A notification that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its kind.
    pub addon: Addon,
    /// Index of its configuration; 0 unless the configuration is a list.
    pub index: usize,
}

/// All notifications that are due, given `notifications` of the build's configuration.
#[must_use]
pub fn due(notifications: Option<&Value>, about: About) -> Vec<Due> {
    let mut due = Vec::new();
    for addon in Addon::ALL {
        let config = match notifications {
            Some(Value::Object(all)) => all.get(addon.name()),
            // `notifications: false` applies to all kinds.
            other => other,
        };
        for (index, config) in configs(config).into_iter().enumerate() {
            // By default mail is sent to the authors; all other kinds need a configured destination.
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

/// Splits a configuration: a list of objects is several independent notifications, a list of destinations, encrypted or
/// not, is one.
fn configs(config: Option<&Value>) -> Vec<Option<&Value>> {
    match config {
        Some(Value::Array(items)) if items.iter().all(Value::is_object) && !items.iter().all(is_encrypted) => {
            items.iter().map(Some).collect()
        }
        other => vec![other],
    }
}

/// Whether a configuration causes a notification.
#[must_use]
pub fn handles(addon: Addon, config: &Value, about: About) -> bool {
    let has_targets = addon == Addon::Email || !targets(addon, config).is_empty();
    addon.handles_event(about.on)
        && (!about.is_pull_request || addon.handles_pull_requests(config))
        && is_enabled(config)
        && has_targets
        && sends(addon, config, about)
}

/// Whether `on_success`, `on_failure`, `on_cancel` and `on_start` allow a notification.
#[must_use]
pub fn sends(addon: Addon, config: &Value, about: About) -> bool {
    let rule = |key: &str, default: &'static str| match config.get(key) {
        None => default.to_owned(),
        Some(Value::String(value)) => value.clone(),
        // `true` is not a valid value.
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

/// Whether a configuration is enabled.
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

/// Whether a value is encrypted: `{secure: ..}` in the place of the plain value (docs of Travis CI, 'Encryption keys').
fn is_encrypted(value: &Value) -> bool {
    value.get("secure").is_some()
}

/// The values of a configuration, which is a string, several separated by commas, a list, any of these under a key, or
/// encrypted.
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

/// The destinations in a configuration; for webhooks only the address.
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

/// The recipients of mail: the configured ones, else author and committer if they are `permitted` to read the
/// repository; without `unwanted`, who unsubscribed. Encrypted recipients count as configured, although they cannot be
/// decrypted here.
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

/// The state of a build in words: a short form (`Still Failing`), and the rest of a sentence after `The build` (`is
/// still failing`).
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
