//! What a run found and did: for people, for metrics, and for whoever called.

use jiff::Timestamp;
use metrics::{counter, histogram};
use serde::Serialize;

use crate::gitlab::Change;
use crate::outbox::Due;
use crate::store::{Stale, Step};
use crate::upkeep;

/// What a run found and did. With `dry_run` what it would have done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What is to be delivered by what the sources announced.
    #[serde(skip)]
    pub due: Due,
    /// Nothing was written.
    pub dry_run: bool,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took.
    pub seconds: f64,
    /// Requests to GitLab, each try counted.
    pub requests: u64,
    /// How many of them were one too many (429).
    pub limited: u64,
    /// Projects that were checked to the end.
    pub projects: u64,
    /// Merge requests that were compared.
    pub checked: u64,
    /// Merge requests that were completed, or of which only the time has moved on: no webhook was lost.
    pub refreshed: u64,
    /// Merge requests about which a webhook told something newer meanwhile.
    pub overtaken: u64,
    /// Heads that were filled in with the time at which they became that.
    pub versions: u64,
    /// Merge requests that were wrong: lost webhooks.
    pub corrections: Vec<Correction>,
    /// Merge requests that nobody had told of.
    pub missing: Vec<Missing>,
    /// Projects that could not be checked; their rows are as they were.
    pub unreachable: Vec<Unreachable>,
    /// Projects whose path has changed; they were checked under the new one.
    pub moved: Vec<Moved>,
    /// Parts of answers that could not be read.
    pub refused: Vec<RefusedItem>,
    /// Projects that were not reached, or not to their end: first in the next run.
    pub left: Vec<String>,
    /// What families found stuck.
    pub stale: Vec<Stale>,
    /// What was done of the families' own work.
    pub worked: Vec<Worked>,
    /// What upkeep did, if it was asked for. What it left is done by the next run, and part of no verdict on this one.
    pub upkeep: Option<upkeep::Report>,
    /// Why the run ended before its time, if so. The rest of the report stands.
    pub stopped: Option<String>,
}

/// A merge request that was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Correction {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request.
    pub iid: i64,
    /// What was wrong about it; a deletion is a change of `state` to `deleted`.
    pub changes: Vec<Change>,
}

impl Correction {
    /// Whether the merge request is gone.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.changes.iter().any(|change| change.field == "state" && change.new == "deleted")
    }
}

/// What was done of a task of a family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// Its name.
    pub task: &'static str,
    /// Objects that were looked at.
    pub objects: usize,
    /// What was written or announced because of them.
    pub written: usize,
    /// Whether there is more to do.
    pub left: bool,
}

/// A merge request that nobody had told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request.
    pub iid: i64,
    /// The state it is in.
    pub state: &'static str,
}

/// A project that could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreachable {
    /// Its path.
    pub project: String,
    /// Why.
    pub problem: String,
}

/// A project whose path has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The path that our rows have.
    pub project: String,
    /// Path or number to which GitLab redirects.
    pub to: String,
}

/// A part of an answer that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedItem {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request, if that could be read.
    pub iid: Option<i64>,
    /// The field and the shape of its value.
    pub detail: String,
}

impl Report {
    /// Whether all that was asked for has happened.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stopped.is_none()
            && self.unreachable.is_empty()
            && self.left.is_empty()
            && self.refused.is_empty()
            && !self.worked.iter().any(|worked| worked.left)
    }

    /// Adds what was found in one project.
    pub(super) fn add(&mut self, found: Self) {
        self.checked += found.checked;
        self.refreshed += found.refreshed;
        self.overtaken += found.overtaken;
        self.versions += found.versions;
        self.corrections.extend(found.corrections);
        self.missing.extend(found.missing);
        self.moved.extend(found.moved);
        self.refused.extend(found.refused);
    }

    /// Adds a page of a task; nothing is said of one that has nothing to do.
    pub(super) fn work(&mut self, task: &'static str, step: Step) {
        match self.worked.iter_mut().find(|worked| worked.task == task) {
            Some(worked) => {
                worked.objects += step.objects;
                worked.written += step.written;
                worked.left = step.more;
            }
            None if step == Step::default() => {}
            None => {
                let Step { objects, written, more } = step;
                self.worked.push(Worked { task, objects, written, left: more });
            }
        }
    }

    /// In an order that does not depend on who was quicker.
    pub(super) fn sort(&mut self) {
        self.corrections.sort_by(|a, b| (&a.project, a.iid).cmp(&(&b.project, b.iid)));
        self.missing.sort_by(|a, b| (&a.project, a.iid).cmp(&(&b.project, b.iid)));
        self.unreachable.sort_by(|a, b| a.project.cmp(&b.project));
        self.moved.sort_by(|a, b| a.project.cmp(&b.project));
        self.refused.sort_by(|a, b| (&a.project, a.iid).cmp(&(&b.project, b.iid)));
        self.left.sort();
    }

    /// Counts the run, and says it in one line, and each correction in one more.
    pub fn record(&self) {
        let deleted = self.corrections.iter().filter(|correction| correction.is_deletion()).count();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        counter!("checked").increment(self.checked);
        counter!("corrected").increment(count(self.corrections.len()));
        counter!("deleted").increment(count(deleted));
        counter!("missing").increment(count(self.missing.len()));
        counter!("refreshed").increment(self.refreshed);
        counter!("unreachable").increment(count(self.unreachable.len()));
        counter!("left").increment(count(self.left.len()));
        counter!("refused").increment(count(self.refused.len()));
        counter!("went_stale").increment(count(self.stale.len()));
        for Worked { task, objects, written, left } in &self.worked {
            counter!("worked").increment(count(*objects));
            tracing::info!(task, objects, written, left, "worked");
        }
        if let Some(upkeep) = &self.upkeep {
            upkeep.record();
        }
        counter!("requests").increment(self.requests);
        counter!("limited").increment(self.limited);
        counter!("stopped").increment(u64::from(self.stopped.is_some()));
        histogram!("total_ms").record(self.seconds * 1e3);

        for Correction { project, iid, changes } in &self.corrections {
            let changes = changes.iter().map(|c| format!("{} {} -> {}", c.field, c.old, c.new)).collect::<Vec<_>>();
            tracing::info!(gitlab.project = project, gitlab.iid = iid, changes = changes.join("; "), "corrected");
        }
        for Unreachable { project, problem } in &self.unreachable {
            tracing::warn!(gitlab.project = project, problem, "not checked");
        }
        if let Some(stopped) = &self.stopped {
            tracing::error!(error = stopped, "reconcile stopped");
        }
        tracing::info!(
            dry_run = self.dry_run,
            projects = self.projects,
            checked = self.checked,
            corrected = self.corrections.len(),
            deleted,
            missing = self.missing.len(),
            refreshed = self.refreshed,
            overtaken = self.overtaken,
            versions = self.versions,
            unreachable = self.unreachable.len(),
            moved = self.moved.len(),
            refused = self.refused.len(),
            left = self.left.len(),
            went_stale = self.stale.len(),
            requests = self.requests,
            limited = self.limited,
            total_ms = self.seconds * 1e3,
            "reconciled"
        );
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn corrections_are_counted_as_lost_webhooks() {
        let correction = |iid, new: &str| Correction {
            project: "g/p".to_owned(),
            iid,
            changes: vec![Change { field: "state", old: "opened".to_owned(), new: new.to_owned() }],
        };
        let report = Report {
            corrections: vec![correction(2, "merged"), correction(1, "deleted")],
            requests: 5,
            stopped: Some("why".to_owned()),
            ..Report::default()
        };
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || report.record());
        let metrics = recorder.handle().render();
        for line in ["corrected 2", "deleted 1", "requests 5", "stopped 1", "missing 0", "total_ms_count 1"] {
            assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
        }
        assert!(!report.is_whole() && Report::default().is_whole());
    }
}
