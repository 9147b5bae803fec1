//! Who is told what: an event and the targets of the day make a plan. Pure.

use super::states::shortened;
use super::targets::{CommitTarget, Kind, Target};
use crate::outbox::queue::Status;
use crate::outbox::route::{Announced, Plan, Wanted};
use crate::outbox::{CommitStatus, Notice, PAGES, Told};

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
        let told = Told::of(&event.payload);
        let notice = Notice::of(&event.payload);
        let managed = notice.as_ref().is_some_and(|notice| keeps_check_runs(notice, targets));
        let delivered = plan.deliveries.len();
        let (mut asked, mut ignored, before) = (false, false, plan.statuses.len());
        for target in targets {
            match (&target.kind, &notice, &told) {
                (Kind::Notice(of), Some(notice), _) if of.speaks(notice) => {
                    asked = true;
                    if of.takes(notice) {
                        plan.deliveries.push((place, target.name.clone()));
                    }
                }
                (Kind::Commit(commit), _, Told::Status(status)) => {
                    asked = true;
                    let fits = commit.hosts.contains(&status.host) && commit.forge.has(&status.path);
                    if fits && commit.ignores(&status.names) {
                        ignored = true;
                    } else if fits && sets_commit_status(managed, commit.beside_check_runs, true) {
                        plan.statuses.push(wanted(event, status, target, commit));
                    }
                }
                _ => {}
            }
        }
        let is_told = plan.statuses.len() > before || plan.deliveries.len() > delivered;
        match told {
            Told::Undeliverable(why) => drop(plan.notes.insert(place, why)),
            Told::Status(_) if !is_told && ignored => drop(plan.notes.insert(place, IGNORED.to_owned())),
            // Who has no target of the kind does not want to hear that there is none.
            Told::Status(_) if !is_told && (asked || notice.is_none()) => {
                plan.notes.insert(place, FOREIGN_HOST.to_owned());
            }
            Told::Nothing if !is_told && asked => drop(plan.notes.insert(place, FOREIGN_HOST.to_owned())),
            _ => {}
        }
    }
    plan
}

/// Whether the repository has check runs: a target keeps them.
fn keeps_check_runs(notice: &Notice, targets: &[Target]) -> bool {
    let takes = |target: &Target| matches!(&target.kind, Kind::Notice(of) if of.takes(notice));
    let is_managed = matches!(notice, Notice::CheckRun { .. });
    keeps_check_run(is_managed, is_managed && targets.iter().any(takes))
}

/// Whether a commit status is set: repositories of an installation have check runs instead, unless the target asks for both.
#[must_use]
pub fn sets_commit_status(managed_by_installation: bool, asked_for: bool, has_token: bool) -> bool {
    if managed_by_installation { asked_for } else { has_token }
}

/// Whether a check run is kept.
#[must_use]
pub fn keeps_check_run(managed_by_installation: bool, installation_present: bool) -> bool {
    managed_by_installation && installation_present
}

/// The status that a target is to get.
fn wanted(event: &Announced, status: &CommitStatus, target: &Target, commit: &CommitTarget) -> Wanted {
    Wanted {
        target: target.name.clone(),
        status: Status {
            repo: status.path.clone(),
            sha: status.sha.clone(),
            name: shortened(&context(commit, status), CONTEXT),
            state: commit.word(status.state).to_owned(),
            description: shortened(&status.description, DESCRIPTION),
            url: status.url.as_deref().and_then(|url| linked(commit, url)),
        },
        version: status.version.told_by(event.id),
        outbox_id: event.id,
    }
}

/// The page; none where it depends on what nobody has said.
fn linked(target: &CommitTarget, url: &str) -> Option<String> {
    if !url.contains(PAGES) {
        return Some(url.to_owned());
    }
    target.pages.as_ref().map(|pages| url.replace(PAGES, pages))
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
