//! What the family keeps, and what makes one record newer than another.
//!
//! Field names are the column names: a record that lost its place is kept as JSON in `replaced`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::envelope::{Latest, Refusal};

/// One object of one of the kinds that are kept.
#[derive(Clone, Debug)]
pub enum Record {
    /// What is built.
    Component(Box<Component>),
    /// A build, a test or a release at work.
    PipelineRun(Box<PipelineRun>),
    /// Images that were built together.
    Snapshot(Box<Snapshot>),
    /// A snapshot on its way out.
    Release(Box<Release>),
}

impl Record {
    /// Limits the times that the sender wrote.
    ///
    /// # Errors
    /// When the object was created later than the message was sent: of two objects of one name the younger one counts, so
    /// that it would keep the name from all others.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Refusal> {
        let identity = match self {
            Self::Component(component) => &mut component.identity,
            Self::Snapshot(snapshot) => &mut snapshot.identity,
            Self::PipelineRun(run) => {
                latest.cut_all([&mut run.started_at, &mut run.finished_at]);
                &mut run.identity
            }
            Self::Release(release) => {
                latest.cut_all([&mut release.started_at, &mut release.finished_at]);
                &mut release.identity
            }
        };
        latest.cut_all([&mut identity.deleted_at]);
        match identity.created_at.filter(|at| !latest.allows(*at)) {
            None => Ok(()),
            Some(at) => {
                let detail =
                    format!("metadata.creationTimestamp: {at}, more than 5 minutes after the message was sent");
                Err(Refusal::new("future-time", detail))
            }
        }
    }
}

/// What an object does not lose: which one it is, how new this state of it is, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// `metadata.name`, the key.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// Cluster (kubeconfig context) that the forwarder watched, from the attributes.
    pub cluster: Option<String>,
    /// `metadata.uid`, empty if missing.
    pub uid: String,
    /// `metadata.resourceVersion` as a number, 0 if missing or opaque.
    pub resource_version: i64,
    /// `metadata.creationTimestamp`.
    pub created_at: Option<Timestamp>,
    /// 0 while it may still change, 1 for a run or a Release that has come to its end, 2 once it is gone from its cluster: never
    /// goes back for one uid, whatever arrives.
    pub rank: i16,
    /// Order within one resourceVersion.
    pub tie: i64,
    /// When it was deleted; set exactly if `rank` is 2.
    pub deleted_at: Option<Timestamp>,
    /// The message that this state came with.
    pub message_id: String,
    /// When that was sent.
    pub message_at: Option<Timestamp>,
}

/// Rank of an object that may still change.
pub(super) const LIVE: i16 = 0;
/// Rank of a run or a Release that has come to its end.
pub(super) const FINISHED: i16 = 1;
/// Rank of an object that is gone from its cluster.
pub(super) const DELETED: i16 = 2;

/// The order of all states of all objects of one name; compares as the SQL guards do.
pub(super) type Version<'a> = (Option<Timestamp>, &'a str, i16, i64, i64, &'a str);

impl Identity {
    /// The version: the younger object wins (by creation, then uid), then within one object the higher rank, then the
    /// higher resourceVersion, then the tie.
    ///
    /// Of two messages with one resourceVersion the *earlier* counts, so that neither the floods after each LIST nor a message
    /// that is delivered again change anything. Undated ones come last. See [`Identity::tie_of`].
    #[must_use]
    pub(super) fn version(&self) -> Version<'_> {
        (self.created_at, &self.uid, self.rank, self.resource_version, self.tie, &self.message_id)
    }

    /// The tie for a resourceVersion, the time of the message, and the latest time that the object itself tells. Without a
    /// resourceVersion (old mocks) that time decides, by seconds, and then the message.
    #[must_use]
    pub(super) fn tie_of(resource_version: i64, message_at: Option<Timestamp>, changed_at: Option<Timestamp>) -> i64 {
        if resource_version > 0 {
            return message_at.map_or(i64::MIN, |at| -at.as_microsecond());
        }
        const SECONDS: i64 = 1 << 31;
        let bounded = |at: Option<Timestamp>| at.map_or(0, |at| at.as_second().clamp(0, SECONDS - 1));
        let undated = message_at.is_none();
        bounded(changed_at) * SECONDS + if undated { 0 } else { SECONDS - 1 - bounded(message_at) }
    }
}

/// A Component, current model or the one with versions.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    /// Which, and how new.
    #[serde(flatten)]
    pub identity: Identity,
    /// `spec.application`; the new model has none.
    pub application: Option<String>,
    /// Repository as given.
    pub git_url: Option<String>,
    /// Path of the project: no host, no `.git`.
    pub git_project: Option<String>,
    /// Its host, in lower case.
    pub host: Option<String>,
    /// Branch or commit to build.
    pub git_revision: Option<String>,
    /// Folder whose files affect the component; empty for the whole repository.
    pub git_context: String,
    /// `spec.source.versions` of the new model as `{name, revision, context, skip_builds}`, else empty.
    pub git_versions: Value,
    /// `spec.containerImage`.
    pub container_image: Option<String>,
    /// `status.lastBuiltCommit`.
    pub last_built_commit: Option<String>,
    /// `status.lastPromotedImage`.
    pub last_promoted_image: Option<String>,
}

/// A `PipelineRun`.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineRun {
    /// Which, and how new.
    #[serde(flatten)]
    pub identity: Identity,
    /// `build`, `test`, `release` or `other`.
    pub r#type: &'static str,
    /// The label that said so, raw.
    pub type_label: Option<String>,
    /// Label `appstudio.openshift.io/application`.
    pub application: Option<String>,
    /// Label `appstudio.openshift.io/component`; managed runs and tests of groups have none.
    pub component: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Path of the project: no host, no `.git`.
    pub project: Option<String>,
    /// Its host, in lower case.
    pub host: Option<String>,
    /// Number of the merge or pull request. A push may carry that of the one whose merge it is; see `event`.
    pub mr_iid: Option<i64>,
    /// Event of Pipelines as Code, raw (`push`, `Merge Request`, `retest-comment`, ..).
    pub event: Option<String>,
    /// Branch that the change goes to.
    pub target_branch: Option<String>,
    /// Branch that the change comes from.
    pub source_branch: Option<String>,
    /// The Snapshot it tests or releases, or (build, afterwards) that it led to.
    pub snapshot: Option<String>,
    /// `IntegrationTestScenario`.
    pub scenario: Option<String>,
    /// The Release it works for.
    pub release_name: Option<String>,
    /// Namespace of that.
    pub release_namespace: Option<String>,
    /// `pending`, `running`, `succeeded`, `failed`, `cancelled` or `timed_out`.
    pub state: &'static str,
    /// Status of the condition `Succeeded`, raw.
    pub status: Option<String>,
    /// Its reason, raw.
    pub reason: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// Worst `TEST_OUTPUT`: `passed`, `warning`, `skipped`, `failed` or `error`. A run may succeed with a failed test.
    pub verdict: Option<&'static str>,
    /// `status.startTime`.
    pub started_at: Option<Timestamp>,
    /// `status.completionTime`.
    pub finished_at: Option<Timestamp>,
    /// Result `IMAGE_URL`.
    pub image_url: Option<String>,
    /// Result `IMAGE_DIGEST`.
    pub image_digest: Option<String>,
    /// Where the log can be read.
    pub log_url: Option<String>,
    /// The other results by name.
    pub results: Value,
    /// Labels that have no column.
    pub labels: BTreeMap<String, String>,
}

/// A Snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Which, and how new.
    #[serde(flatten)]
    pub identity: Identity,
    /// `component`, `group` or `override`; none if made by hand.
    pub r#type: Option<String>,
    /// Application (or component group).
    pub application: Option<String>,
    /// The component that was built.
    pub component: Option<String>,
    /// How many components the Snapshot lists.
    pub component_count: i64,
    /// Image of the component that was built.
    pub image: Option<String>,
    /// Its digest.
    pub image_digest: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Path of the project.
    pub project: Option<String>,
    /// Its host, in lower case.
    pub host: Option<String>,
    /// Number of the merge request.
    pub mr_iid: Option<i64>,
    /// Event of Pipelines as Code, raw.
    pub event: Option<String>,
    /// Branch that the change goes to.
    pub target_branch: Option<String>,
    /// The build it came from; a group has several, see `group_members`.
    pub source_plr: Option<String>,
    /// Members of a group as `{component, version, build_plr, snapshot, project, mr_iid, namespace}`.
    pub group_members: Value,
    /// Verdict per scenario as `{scenario, status, state, pipelinerun, optional, started_at, finished_at, updated_at,
    /// details}`, sorted by scenario.
    pub scenarios: Value,
    /// `running`, `passed`, `failed`, `cancelled` or `error`.
    pub test_state: Option<&'static str>,
    /// Reason of the condition that said so.
    pub test_reason: Option<String>,
    /// Its message.
    pub test_message: Option<String>,
    /// `released`, `superseded` (by a newer Snapshot, not an error) or `not_released`.
    pub release_state: Option<&'static str>,
    /// Message of the condition `AutoReleased`.
    pub release_message: Option<String>,
    /// All conditions as `{type, status, reason}`, sorted by type.
    pub conditions: Value,
}

/// A Release.
#[derive(Clone, Debug, Serialize)]
pub struct Release {
    /// Which, and how new.
    #[serde(flatten)]
    pub identity: Identity,
    /// Application.
    pub application: Option<String>,
    /// The component that was built.
    pub component: Option<String>,
    /// `spec.snapshot`.
    pub snapshot: Option<String>,
    /// `spec.releasePlan`.
    pub release_plan: Option<String>,
    /// Workspace that is released to.
    pub target: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Path of the project.
    pub project: Option<String>,
    /// Its host, in lower case.
    pub host: Option<String>,
    /// Number of the merge request.
    pub mr_iid: Option<i64>,
    /// Whether made by auto-release.
    pub automated: Option<bool>,
    /// Who it is attributed to.
    pub author: Option<String>,
    /// `pending`, `running`, `succeeded` or `failed`.
    pub state: &'static str,
    /// Reason of the overall condition, or of the phase that failed.
    pub reason: Option<String>,
    /// Message of the same.
    pub message: Option<String>,
    /// First phase that failed, such as `Validated` or `ManagedPipelineProcessed`.
    pub failed_phase: Option<String>,
    /// The run that did or does the work.
    pub release_plr: Option<String>,
    /// Namespace of that.
    pub release_plr_namespace: Option<String>,
    /// How many attempts the managed pipeline has had.
    pub attempt_count: i64,
    /// Attempts as `{pipelinerun, status, failure_reason, last_task, last_step, started_at, finished_at}`.
    pub attempts: Value,
    /// Why the last attempt failed: `Error`, `OOMKill`, `PipelineRunTimeout`, `TaskRunTimeout`.
    pub failure_reason: Option<String>,
    /// Task that the last attempt ended in.
    pub last_task: Option<String>,
    /// `status.startTime`.
    pub started_at: Option<Timestamp>,
    /// `status.completionTime`.
    pub finished_at: Option<Timestamp>,
    /// When it will be deleted.
    pub expires_at: Option<Timestamp>,
    /// All conditions as `{type, status, reason}`, sorted by type.
    pub conditions: Value,
}

/// What all four have in common, for the reduction of a batch.
pub(super) trait Keyed {
    /// Which object, and how new.
    fn identity(&self) -> &Identity;
}

macro_rules! keyed {
    ($($kind:ty),*) => { $(impl Keyed for $kind {
        fn identity(&self) -> &Identity { &self.identity }
    })* };
}
keyed!(Component, PipelineRun, Snapshot, Release);
