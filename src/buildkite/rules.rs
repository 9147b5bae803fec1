//! What the URL of a repository, a state and a commit mean. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::record::Repo;
use crate::outbox::State;

/// The repository that a URL of git names, in any of its forms: `https://`, `ssh://`, `git://`, `user@host:path`. `None`
/// for a path on a disk, or one that has no owner. User, password and port are left out.
#[must_use]
pub fn repo(url: &str) -> Option<Repo> {
    let url = url.trim();
    let (authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let known = ["https", "http", "ssh", "git", "git+ssh", "git+https"];
            known.iter().find(|known| known.eq_ignore_ascii_case(scheme))?;
            rest.split_once('/')?
        }
        // As scp writes it; a slash before the colon makes it a path.
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

/// Whether a commit is named whole: `HEAD` and short ones are, until Buildkite has resolved them, not.
#[must_use]
pub fn is_resolved(commit: &str) -> bool {
    matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// States of a build that has not started.
pub const WAITING: [&str; 3] = ["creating", "scheduled", "waiting"];

/// What a state means to whoever waits for the commit; `None` for one that Buildkite does not document.
///
/// The union of four pages of its documentation (`_build_states.md`, `conditionals.md`, `rest_api/builds.md`,
/// `amazon_eventbridge.md`), with what each spells otherwise.
#[must_use]
pub fn state(state: &str, blocked_state: Option<&str>) -> Option<State> {
    Some(match state {
        "creating" | "scheduled" | "waiting" => State::Pending,
        "started" | "running" => State::Running,
        "failing" | "started_failing" => State::Failing,
        "passed" => State::Passed,
        "failed" | "waiting_failed" => State::Failed,
        "blocked" => match blocked_state.map(str::to_ascii_lowercase).as_deref() {
            // What the build is set to where nothing else is said (`passed` is the default of a block step).
            None | Some("" | "passed") => State::Blocked,
            Some("failed") => State::BlockedFailed,
            // `running`, or a word to come: nothing says that it is good.
            Some(_) => State::BlockedRunning,
        },
        "canceling" => State::Canceling,
        "canceled" => State::Canceled,
        "skipped" => State::Skipped,
        "not_run" => State::NotRun,
        _ => return None,
    })
}

/// The sentence beside a status, as Buildkite words it: `Build #13 passed (7 seconds)`. `seconds` is how long a build took
/// that has come to an end; a clock that ran backwards says nothing.
#[must_use]
pub fn description(number: i64, state: &str, blocked_state: Option<&str>, seconds: Option<i64>) -> String {
    let word = state.replace('_', " ");
    let word = match blocked_state.filter(|of| state == "blocked" && matches!(*of, "passed" | "failed")) {
        Some(of) => format!("{of} and blocked"),
        None => word,
    };
    match seconds.filter(|seconds| *seconds >= 0) {
        Some(seconds) => format!("Build #{number} {word} ({})", duration(seconds)),
        None => format!("Build #{number} {word}"),
    }
}

/// The largest unit and the one below it: `1 hour, 1 minute`.
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

/// The page of a build.
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
    fn urls_of_git_come_in_many_forms() {
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
    fn only_whole_commits_are_resolved() {
        assert!(is_resolved(&"a1".repeat(20)) && is_resolved(&"0F".repeat(32)));
        for commit in ["HEAD", "5a74161", "...", "00000", &"g".repeat(40), &"a".repeat(41)] {
            assert!(!is_resolved(commit), "{commit}");
        }
    }

    #[test]
    fn pages_have_plain_addresses() {
        assert_eq!(url("my-org", "my.pipe_line", 7), "https://buildkite.com/my-org/my.pipe_line/builds/7");
        assert_eq!(url("a/b", "c d", 1), "https://buildkite.com/a%2Fb/c%20d/builds/1");
    }
}
