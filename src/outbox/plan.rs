//! Plans the deliveries of an event: which registered targets receive it, and how. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::queue::Status;
use super::receiver::{CommitRules, Receiver, Rules};
use super::states::shortened;
use super::{CommitReport, CommitStatus, Notice, PAGES, Version};

/// Most characters of a description (GitHub answers 422 above).
const DESCRIPTION: usize = 140;
/// Most characters of a context (GitHub answers 422 above).
const CONTEXT: usize = 255;
/// Most bytes of the path of a repository: a longer one does not fit into an index, and no host has it.
const PATH: usize = 1000;
/// No target serves the host of the repository.
const FOREIGN_HOST: &str = "foreign_host";
/// All targets for it ignore its branch or its source.
const IGNORED: &str = "ignored";
/// The path of the repository exceeds the limit of every host.
const LONG_PATH: &str = "long_path";

/// The properties of an event that decide which targets receive it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'e> {
    /// Source.
    pub source: &'e str,
    /// Name of the event.
    pub event: &'e str,
    /// Its report about a commit.
    pub commit: &'e CommitReport,
    /// The notice in it, if it is one.
    pub notice: Option<&'e Notice>,
    /// Age of the message that caused it.
    pub age: Duration,
}

/// A status to post on a commit at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredStatus {
    /// Name of the target.
    pub target: String,
    /// The status.
    pub status: Status,
    /// Its version; with [`Version::BY_EVENT_ORDER`] the later event is the newer one.
    pub version: Version,
    /// Whether it is posted; otherwise it is only recorded.
    pub announced: bool,
}

/// The deliveries and statuses that an event leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Statuses of its commit.
    pub statuses: Vec<DesiredStatus>,
    /// Targets that receive the event as it is.
    pub deliveries: Vec<String>,
    /// Why it leads to nothing although it was meant to.
    pub note: Option<String>,
    /// Whether the note says that no target serves it, rather than that it lacks data.
    pub is_foreign: bool,
}

impl Plan {
    /// Whether anything is sent.
    #[must_use]
    pub fn announces(&self) -> bool {
        !self.deliveries.is_empty() || self.statuses.iter().any(|desired| desired.announced)
    }

    /// The same plan with nothing sent.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.deliveries.clear();
        self.note = None;
        self.statuses.iter_mut().for_each(|desired| desired.announced = false);
        self
    }
}

/// Plans an event. A target whose `max_age` it exceeds is sent nothing; statuses are still recorded.
#[must_use]
pub fn plan<'r>(event: Candidate<'_>, receivers: impl Iterator<Item = &'r Receiver> + Clone) -> Plan {
    let mut plan = Plan::default();
    let managed = event.notice.is_some_and(|notice| keeps_check_runs(notice, receivers.clone()));
    let (mut asked, mut ignored, mut taken, mut for_commits) = (false, false, false, false);
    let path_fits = |status: &CommitStatus| status.path.len() <= PATH;
    for receiver in receivers {
        let is_fresh = event.age <= receiver.max_age;
        match (&receiver.rules, event.notice, event.commit) {
            (Some(Rules::Events(filter)), ..) if filter.takes(event.source, event.event) => {
                taken = true;
                plan.deliveries.extend(is_fresh.then(|| receiver.name.clone()));
            }
            (Some(Rules::Notice(rules)), Some(notice), _) if rules.speaks(notice) => {
                asked = true;
                if rules.takes(notice) {
                    taken = true;
                    plan.deliveries.extend(is_fresh.then(|| receiver.name.clone()));
                }
            }
            // Only targets that ask for verdicts get them.
            (Some(Rules::Commit(CommitRules { verdict: None, .. })), _, CommitReport::Status(status))
                if status.is_verdict => {}
            (Some(Rules::Commit(rules)), _, CommitReport::Status(status)) => {
                (asked, for_commits) = (true, true);
                let fits = rules.hosts.contains(&status.host) && rules.forge.has(&status.path) && path_fits(status);
                if fits && rules.ignores(&status.names) {
                    ignored = true;
                } else if fits && sets_commit_status(managed, rules.beside_check_runs, true) {
                    taken = true;
                    plan.statuses.push(desired_status(status, receiver, rules, is_fresh));
                }
            }
            (Some(Rules::Commit(_)), ..) => for_commits = true,
            _ => {}
        }
    }
    let foreign = match event.commit {
        CommitReport::Undeliverable(why) => {
            plan.note = Some(why.clone());
            plan.is_foreign = !for_commits;
            None
        }
        _ if taken => None,
        CommitReport::Status(status) if !path_fits(status) => Some(LONG_PATH),
        CommitReport::Status(_) if ignored => Some(IGNORED),
        // A deployment without a target of this kind needs no note.
        CommitReport::Status(_) if asked || event.notice.is_none() => Some(FOREIGN_HOST),
        CommitReport::Nothing if asked => Some(FOREIGN_HOST),
        _ => None,
    };
    if let Some(why) = foreign {
        (plan.note, plan.is_foreign) = (Some(why.to_owned()), true);
    }
    plan
}

/// Whether a target maintains check runs for the repository.
fn keeps_check_runs<'r>(notice: &Notice, mut receivers: impl Iterator<Item = &'r Receiver>) -> bool {
    let takes = |receiver: &Receiver| matches!(&receiver.rules, Some(Rules::Notice(of)) if of.takes(notice));
    let is_managed = matches!(notice, Notice::CheckRun { .. });
    keeps_check_run(is_managed, is_managed && receivers.any(takes))
}

/// Whether a commit status is posted: repositories of a GitHub App installation have check runs instead, unless the
/// target configures both.
#[must_use]
pub fn sets_commit_status(managed_by_installation: bool, asked_for: bool, has_token: bool) -> bool {
    if managed_by_installation { asked_for } else { has_token }
}

/// Whether a check run is maintained.
#[must_use]
pub fn keeps_check_run(managed_by_installation: bool, installation_present: bool) -> bool {
    managed_by_installation && installation_present
}

/// The time since `at`, zero if the clock is behind.
#[must_use]
pub fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

/// The status to post at a target.
fn desired_status(status: &CommitStatus, receiver: &Receiver, rules: &CommitRules, announced: bool) -> DesiredStatus {
    // PostgreSQL stores no NUL in text.
    let clean = |text: &str| text.replace('\0', "");
    let verdict = rules.verdict.as_ref().filter(|_| status.is_verdict);
    DesiredStatus {
        target: receiver.name.clone(),
        status: Status {
            repo: clean(&status.path),
            sha: clean(&status.sha),
            name: shortened(&clean(&verdict.map_or_else(|| context(rules, status), |own| own.name.clone())), CONTEXT),
            state: rules.word(status.state).to_owned(),
            description: shortened(&clean(&status.description), DESCRIPTION),
            url: match verdict {
                Some(own) => own.page.as_ref().map(|page| clean(&format!("{page}/commits/{}", status.sha))),
                None => status.url.as_deref().and_then(|url| linked(rules, url)).map(|url| clean(&url)),
            },
        },
        version: Version { tie: clean(&status.version.tie), ..status.version.clone() },
        announced,
    }
}

/// The URL of the page; `None` if it depends on a base URL that the target does not configure.
fn linked(rules: &CommitRules, url: &str) -> Option<String> {
    if !url.contains(PAGES) {
        return Some(url.to_owned());
    }
    rules.pages.as_ref().map(|pages| url.replace(PAGES, pages))
}

/// The context template of the target, filled with values of the source; the context of the source if a value is
/// missing. Placeholders are searched in the template only, so a branch may be named `{pipeline}`.
fn context(rules: &CommitRules, status: &CommitStatus) -> String {
    let Some(template) = &rules.context else { return status.context.clone() };
    let (mut text, mut rest) = (String::new(), template.as_str());
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { return status.context.clone() };
        let value = if name == "context" { Some(&status.context) } else { status.names.get(name) };
        let Some(value) = value else { return status.context.clone() };
        text.push_str(before);
        text.push_str(value);
        rest = after;
    }
    text.push_str(rest);
    if text.trim().is_empty() { status.context.clone() } else { text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::outbox::State;
    use crate::outbox::states::Forge;

    fn named(template: &str, branch: &str) -> String {
        let rules = CommitRules {
            forge: Forge::Github,
            hosts: Vec::new(),
            context: Some(template.to_owned()),
            states: BTreeMap::new(),
            ignored: Vec::new(),
            pages: None,
            beside_check_runs: false,
            verdict: None,
        };
        let names = [("branch", branch), ("pipeline", "app")];
        let status = CommitStatus {
            host: String::new(),
            path: String::new(),
            sha: String::new(),
            context: "buildkite/app".to_owned(),
            names: names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            state: State::Passed,
            description: String::new(),
            url: None,
            version: Version { line: String::new(), number: 1, at: Timestamp::UNIX_EPOCH, tie: String::new() },
            is_verdict: false,
        };
        context(&rules, &status)
    }

    #[test]
    fn placeholders_are_searched_in_the_template_only() {
        for (template, branch, expected) in [
            ("ci/{branch}/{pipeline}", "main", "ci/main/app"),
            ("ci/{branch}/{pipeline}", "a{b}c", "ci/a{b}c/app"),
            ("ci/{branch}/{pipeline}", "{pipeline}", "ci/{pipeline}/app"),
            ("ci/{branch}", "{", "ci/{"),
            ("{context} {branch}", "}{", "buildkite/app }{"),
            ("ci/{nothing}", "main", "buildkite/app"),
            ("ci/{branch", "main", "buildkite/app"),
            ("  ", "main", "buildkite/app"),
            ("ci}", "main", "ci}"),
        ] {
            assert_eq!(named(template, branch), expected, "{template} {branch}");
        }
    }
}
