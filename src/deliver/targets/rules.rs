//! The rules of a target, which are registered in the database: without addresses and secrets.

use std::time::Duration;

use super::{KINDS, Raw, TargetsError, address};
use crate::outbox::receiver::{CommitRules, NoticeKind, NoticeRules, Rules, VerdictStatus};
use crate::outbox::registry::Registration;
use crate::outbox::states::Forge;
use crate::outbox::{Filter, State};

/// Hours after which commit statuses, check runs and events for programs are outdated.
const FOR_PROGRAMS: u64 = 7 * 24;
/// Hours after which messages for people, and webhooks, are outdated.
const FOR_PEOPLE: u64 = 6;

/// Reads and checks the rules of a target.
///
/// # Errors
/// When a member is missing or invalid. The error never contains a secret.
pub(super) fn registration(raw: &Raw) -> Result<Registration, TargetsError> {
    let name = raw.name.clone();
    let wrong = |member, what: String| TargetsError::Member { target: name.clone(), member, what };
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(wrong("name", "expected 1 to 64 letters, digits, hyphens, dots or underscores".to_owned()));
    }
    let (rules, hours) = match raw.kind.as_str() {
        "github" | "gitlab" => (Rules::Commit(commit_rules(raw)?), FOR_PROGRAMS),
        "sns" => (Rules::Events(filter(raw)), FOR_PROGRAMS),
        "webhook" => (Rules::Events(filter(raw)), FOR_PEOPLE),
        "check_run" => (Rules::Notice(notice_rules(raw, NoticeKind::CheckRun)?), FOR_PROGRAMS),
        "slack" if raw.url.is_some() => (Rules::Notice(notice_rules(raw, NoticeKind::SlackWebhook)?), FOR_PEOPLE),
        "slack" => (Rules::Notice(notice_rules(raw, NoticeKind::SlackToken)?), FOR_PEOPLE),
        "mail" => (Rules::Notice(notice_rules(raw, NoticeKind::Mail)?), FOR_PEOPLE),
        "travis_webhook" => (Rules::Notice(notice_rules(raw, NoticeKind::Hook)?), FOR_PEOPLE),
        "irc" => (Rules::Notice(notice_rules(raw, NoticeKind::Irc)?), FOR_PEOPLE),
        other => return Err(wrong("kind", format!("{other}: expected {KINDS}"))),
    };
    let max_age = Duration::from_secs(3600 * raw.max_age_hours.unwrap_or(hours).min(24 * 366));
    Ok(Registration { name, rules, max_age })
}

fn filter(raw: &Raw) -> Filter {
    Filter { families: raw.sources.clone(), events: raw.events.clone() }
}

fn commit_rules(raw: &Raw) -> Result<CommitRules, TargetsError> {
    let wrong = |member, what: String| TargetsError::Member { target: raw.name.clone(), member, what };
    let forge = if raw.kind == "github" { Forge::Github } else { Forge::Gitlab };
    for (state, name) in &raw.states {
        let known = State::ALL.iter().any(|known| serde_json::json!(known) == state.as_str());
        if !known || !forge.words().contains(&name.as_str()) {
            return Err(wrong("states", format!("{state} = {name}: unknown state, or unknown to {}", raw.kind)));
        }
    }
    let pages = raw.pages.as_deref().map(address).transpose().map_err(|what| wrong("pages", what))?;
    let branches = raw.ignore_branches.iter().map(|pattern| ("branch".to_owned(), pattern.clone()));
    let sources = raw.ignore_sources.iter().map(|pattern| ("source".to_owned(), pattern.clone()));
    Ok(CommitRules {
        forge,
        hosts: hosts(raw, Patterns::None)?,
        context: raw.context.clone(),
        states: raw.states.clone(),
        ignored: branches.chain(sources).collect(),
        pages: pages.map(|url| url.as_str().trim_end_matches('/').to_owned()),
        beside_check_runs: raw.beside_check_runs,
        verdict: verdict_status(raw)?,
    })
}

/// The status for verdicts that a target asks for.
fn verdict_status(raw: &Raw) -> Result<Option<VerdictStatus>, TargetsError> {
    let wrong = |member, what: &str| TargetsError::Member { target: raw.name.clone(), member, what: what.to_owned() };
    let page = raw.verdict_page.as_deref().map(address).transpose().map_err(|what| wrong("verdict_page", &what))?;
    match &raw.verdict {
        Some(name) if name.trim().is_empty() => Err(wrong("verdict", "expected the name of the status")),
        Some(name) => Ok(Some(VerdictStatus {
            name: name.clone(),
            page: page.map(|url| url.as_str().trim_end_matches('/').to_owned()),
        })),
        None if page.is_some() => Err(wrong("verdict_page", "needs verdict, the name of the status")),
        None => Ok(None),
    }
}

fn notice_rules(raw: &Raw, notices: NoticeKind) -> Result<NoticeRules, TargetsError> {
    let wrong = |member, what: String| TargetsError::Member { target: raw.name.clone(), member, what };
    let patterns = match notices {
        NoticeKind::CheckRun => Patterns::None,
        NoticeKind::Hook => Patterns::WithPorts,
        _ => Patterns::Some,
    };
    let hosts = hosts(raw, patterns)?;
    let pages = raw.pages.as_deref().ok_or_else(|| wrong("pages", "missing".to_owned()))?;
    let pages = address(pages).map_err(|what| wrong("pages", what))?;
    Ok(NoticeRules {
        notices,
        hosts,
        except: raw.except.clone(),
        channels: raw.channels.clone(),
        pages: pages.as_str().trim_end_matches('/').to_owned(),
        allow_private: raw.allow_private,
    })
}

/// Which patterns are allowed for a host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patterns {
    /// None: the host is compared with that of the URL of a repository, which has no port here.
    None,
    /// `*`, and `*.` before a domain.
    Some,
    /// The same, with a port.
    WithPorts,
}

/// The hosts, in lower case. A host that cannot match anything is an error.
fn hosts(raw: &Raw, patterns: Patterns) -> Result<Vec<String>, TargetsError> {
    let wrong = |what: String| TargetsError::Member { target: raw.name.clone(), member: "hosts", what };
    if raw.hosts.is_empty() {
        return Err(wrong("missing".to_owned()));
    }
    let checked = raw.hosts.iter().map(|host| {
        let host = host.to_ascii_lowercase();
        check(&host, patterns).map_err(|what| wrong(format!("{host}: {what}")))?;
        Ok(host)
    });
    checked.collect()
}

fn check(host: &str, patterns: Patterns) -> Result<(), &'static str> {
    if host.contains("://") || host.contains('/') {
        return Err("expected the name of a host, without https:// and path");
    }
    if host.contains('@') {
        return Err("expected the name of a host, without user");
    }
    let domain = match (host.strip_prefix("*."), patterns) {
        (_, Patterns::None) if host.contains('*') => return Err("expected the name of one host, without *"),
        (None, _) if host == "*" => return Ok(()),
        (Some(domain), _) => domain,
        (None, _) => host,
    };
    if domain.contains('*') {
        return Err("* stands for all hosts, or *. begins the name of a domain");
    }
    // An IPv6 address is written in brackets, as in a URL.
    let (name, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("expected an IPv6 address in the brackets");
            }
            ("address", rest.strip_prefix(':').or((!rest.is_empty()).then_some("")))
        }
        None => match domain.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (domain, None),
        },
    };
    match port {
        None => {}
        Some(_) if patterns != Patterns::WithPorts => return Err("expected the name of a host, without port"),
        Some(port) if port.parse::<u16>().is_err() => return Err("expected a number as port"),
        Some(_) => {}
    }
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    if !name.split('.').all(is_label) {
        return Err("expected the name of a host, such as ghe.acme.example");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_cannot_match_is_an_error() {
        for (host, patterns, is_right) in [
            ("ghe.acme.example", Patterns::None, true),
            ("localhost", Patterns::None, true),
            ("10.0.0.7", Patterns::None, true),
            ("[::1]", Patterns::None, true),
            ("ghe.acme.example:8443", Patterns::None, false),
            ("[::1]:8443", Patterns::None, false),
            ("https://ghe.acme.example", Patterns::None, false),
            ("ghe.acme.example/", Patterns::None, false),
            ("git@ghe.acme.example", Patterns::None, false),
            ("*", Patterns::None, false),
            ("*.acme.example", Patterns::None, false),
            ("ghe.acme.example.", Patterns::None, false),
            ("", Patterns::None, false),
            (" ghe.acme.example", Patterns::None, false),
            ("*", Patterns::Some, true),
            ("*.acme.example", Patterns::Some, true),
            ("acme.*.example", Patterns::Some, false),
            ("*acme.example", Patterns::Some, false),
            ("**", Patterns::Some, false),
            ("acme.example:25", Patterns::Some, false),
            ("own.acme.example:8443", Patterns::WithPorts, true),
            ("*.acme.example:8443", Patterns::WithPorts, true),
            ("[::1]:8443", Patterns::WithPorts, true),
            ("own.acme.example:https", Patterns::WithPorts, false),
            ("https://own.acme.example:8443", Patterns::WithPorts, false),
        ] {
            assert_eq!(check(host, patterns).is_ok(), is_right, "{host}: {:?}", check(host, patterns));
        }
    }
}
