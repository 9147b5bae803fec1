//! Destinations and contents of a notification that is due.

use std::collections::HashSet;

use serde_json::Value;

use super::subject::Subject;
use super::{Addon, Due, configs, irc, mail, recipients, slack, values, webhook};
use crate::outbox::{Notice, fingerprint};

/// One notice for each destination of a notification. Empty if the configuration has no valid destination.
#[must_use]
pub fn notices(subject: &Subject<'_>, due: &Due) -> Vec<Notice> {
    let all = subject.build.notifications.as_ref();
    let nothing = Value::Object(serde_json::Map::new());
    let config = configs(all.and_then(|all| if all.is_object() { all.get(due.addon.name()) } else { Some(all) }));
    let config = config.get(due.index).copied().flatten().unwrap_or(&nothing);
    let template = config.get("template");
    let destinations = || {
        let mut seen = HashSet::new();
        values(config, due.addon.targets_key()).into_iter().filter(move |value| seen.insert(value.to_string()))
    };
    match due.addon {
        Addon::Email => {
            let authors = ["author_email", "committer_email"].map(|key| subject.commit(key).unwrap_or_default());
            let mut seen = HashSet::new();
            let addresses = recipients(config, &authors, &authors, &[]).into_iter();
            // Two spellings of one address are one recipient, as in Travis' own mailer.
            let addresses =
                addresses.filter(|address| mail::is_address(address) && seen.insert(address.to_lowercase()));
            addresses.map(|address| mail::outbox_mail(subject, &address)).collect()
        }
        Addon::Slack => destinations().filter_map(|room| slack_notice(subject, template, &room)).collect(),
        Addon::Webhooks => destinations().filter_map(|hook| webhook_notice(subject, &hook)).collect(),
        Addon::Irc => destinations().filter_map(|channel| irc::notice(subject, template, channel.as_str()?)).collect(),
        Addon::Hipchat | Addon::Campfire | Addon::Flowdock | Addon::Pushover => Vec::new(),
    }
}

fn slack_notice(subject: &Subject<'_>, template: Option<&Value>, room: &Value) -> Option<Notice> {
    let (account, token, channel) = match room {
        Value::String(text) => {
            let room = slack::room(text)?;
            (Some(room.account.to_ascii_lowercase()), Some(fingerprint(room.token)), room.channel)
        }
        // Encrypted, and only upstream has the key: a target for all accounts receives it, for its default channel.
        _ if room.get("secure").is_some() => (None, None, None),
        _ => return None,
    };
    Some(Notice::Slack { account, token, body: slack::message(subject, template, channel) })
}

fn webhook_notice(subject: &Subject<'_>, hook: &Value) -> Option<Notice> {
    let (url, is_card) = match hook {
        Value::String(url) => (url.as_str(), false),
        _ => (hook.get("url")?.as_str()?, hook.get("msteams") == Some(&Value::Bool(true))),
    };
    let body = if is_card { webhook::card(subject) } else { webhook::document(subject) };
    Some(Notice::Hook { url: without_user(url), slug: subject.slug(), signed: !is_card, body })
}

/// An address without user and password, which only the target's settings have.
#[must_use]
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}
