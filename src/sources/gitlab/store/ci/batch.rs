//! The newest records of a batch, each key once.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::sources::gitlab::ci::{Deployment, Job, Pipeline, Record, Sent};

/// Host and number of a pipeline or a job.
pub(super) type Key<'r> = (&'r str, i64);

/// The newest records of a batch, each with the number of its message, and what any record says.
#[derive(Default)]
pub(super) struct Batch<'r> {
    pub(super) pipelines: BTreeMap<Key<'r>, (usize, &'r Pipeline)>,
    pub(super) bad_pipelines: BTreeSet<Key<'r>>,
    pub(super) jobs: BTreeMap<Key<'r>, NewestJob<'r>>,
    pub(super) bad_jobs: BTreeSet<Key<'r>>,
    pub(super) merge_refs: BTreeMap<Key<'r>, &'r str>,
    pub(super) deployments: BTreeMap<(&'r str, &'r str), (usize, &'r Deployment)>,
}

impl<'r> Batch<'r> {
    pub(super) fn of(records: &[(usize, &'r Record)]) -> Self {
        let mut batch = Self::default();
        for &(number, record) in records {
            match record {
                Record::Pipeline(pipeline) => {
                    let key = (&*pipeline.origin.host, pipeline.id);
                    if pipeline.is_bad() {
                        batch.bad_pipelines.insert(key);
                    }
                    let best = batch.pipelines.entry(key).or_insert((number, pipeline));
                    if best.1.version() < pipeline.version() {
                        *best = (number, pipeline);
                    }
                    pipeline.jobs.iter().for_each(|job| batch.add_job(number, job));
                }
                Record::Job(job) => batch.add_job(number, job),
                Record::Deployment(deployment) => {
                    let key = (&*deployment.origin.host, &*deployment.id);
                    let best = batch.deployments.entry(key).or_insert((number, deployment));
                    if best.1.version() < deployment.version() {
                        *best = (number, deployment);
                    }
                }
            }
        }
        batch
    }

    fn add_job(&mut self, number: usize, job: &'r Job) {
        let key = (&*job.origin.host, job.id);
        if job.is_bad() {
            self.bad_jobs.insert(key);
        }
        // The place of a merge request decides the lane; its head is what a pipeline runs for otherwise, too.
        if let Some(merge_ref) = job.merge_ref.as_deref().filter(|kind| *kind != "head") {
            self.merge_refs.insert(key, merge_ref);
        }
        self.jobs.entry(key).and_modify(|newest| newest.add(number, job)).or_insert_with(|| NewestJob::of(number, job));
    }
}

/// The newest messages of a batch about a job: those of its newest version.
pub(super) struct NewestJob<'r> {
    /// The record that has the members other than the status.
    pub(super) job: &'r Job,
    /// The statuses, each with its earliest message and the number of its record.
    statuses: BTreeMap<&'r str, (String, usize, &'r Sent)>,
}

impl<'r> NewestJob<'r> {
    fn of(number: usize, job: &'r Job) -> Self {
        Self { job, statuses: BTreeMap::from([(&*job.status, (job.sent.text(), number, &job.sent))]) }
    }

    fn add(&mut self, number: usize, job: &'r Job) {
        match self.job.version().cmp(&job.version()) {
            Ordering::Less => *self = Self::of(number, job),
            Ordering::Greater => {}
            Ordering::Equal => {
                let added = (job.sent.text(), number, &job.sent);
                let known = self.statuses.entry(&job.status).or_insert_with(|| added.clone());
                if added.0 < known.0 {
                    *known = added;
                }
                if self.job.content < job.content {
                    self.job = job;
                }
            }
        }
    }

    /// The status, by the time: its earliest message is the latest. With the number of its record and the message.
    pub(super) fn status(&self) -> (&'r str, usize, &'r Sent) {
        let last = self.statuses.iter().max_by_key(|(status, (text, ..))| (text, **status));
        // Unwrap safety: it is made with a status.
        let (status, (_, number, sent)) = last.expect("a status");
        (status, *number, sent)
    }

    /// All statuses, as they are stored.
    pub(super) fn said(&self) -> String {
        let texts: BTreeMap<&str, &String> = self.statuses.iter().map(|(status, (text, ..))| (*status, text)).collect();
        serde_json::json!(texts).to_string()
    }
}
