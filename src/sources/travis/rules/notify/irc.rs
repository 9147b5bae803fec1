//! Notifications by IRC.

use serde_json::Value;

use super::subject::Subject;
use super::template::{fill, lines};
use crate::outbox::Notice;

const LINES: [&str; 3] = [
    "%{repository}#%{build_number} (%{branch} - %{commit} : %{author}): %{message}",
    "Change view : %{compare_url}",
    "Build details : %{build_url}",
];

/// The lines for a channel, given as `irc.example.org:6697#channel`, optionally with `irc://` or `ircs://` before it.
/// `None` if the channel is not valid.
#[must_use]
pub fn notice(subject: &Subject<'_>, template: Option<&Value>, channel: &str) -> Option<Notice> {
    let (tls, rest) = match channel.split_once("://") {
        Some(("irc", rest)) => (false, rest),
        Some(("ircs", rest)) => (true, rest),
        Some(_) => return None,
        None => (false, channel),
    };
    let (server, channel) = rest.split_once('#')?;
    let server = server.trim_end_matches('/').to_ascii_lowercase();
    let (server, port) = match server.split_once(':') {
        Some((server, port)) => (server.to_owned(), Some(port.parse().ok()?)),
        None => (server, None),
    };
    let is_server = !server.is_empty() && server.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    let is_channel = !channel.is_empty() && !channel.contains(|c: char| c.is_control() || " ,".contains(c));
    if !is_server || !is_channel {
        return None;
    }
    // Each is one line: text after a line break would be a command.
    let line = |template: &String| fill(template, subject, None).replace(char::is_control, " ");
    let lines = lines(template, &LINES).iter().map(line).collect();
    Some(Notice::Irc { server, port, tls, channel: format!("#{channel}"), lines })
}
