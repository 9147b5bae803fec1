//! GitLab CI: pipelines, jobs and deployments.
//!
//! The messages of GitLab CI hold no version: no time of change, no sequence number. GitLab makes the body of a hook
//! when a worker runs, not when the status changed, and posts it in another worker: so two hooks about one pipeline
//! overtake each other, and the same content is sent twice. What makes one newer is therefore taken from the content
//! (`record.rs`), and the time of the message decides only where the content does not.
//!
//! What is a check:
//!
//! - `pipeline`: a pipeline, unless it is a child (it counts in its parent) or consists of our own commit statuses. It
//!   counts for the verdict of its commit. While it runs it is failing as soon as a job failed that may not fail.
//! - `STAGE/JOB`: the jobs of that name in a pipeline, newest attempts, also those that one job was split into
//!   (`unit 3/8`). They are shown, and do not count: a failed job has made its pipeline fail, so that it would count
//!   twice, and a job that waits for a person in a successful pipeline holds nothing up. A rule that requires a job by
//!   name makes it count.

mod record;
pub mod rules;

pub use self::record::{Deployment, Job, MergeRequestRef, Origin, Pipeline, Record, Sent};
