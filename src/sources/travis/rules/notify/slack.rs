//! Messages of Slack.

use serde_json::{Value, json};

use super::subject::Subject;
use super::template::{escaped, fill, lines};
use crate::sources::travis::record::State;

const OF_BRANCH: &str = "Build <%{build_url}|#%{build_number}> (<%{compare_url}|%{commit}>) of %{repository}@%{branch} \
     by %{author} %{result} in %{duration}";
const OF_PULL_REQUEST: &str = "Build <%{build_url}|#%{build_number}> (<%{compare_url}|%{commit}>) of \
     %{repository}@%{branch} in PR <%{pull_request_url}|#%{pull_request_number}> by %{author} %{result} in %{duration}";

/// A room of Slack, the destination of a message: `account:token#channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room<'t> {
    /// `team` in `team.slack.com`.
    pub account: &'t str,
    /// The token, or its [fingerprint](crate::outbox::fingerprint). Only the fingerprint is stored: the target's
    /// settings have the token.
    pub token: &'t str,
    /// Channel, with its `#`.
    pub channel: Option<&'t str>,
}

/// Parses a room; `None` if it is not valid. Nothing is sent to an invalid room.
#[must_use]
pub fn room(text: &str) -> Option<Room<'_>> {
    let (account, rest) = text.split_once(':')?;
    let (token, channel) = rest.find('#').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    // Only the first channel counts.
    let channel = channel.map(|channel| channel[1..].find('#').map_or(channel, |end| &channel[..=end]));
    let is_word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let is_channel = |channel: &str| channel.len() > 1 && !channel.contains(char::is_control);
    let is_room = is_word(account, b"-") && is_word(token, b"-_") && channel.is_none_or(is_channel);
    is_room.then_some(Room { account, token, channel })
}

/// The message in the format of incoming webhooks.
#[must_use]
pub fn message(subject: &Subject<'_>, template: Option<&Value>, channel: Option<&str>) -> Value {
    let default = if subject.is_pull_request() { OF_PULL_REQUEST } else { OF_BRANCH };
    // The author of a pull request writes its configuration: its own template must not contain links or call channels.
    let own = |line: &String| {
        let is_foreign = subject.is_pull_request() && line != default;
        fill(&if is_foreign { escaped(line) } else { line.clone() }, subject, Some("slack"))
    };
    let filled: Vec<String> = lines(template, &[default]).iter().map(own).collect();
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
