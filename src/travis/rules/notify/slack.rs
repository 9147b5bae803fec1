//! Messages of Slack.

use serde_json::{Value, json};

use super::subject::Subject;
use super::template::{fill, lines};
use crate::travis::record::State;

const OF_BRANCH: &str = "Build <%{build_url}|#%{build_number}> (<%{compare_url}|%{commit}>) of %{repository}@%{branch} \
     by %{author} %{result} in %{duration}";
const OF_PULL_REQUEST: &str = "Build <%{build_url}|#%{build_number}> (<%{compare_url}|%{commit}>) of \
     %{repository}@%{branch} in PR <%{pull_request_url}|#%{pull_request_number}> by %{author} %{result} in %{duration}";

/// Where a message goes: `account:token#channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room<'t> {
    /// `team` of `team.slack.com`.
    pub account: &'t str,
    /// What lets write there, or the [fingerprint](crate::outbox::fingerprint) of it, which alone is kept: the target has the token.
    pub token: &'t str,
    /// Channel, with its `#`.
    pub channel: Option<&'t str>,
}

/// Reads a room; `None` for what is none, to which nothing is sent.
#[must_use]
pub fn room(text: &str) -> Option<Room<'_>> {
    let (account, rest) = text.split_once(':')?;
    let (token, channel) = rest.find('#').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    // One channel, whatever follows it.
    let channel = channel.map(|channel| channel[1..].find('#').map_or(channel, |end| &channel[..=end]));
    let is_word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let is_channel = |channel: &str| channel.len() > 1 && !channel.contains(char::is_control);
    let is_room = is_word(account, b"-") && is_word(token, b"-_") && channel.is_none_or(is_channel);
    is_room.then_some(Room { account, token, channel })
}

/// A text of which Slack makes nothing else than a text.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The message, as an incoming webhook takes it.
#[must_use]
pub fn message(subject: &Subject<'_>, template: Option<&Value>, channel: Option<&str>) -> Value {
    let usual = if subject.is_pull_request() { OF_PULL_REQUEST } else { OF_BRANCH };
    // The author of a pull request writes its configuration: a text of its own holds no links, and calls no channel.
    let own = |line: &String| {
        let is_foreign = subject.is_pull_request() && line != usual;
        fill(&if is_foreign { escaped(line) } else { line.clone() }, subject, Some("slack"))
    };
    let filled: Vec<String> = lines(template, &[usual]).iter().map(own).collect();
    let text = filled.join("\n");
    let color = match subject.build.state {
        Some(State::Passed) => "good",
        Some(State::Failed) => "danger",
        _ => "warning",
    };
    let mut message = json!({
        "attachments": [{"fallback": text, "text": text, "color": color, "mrkdwn_in": ["text"]}],
        "icon_url": format!("{}/images/travis-mascot-150.png", subject.pages),
    });
    if let Some(channel) = channel {
        message["channel"] = json!(channel);
    }
    message
}
