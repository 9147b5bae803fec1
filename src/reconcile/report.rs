//! The report of a run: for the log, for metrics, and for the caller.

use jiff::Timestamp;
use metrics::{counter, histogram};
use serde::Serialize;

use crate::db::{ChunkResult, Stuck};
use crate::maintenance;
use crate::outbox::Due;
use crate::sources::gitlab::Change;

/// The findings and changes of a run; with `dry_run` the changes that it would have made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The deliveries that are due because of events of this run.
    #[serde(skip)]
    pub due: Due,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took.
    pub seconds: f64,
    /// Requests to GitLab; each attempt counts.
    pub requests: u64,
    /// Requests that exceeded the rate limit (429).
    pub limited: u64,
    /// Projects that were checked completely.
    pub projects: u64,
    /// Merge requests that were compared.
    pub checked: u64,
    /// Merge requests that were completed, or whose time only was updated: no webhook was lost.
    pub refreshed: u64,
    /// Merge requests for which a webhook brought a newer state meanwhile.
    pub overtaken: u64,
    /// Heads that were stored with the time since which they are heads.
    pub versions: u64,
    /// Merge requests whose rows were wrong: lost webhooks.
    pub corrections: Vec<Correction>,
    /// Pipelines that GitLab was asked about.
    pub pipelines_checked: u64,
    /// Pipelines whose rows were wrong: lost webhooks.
    pub pipelines: Vec<PipelineCorrection>,
    /// Merge requests that were not in the table.
    pub missing: Vec<Missing>,
    /// Projects that could not be checked; their rows are unchanged.
    pub unreachable: Vec<Unreachable>,
    /// Projects whose path has changed; they were checked under the new one.
    pub moved: Vec<Moved>,
    /// Parts of answers that could not be read.
    pub refused: Vec<RejectedItem>,
    /// Projects that were not checked, or only in part, for lack of time: the next run begins with them.
    pub left: Vec<String>,
    /// Objects that the sources found stuck.
    pub stale: Vec<Stuck>,
    /// The work of the sources' tasks.
    pub worked: Vec<Worked>,
    /// The report of maintenance, if requested. Work that it leaves to the next run does not make this run incomplete.
    pub upkeep: Option<maintenance::Report>,
    /// The error that ended the run early, if any. The rest of the report is valid.
    pub stopped: Option<String>,
}

/// A merge request whose row was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Correction {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request.
    pub iid: i64,
    /// The columns that were wrong; a deletion is a change of `state` to `deleted`.
    pub changes: Vec<Change>,
}

impl Correction {
    /// Whether the merge request was deleted.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.changes.iter().any(|change| change.field == "state" && change.new == "deleted")
    }
}

/// A pipeline whose row was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelineCorrection {
    /// Path of the project.
    pub project: String,
    /// Number of the pipeline.
    pub id: i64,
    /// The columns that were wrong; a deletion is a change of `status` to `deleted`.
    pub changes: Vec<Change>,
}

/// The work of a task of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Worked {
    /// Its name.
    pub task: &'static str,
    /// Objects that were processed.
    pub objects: usize,
    /// Rows that were written or events that were announced because of them.
    pub written: usize,
    /// Whether there is more to do.
    pub left: bool,
}

/// A merge request that was not in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request.
    pub iid: i64,
    /// Its state.
    pub state: &'static str,
}

/// A project that could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreachable {
    /// Its path.
    pub project: String,
    /// The error.
    pub problem: String,
}

/// A project whose path has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The stored path.
    pub project: String,
    /// Path or number to which GitLab redirects.
    pub to: String,
}

/// A part of an answer that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedItem {
    /// Path of the project.
    pub project: String,
    /// Number of the merge request, if that could be read.
    pub iid: Option<i64>,
    /// The field and the type of its value.
    pub detail: String,
}

impl Report {
    /// Whether the run did everything that it was to do.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stopped.is_none()
            && self.unreachable.is_empty()
            && self.left.is_empty()
            && self.refused.is_empty()
            && !self.worked.iter().any(|worked| worked.left)
    }

    /// Adds the findings of one project.
    pub(super) fn add(&mut self, found: Self) {
        self.checked += found.checked;
        self.refreshed += found.refreshed;
        self.overtaken += found.overtaken;
        self.versions += found.versions;
        self.corrections.extend(found.corrections);
        self.pipelines_checked += found.pipelines_checked;
        self.pipelines.extend(found.pipelines);
        self.missing.extend(found.missing);
        self.moved.extend(found.moved);
        self.refused.extend(found.refused);
    }

    /// Adds a chunk of a task. A task without any work is not reported.
    pub(super) fn work(&mut self, task: &'static str, done: ChunkResult) {
        match self.worked.iter_mut().find(|worked| worked.task == task) {
            Some(worked) => {
                worked.objects += done.objects;
                worked.written += done.written;
                worked.left = done.more;
            }
            None if done == ChunkResult::default() => {}
            None => {
                let ChunkResult { objects, written, more } = done;
                self.worked.push(Worked { task, objects, written, left: more });
            }
        }
    }

    /// Sorts the lists, so that they do not depend on the order in which the workers finished.
    pub(super) fn sort(&mut self) {
        self.corrections.sort_by(|a, b| (&a.project, a.iid).cmp(&(&b.project, b.iid)));
        self.pipelines.sort_by(|a, b| (&a.project, a.id).cmp(&(&b.project, b.id)));
        self.missing.sort_by(|a, b| (&a.project, a.iid).cmp(&(&b.project, b.iid)));
        self.unreachable.sort_by(|a, b| a.project.cmp(&b.project));
        self.moved.sort_by(|a, b| a.project.cmp(&b.project));
        self.refused.sort_by(|a, b| (&a.project, a.iid).cmp(&(&b.project, b.iid)));
        self.left.sort();
    }

    /// Writes metrics, a log line for the run, and one for each correction.
    pub fn record(&self) {
        let deleted = self.corrections.iter().filter(|correction| correction.is_deletion()).count();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        counter!("checked").increment(self.checked);
        counter!("corrected").increment(count(self.corrections.len()));
        counter!("deleted").increment(count(deleted));
        counter!("pipelines_corrected").increment(count(self.pipelines.len()));
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
        if let Some(maintenance) = &self.upkeep {
            maintenance.record();
        }
        counter!("requests").increment(self.requests);
        counter!("limited").increment(self.limited);
        counter!("stopped").increment(u64::from(self.stopped.is_some()));
        histogram!("total_ms").record(self.seconds * 1e3);

        for Correction { project, iid, changes } in &self.corrections {
            let changes = changes.iter().map(|c| format!("{} {} -> {}", c.field, c.old, c.new)).collect::<Vec<_>>();
            tracing::info!(gitlab.project = project, gitlab.iid = iid, changes = changes.join("; "), "corrected");
        }
        for PipelineCorrection { project, id, changes } in &self.pipelines {
            let changes = changes.iter().map(|c| format!("{} {} -> {}", c.field, c.old, c.new)).collect::<Vec<_>>();
            tracing::info!(gitlab.project = project, gitlab.pipeline = id, changes = changes.join("; "), "corrected");
        }
        for Stuck { kind, name, state, since } in &self.stale {
            tracing::warn!(kind, name, state, %since, "stuck");
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
