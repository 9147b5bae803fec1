//! Whom a notification that is due goes to, and what each of them gets.

use std::collections::HashSet;

use serde_json::Value;

use super::subject::Subject;
use super::{Addon, Due, configs, irc, mail, recipients, slack, values, webhook};
use crate::outbox::{Notice, fingerprint};

/// One for each place that a notification goes to. None where there is no place that anything can be sent to.
#[must_use]
pub fn notices(subject: &Subject<'_>, due: &Due) -> Vec<Notice> {
    let all = subject.build.notifications.as_ref();
    let nothing = Value::Object(serde_json::Map::new());
    let config = configs(all.and_then(|all| if all.is_object() { all.get(due.addon.name()) } else { Some(all) }));
    let config = config.get(due.index).copied().flatten().unwrap_or(&nothing);
    let template = config.get("template");
    let places = || {
        let mut seen = HashSet::new();
        values(config, due.addon.targets_key()).into_iter().filter(move |place| seen.insert(place.to_string()))
    };
    match due.addon {
        Addon::Email => {
            let authors = ["author_email", "committer_email"].map(|key| subject.commit(key).unwrap_or_default());
            let mut seen = HashSet::new();
            let addresses = recipients(config, &authors, &authors, &[]).into_iter();
            // Two spellings of one address are one recipient, as for Travis' own mailer.
            let addresses =
                addresses.filter(|address| mail::is_address(address) && seen.insert(address.to_lowercase()));
            addresses.map(|address| mail::waiting(subject, &address)).collect()
        }
        Addon::Slack => places().filter_map(|place| to_slack(subject, template, &place)).collect(),
        Addon::Webhooks => places().filter_map(|place| to_address(subject, &place)).collect(),
        Addon::Irc => places().filter_map(|place| irc::notice(subject, template, place.as_str()?)).collect(),
        Addon::Hipchat | Addon::Campfire | Addon::Flowdock | Addon::Pushover => Vec::new(),
    }
}

fn to_slack(subject: &Subject<'_>, template: Option<&Value>, place: &Value) -> Option<Notice> {
    let (account, token, channel) = match place {
        Value::String(text) => {
            let room = slack::room(text)?;
            (Some(room.account.to_ascii_lowercase()), Some(fingerprint(room.token)), room.channel)
        }
        // Encrypted for somebody else: a target that takes all accounts gets it, for its own channel.
        _ if place.get("secure").is_some() => (None, None, None),
        _ => return None,
    };
    Some(Notice::Slack { account, token, body: slack::message(subject, template, channel) })
}

fn to_address(subject: &Subject<'_>, place: &Value) -> Option<Notice> {
    let (url, is_card) = match place {
        Value::String(url) => (url.as_str(), false),
        _ => (place.get("url")?.as_str()?, place.get("msteams") == Some(&Value::Bool(true))),
    };
    let body = if is_card { webhook::card(subject) } else { webhook::document(subject) };
    Some(Notice::Hook { url: without_user(url), slug: subject.slug(), signed: !is_card, body })
}

/// An address without user and password, which are the target's to know.
#[must_use]
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}
