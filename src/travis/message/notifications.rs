//! `notifications` of a configuration, as far as it is kept: what decides, and where to; no password, no token.

use serde_json::Value;

use crate::outbox::fingerprint;
use crate::sorted;
use crate::travis::rules::notify::{Addon, without_user};

/// What stands in for a secret, where a place needs one to be a place.
const HIDDEN: &str = "_";

/// Members that decide something.
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
pub(super) fn kept(all: &Value) -> Value {
    match all {
        Value::Object(all) => {
            let known = all.iter().filter(|(addon, _)| Addon::ALL.iter().any(|known| known.name() == *addon));
            let kept = known.map(|(addon, config)| (addon.clone(), kept_of(addon, config)));
            Value::Object(sorted::object(kept))
        }
        Value::Bool(_) | Value::Null => all.clone(),
        _ => Value::Null,
    }
}

fn kept_of(addon: &str, config: &Value) -> Value {
    match config {
        Value::String(text) => Value::String(places(addon, text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| kept_of(addon, item)).collect()),
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(key, value)| match key.as_str() {
                key if PLAIN.contains(&key) => Some((key.to_owned(), value.clone())),
                "secure" => Some((key.clone(), HIDDEN.into())),
                key @ ("recipients" | "channels" | "rooms" | "urls" | "url" | "users") => {
                    Some((key.to_owned(), kept_of(addon, value)))
                }
                _ => None,
            });
            Value::Object(sorted::object(kept))
        }
        other => other.clone(),
    }
}

/// Places, with commas between them.
fn places(addon: &str, text: &str) -> String {
    let places: Vec<String> = text.split(',').map(|text| place(addon, text.trim())).collect();
    places.join(", ")
}

fn place(addon: &str, text: &str) -> String {
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
    fn secrets_are_not_kept() {
        let all = json!({
            "slack": {"rooms": ["team:hunter2#chan", "team:hunter2"], "on_success": "change", "on_pull_requests": false},
            "webhooks": ["https://user:hunter2@hooks.example.org/in?x=1", {"url": "https://teams.example.org/x", "msteams": true}],
            "irc": {"channels": ["irc.example.org#chan"], "password": "hunter2", "channel_key": "hunter2"},
            "pushover": {"users": "hunter2", "api_key": "hunter2"},
            "campfire": "team:hunter2@room",
            "hipchat": "hunter2@room, hunter2",
            "flowdock": "hunter2",
            "email": {"recipients": ["a@example.org", {"secure": "hunter2"}]},
            "discord": "hunter2",
            "on_success": "always",
        });
        let kept = kept(&all);
        assert!(!kept.to_string().contains("hunter2"), "{kept}");
        // Enough to compare it with the token of a target.
        let token = fingerprint("hunter2");
        assert_eq!(token, fingerprint(&token), "what is kept is read again");
        assert_eq!(
            kept,
            json!({
                "slack": {"rooms": [format!("team:{token}#chan"), format!("team:{token}")], "on_success": "change", "on_pull_requests": false},
                "webhooks": ["https://hooks.example.org/in?x=1", {"url": "https://teams.example.org/x", "msteams": true}],
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
    fn being_off_is_kept() {
        assert_eq!(kept(&json!(false)), json!(false));
        assert_eq!(kept(&json!({"email": false, "slack": null})), json!({"email": false, "slack": null}));
    }
}
