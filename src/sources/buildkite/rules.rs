//! Decisions of this source: repository of a URL, meaning of a state, description of a build. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::record::Repo;
use crate::outbox::State;

/// The repository in a Git URL of any form: `https://`, `ssh://`, `git://`, `user@host:path`. `None` for a file system
/// path, or a path without an owner. User, password and port are left out.
#[must_use]
pub fn repo(url: &str) -> Option<Repo> {
    let url = url.trim();
    let (authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let known = ["https", "http", "ssh", "git", "git+ssh", "git+https"];
            known.iter().find(|known| known.eq_ignore_ascii_case(scheme))?;
            rest.split_once('/')?
        }
        // The form of scp; with a slash before the colon it is a file system path.
        None => url.split_once(':').filter(|(authority, _)| !authority.contains('/'))?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase();
    let is_host = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && host.starts_with(|first: char| first.is_ascii_alphanumeric())
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    let is_part = |part: &&str| {
        !matches!(*part, "" | "." | "..") && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+".contains(&b))
    };
    (is_host(&host) && parts.len() >= 2 && parts.iter().all(is_part)).then(|| Repo { host, path: path.to_owned() })
}

/// The standard state of a build in a Buildkite state; `None` for a state that Buildkite does not document.
///
/// The states are the union of four pages of its documentation (`_build_states.md`, `conditionals.md`,
/// `rest_api/builds.md`, `amazon_eventbridge.md`), with the different spellings of each.
#[must_use]
pub fn state(state: &str, blocked_state: Option<&str>) -> Option<State> {
    Some(match state {
        "creating" | "scheduled" | "waiting" => State::Pending,
        "started" | "running" => State::Running,
        "failing" | "started_failing" => State::Failing,
        "passed" => State::Passed,
        "failed" | "waiting_failed" => State::Failed,
        "blocked" => match blocked_state.map(str::to_ascii_lowercase).as_deref() {
            // `passed` is the default of a block step.
            None | Some("" | "passed") => State::Blocked,
            Some("failed") => State::BlockedFailed,
            // `running`, or a value that is not known yet, which must not count as passed.
            Some(_) => State::BlockedRunning,
        },
        "canceling" => State::Canceling,
        "canceled" => State::Canceled,
        "skipped" => State::Skipped,
        "not_run" => State::NotRun,
        _ => return None,
    })
}

/// The description of a commit status, worded as Buildkite does: `Build #13 passed (7 seconds)`. `seconds` is the
/// duration of a finished build; a negative one (a clock was set back) is left out.
#[must_use]
pub fn description(number: i64, state: &str, blocked_state: Option<&str>, seconds: Option<i64>) -> String {
    let state_text = state.replace('_', " ");
    let state_text = match blocked_state.filter(|of| state == "blocked" && matches!(*of, "passed" | "failed")) {
        Some(of) => format!("{of} and blocked"),
        None => state_text,
    };
    match seconds.filter(|seconds| *seconds >= 0) {
        Some(seconds) => format!("Build #{number} {state_text} ({})", duration(seconds)),
        None => format!("Build #{number} {state_text}"),
    }
}

/// A duration as the largest unit and the one below it: `1 hour, 1 minute`.
fn duration(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let mut words = Vec::new();
    for (size, name) in UNITS.iter().skip(first).take(2) {
        let count = left / size;
        left %= size;
        if count > 0 || (words.is_empty() && *size == 1) {
            words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    words.join(", ")
}

/// The URL of a build at Buildkite.
#[must_use]
pub fn url(organization: &str, pipeline: &str, number: i64) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
    format!(
        "https://buildkite.com/{}/{}/builds/{number}",
        utf8_percent_encode(organization, SEGMENT),
        utf8_percent_encode(pipeline, SEGMENT)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_urls_of_any_form_name_a_repository() {
        for (url, expected) in [
            ("git@github.com:acme/app.git", "github.com acme/app"),
            ("https://user:p%40w@GHE.acme.com:8443/acme/app.git/", "ghe.acme.com acme/app"),
            ("https://user@x:pw@ghe.acme.com/acme/app", "ghe.acme.com acme/app"),
            ("ssh://git@ghe.acme.com:2222/acme/app.git", "ghe.acme.com acme/app"),
            ("git@ghe.acme.com:/acme/my.repo.git", "ghe.acme.com acme/my.repo"),
            ("git@gitlab.com:group/sub/app.git", "gitlab.com group/sub/app"),
            ("HTTPS://github.com/acme/socket.io?x#y", "github.com acme/socket.io"),
            (" github.com:acme/app.git ", "github.com acme/app"),
        ] {
            let found = repo(url).map(|repo| format!("{} {}", repo.host, repo.path));
            assert_eq!(found.as_deref(), Some(expected), "{url}");
        }
        for url in [
            "",
            "git@somewhere.com:project.git",
            "/srv/git/app.git",
            "../a/b:c/d",
            "https://github.com/acme",
            "https://github.com/acme/../other",
            "https://github.com/acme//app",
            "file:///srv/git/app.git",
            "https:///acme/app",
            "git@:acme/app",
            "https://github.com/acme/a%2e%2e",
            "https://github.com/acme/a b",
            "...",
        ] {
            assert_eq!(repo(url), None, "{url}");
        }
    }

    #[test]
    fn durations_name_two_units() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (119, "1 minute, 59 seconds"),
            (3_600, "1 hour"),
            (3_661, "1 hour, 1 minute"),
            (90_000, "1 day, 1 hour"),
            (86_460, "1 day"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn urls_of_builds_are_escaped() {
        assert_eq!(url("my-org", "my.pipe_line", 7), "https://buildkite.com/my-org/my.pipe_line/builds/7");
        assert_eq!(url("a/b", "c d", 1), "https://buildkite.com/a%2Fb/c%20d/builds/1");
    }
}
