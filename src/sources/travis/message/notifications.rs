//! Removes secrets from `notifications` of a configuration: the rules and the destinations are stored, passwords and
//! tokens are not.

use serde_json::Value;

use crate::outbox::fingerprint;
use crate::sources::travis::rules::notify::{Addon, without_user};

/// The placeholder for a secret in a destination.
const HIDDEN: &str = "_";

/// Members that are stored unchanged.
const PLAIN: [&str; 11] = [
    "enabled",
    "disabled",
    "disable",
    "on_success",
    "on_failure",
    "on_start",
    "on_cancel",
    "on_error",
    "on_pull_requests",
    "template",
    "msteams",
];

/// The notifications without their secrets.
pub(super) fn without_secrets(all: &Value) -> Value {
    match all {
        Value::Object(all) => {
            let known = all.iter().filter(|(addon, _)| Addon::ALL.iter().any(|known| known.name() == *addon));
            let stored = known.map(|(addon, config)| (addon.clone(), config_without_secrets(addon, config)));
            Value::Object(serde_json::Map::from_iter(stored))
        }
        Value::Bool(_) | Value::Null => all.clone(),
        _ => Value::Null,
    }
}

fn config_without_secrets(addon: &str, config: &Value) -> Value {
    match config {
        Value::String(text) => Value::String(destinations(addon, text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| config_without_secrets(addon, item)).collect()),
        Value::Object(members) => {
            let stored = members.iter().filter_map(|(key, value)| match key.as_str() {
                key if PLAIN.contains(&key) => Some((key.to_owned(), value.clone())),
                "secure" => Some((key.clone(), HIDDEN.into())),
                key @ ("recipients" | "channels" | "rooms" | "urls" | "url" | "users") => {
                    Some((key.to_owned(), config_without_secrets(addon, value)))
                }
                _ => None,
            });
            Value::Object(serde_json::Map::from_iter(stored))
        }
        other => other.clone(),
    }
}

/// Destinations separated by commas.
fn destinations(addon: &str, text: &str) -> String {
    let destinations: Vec<String> = text.split(',').map(|text| destination(addon, text.trim())).collect();
    destinations.join(", ")
}

fn destination(addon: &str, text: &str) -> String {
    match addon {
        // account:token#channel, account:token@room
        "slack" | "campfire" => match text.split_once(':') {
            Some((account, rest)) => {
                let end = rest.find(['#', '@']).unwrap_or(rest.len());
                let token = match addon {
                    "slack" => fingerprint(&rest[..end]),
                    _ => HIDDEN.to_owned(),
                };
                format!("{account}:{token}{}", &rest[end..])
            }
            None => HIDDEN.to_owned(),
        },
        // token@room
        "hipchat" => format!("{HIDDEN}{}", text.find('@').map_or("", |at| &text[at..])),
        "flowdock" | "pushover" => HIDDEN.to_owned(),
        "webhooks" => without_user(text),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_removed() {
        let all = json!({
            "slack": {
                "rooms": ["team:hunter2#chan", "team:hunter2"], "on_success": "change", "on_pull_requests": false,
            },
            "webhooks": [
                "https://user:hunter2@hooks.example.org/in?x=1",
                {"url": "https://teams.example.org/x", "msteams": true},
            ],
            "irc": {"channels": ["irc.example.org#chan"], "password": "hunter2", "channel_key": "hunter2"},
            "pushover": {"users": "hunter2", "api_key": "hunter2"},
            "campfire": "team:hunter2@room",
            "hipchat": "hunter2@room, hunter2",
            "flowdock": "hunter2",
            "email": {"recipients": ["a@example.org", {"secure": "hunter2"}]},
            "discord": "hunter2",
            "on_success": "always",
        });
        let stored = without_secrets(&all);
        assert!(!stored.to_string().contains("hunter2"), "{stored}");
        // The fingerprint is compared with that of the token of a target.
        let token = fingerprint("hunter2");
        assert_eq!(token, fingerprint(&token), "the fingerprint of a fingerprint is itself");
        assert_eq!(
            stored,
            json!({
                "slack": {
                    "rooms": [format!("team:{token}#chan"), format!("team:{token}")],
                    "on_success": "change",
                    "on_pull_requests": false,
                },
                "webhooks": [
                    "https://hooks.example.org/in?x=1",
                    {"url": "https://teams.example.org/x", "msteams": true},
                ],
                "irc": {"channels": ["irc.example.org#chan"]},
                "pushover": {"users": "_"},
                "campfire": "team:_@room",
                "hipchat": "_@room, _",
                "flowdock": "_",
                "email": {"recipients": ["a@example.org", {"secure": "_"}]},
            })
        );
    }

    #[test]
    fn a_disabled_kind_stays_disabled() {
        assert_eq!(without_secrets(&json!(false)), json!(false));
        assert_eq!(without_secrets(&json!({"email": false, "slack": null})), json!({"email": false, "slack": null}));
    }
}
