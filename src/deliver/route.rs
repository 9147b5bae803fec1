//! Who is told what: an event and the targets of the day make a plan. Pure.

use super::states::shortened;
use super::targets::{CommitTarget, Kind, Target};
use crate::outbox::route::{Announced, Plan, Wanted};
use crate::outbox::{CommitStatus, Told};

/// Characters of a description (GitHub answers 422 above).
const DESCRIPTION: usize = 140;
/// Characters of a context (GitHub answers 422 above).
const CONTEXT: usize = 255;
/// No target is for the host of the repository, so that nobody is told.
const FOREIGN_HOST: &str = "foreign_host";
/// All targets for it leave out its branch, or what started it.
const IGNORED: &str = "ignored";

/// What is to become of events.
#[must_use]
pub fn plan(events: &[Announced], targets: &[Target]) -> Plan {
    let mut plan = Plan::default();
    for (place, event) in events.iter().enumerate() {
        for target in targets {
            if let Kind::Sns { filter, .. } | Kind::Webhook { filter, .. } = &target.kind
                && filter.takes(&event.family, &event.event)
            {
                plan.deliveries.push((place, target.name.clone()));
            }
        }
        match Told::of(&event.payload) {
            Told::Nothing => {}
            Told::Undeliverable(why) => drop(plan.notes.insert(place, why)),
            Told::Status(status) => {
                let mut commits = targets.iter().filter_map(|target| commit(&status, target)).peekable();
                if commits.peek().is_none() {
                    plan.notes.insert(place, FOREIGN_HOST.to_owned());
                    continue;
                }
                let told: Vec<Wanted> = commits
                    .filter(|(_, commit)| !commit.ignores(&status.names))
                    .map(|(target, commit)| wanted(event, &status, target, commit))
                    .collect();
                if told.is_empty() {
                    plan.notes.insert(place, IGNORED.to_owned());
                }
                plan.statuses.extend(told);
            }
        }
    }
    plan
}

/// The target, if it is for the repository.
fn commit<'t>(status: &CommitStatus, target: &'t Target) -> Option<(&'t Target, &'t CommitTarget)> {
    let Kind::Commit(commit) = &target.kind else { return None };
    (commit.hosts.contains(&status.host) && commit.forge.has(&status.path)).then_some((target, commit))
}

/// The status that a target is to get.
fn wanted(event: &Announced, status: &CommitStatus, target: &Target, commit: &CommitTarget) -> Wanted {
    Wanted {
        target: target.name.clone(),
        repo: status.path.clone(),
        sha: status.sha.clone(),
        name: shortened(&context(commit, status), CONTEXT),
        state: commit.word(status.state).to_owned(),
        description: shortened(&status.description, DESCRIPTION),
        url: status.url.clone(),
        version: status.version.clone(),
        outbox_id: event.id,
    }
}

/// The target's template with what the family knows in it; as the family has it where something is not known.
fn context(target: &CommitTarget, status: &CommitStatus) -> String {
    let Some(template) = &target.context else { return status.context.clone() };
    let mut text = template.replace("{context}", &status.context);
    for (name, value) in &status.names {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    if text.contains('{') || text.trim().is_empty() { status.context.clone() } else { text }
}
