//! The records of this source, and their version: what makes one record newer than another.
//!
//! Field names are the column names, because a record that loses its name to another object is stored as JSON in the
//! table `replaced`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::transport::{Latest, Rejection};

/// One object of a kind that is kept.
#[derive(Clone, Debug)]
pub enum Record {
    /// A component, which is built from a repository.
    Component(Box<Component>),
    /// A pipeline run: a build, a test or a release.
    PipelineRun(Box<PipelineRun>),
    /// A set of images to test and release together.
    Snapshot(Box<Snapshot>),
    /// The release of a snapshot.
    Release(Box<Release>),
}

impl Record {
    /// Limits the times that the sender wrote.
    ///
    /// # Errors
    /// When the object was created later than the message was sent. Of two objects with one name the younger one
    /// counts, so an object from the future would keep the name.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
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
                Err(Rejection::new("future-time", detail))
            }
        }
    }
}

/// Identity of an object, the version of this state of it, and the message that the state is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// `metadata.name`, the key.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// Cluster (kubeconfig context) that the forwarder watched, from the message attributes.
    pub cluster: Option<String>,
    /// `metadata.uid`, empty if missing.
    pub uid: String,
    /// `metadata.resourceVersion` as a number, 0 if missing or opaque.
    pub resource_version: i64,
    /// `metadata.creationTimestamp`.
    pub created_at: Option<Timestamp>,
    /// 0 while it can still change, 1 for a finished run or Release, 2 once it is deleted from its cluster. Never
    /// decreases for one uid, in whatever order messages arrive.
    pub rank: i16,
    /// Tie-break within one resourceVersion.
    pub tie: i64,
    /// When it was deleted; set if and only if `rank` is 2.
    pub deleted_at: Option<Timestamp>,
    /// Id of the message with this state.
    pub message_id: String,
    /// When the message was sent.
    pub message_at: Option<Timestamp>,
}

/// Rank of an object that can still change.
pub(super) const LIVE: i16 = 0;
/// Rank of a finished run or Release.
pub(super) const FINISHED: i16 = 1;
/// Rank of an object that is deleted from its cluster.
pub(super) const DELETED: i16 = 2;

/// The order of all states of all objects of one name; compares as the version guards in SQL do.
pub(super) type Version<'a> = (Option<Timestamp>, &'a str, i16, i64, i64, &'a str);

impl Identity {
    /// The version: the younger object wins (by creation, then uid), then within one object the higher rank, then the
    /// higher resourceVersion, then the tie.
    ///
    /// Of two messages with one resourceVersion the *earlier* counts, so that neither the repeated objects after each
    /// LIST nor a redelivered message changes anything (idempotent). Messages without a send time come last. See
    /// [`Identity::tie_of`].
    #[must_use]
    pub(super) fn version(&self) -> Version<'_> {
        (self.created_at, &self.uid, self.rank, self.resource_version, self.tie, &self.message_id)
    }

    /// The tie-break, from the resourceVersion, the send time of the message, and the latest time in the object.
    /// Without a resourceVersion (old mocks) the time in the object decides, in seconds, and then the send time.
    #[must_use]
    pub(super) fn tie_of(resource_version: i64, message_at: Option<Timestamp>, changed_at: Option<Timestamp>) -> i64 {
        if resource_version > 0 {
            return message_at.map_or(i64::MIN, |at| -at.as_microsecond());
        }
        const SECONDS: i64 = 1 << 31;
        let bounded = |at: Option<Timestamp>| at.map_or(0, |at| at.as_second().clamp(0, SECONDS - 1));
        let is_undated = message_at.is_none();
        bounded(changed_at) * SECONDS + if is_undated { 0 } else { SECONDS - 1 - bounded(message_at) }
    }
}

/// A Component, in the current model or in the new model with versions.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    /// Identity and version.
    #[serde(flatten)]
    pub identity: Identity,
    /// `spec.application`; the new model has none.
    pub application: Option<String>,
    /// URL of the repository, unchanged.
    pub git_url: Option<String>,
    /// Path of the project: no host, no `.git`.
    pub git_project: Option<String>,
    /// Host of the project, in lower case.
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
    /// Identity and version.
    #[serde(flatten)]
    pub identity: Identity,
    /// `build`, `test`, `release` or `other`.
    pub r#type: &'static str,
    /// The label that the type is from, unchanged.
    pub type_label: Option<String>,
    /// Label `appstudio.openshift.io/application`.
    pub application: Option<String>,
    /// Label `appstudio.openshift.io/component`; managed runs and tests of groups have none.
    pub component: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Path of the project: no host, no `.git`.
    pub project: Option<String>,
    /// Host of the project, in lower case.
    pub host: Option<String>,
    /// Number of the merge or pull request. A push can have the number of the request whose merge it is; see `event`.
    pub mr_iid: Option<i64>,
    /// Event of Pipelines as Code, unchanged (`push`, `Merge Request`, `retest-comment`, ..).
    pub event: Option<String>,
    /// Target branch of the change.
    pub target_branch: Option<String>,
    /// Source branch of the change.
    pub source_branch: Option<String>,
    /// The Snapshot that it tests or releases, or that was made of the build.
    pub snapshot: Option<String>,
    /// `IntegrationTestScenario`.
    pub scenario: Option<String>,
    /// The Release that it is part of.
    pub release_name: Option<String>,
    /// Namespace of the Release.
    pub release_namespace: Option<String>,
    /// `pending`, `running`, `succeeded`, `failed`, `cancelled` or `timed_out`.
    pub state: &'static str,
    /// Status of the condition `Succeeded`, unchanged.
    pub status: Option<String>,
    /// Reason of the condition, unchanged.
    pub reason: Option<String>,
    /// Message of the condition.
    pub message: Option<String>,
    /// Worst `TEST_OUTPUT`: `passed`, `warning`, `skipped`, `failed` or `error`. A run can succeed with a failed test.
    pub verdict: Option<&'static str>,
    /// `status.startTime`.
    pub started_at: Option<Timestamp>,
    /// `status.completionTime`.
    pub finished_at: Option<Timestamp>,
    /// Result `IMAGE_URL`.
    pub image_url: Option<String>,
    /// Result `IMAGE_DIGEST`.
    pub image_digest: Option<String>,
    /// URL of the log.
    pub log_url: Option<String>,
    /// The other results by name.
    pub results: Value,
    /// Labels that have no column.
    pub labels: BTreeMap<String, String>,
}

/// A Snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Identity and version.
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
    /// Digest of that image.
    pub image_digest: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Path of the project.
    pub project: Option<String>,
    /// Host of the project, in lower case.
    pub host: Option<String>,
    /// Number of the merge request.
    pub mr_iid: Option<i64>,
    /// Event of Pipelines as Code, unchanged.
    pub event: Option<String>,
    /// Target branch of the change.
    pub target_branch: Option<String>,
    /// The build that it was made of; a group has several, see `group_members`.
    pub source_plr: Option<String>,
    /// Members of a group as `{component, version, build_plr, snapshot, project, mr_iid, namespace}`.
    pub group_members: Value,
    /// Verdict per scenario as `{scenario, status, state, pipelinerun, optional, started_at, finished_at, updated_at,
    /// details}`, sorted by scenario.
    pub scenarios: Value,
    /// `running`, `passed`, `failed`, `cancelled` or `error`.
    pub test_state: Option<&'static str>,
    /// Reason of the condition that `test_state` is from.
    pub test_reason: Option<String>,
    /// Message of that condition.
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
    /// Identity and version.
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
    /// Workspace of the release target.
    pub target: Option<String>,
    /// Commit.
    pub sha: Option<String>,
    /// Path of the project.
    pub project: Option<String>,
    /// Host of the project, in lower case.
    pub host: Option<String>,
    /// Number of the merge request.
    pub mr_iid: Option<i64>,
    /// Whether it was created by auto-release.
    pub automated: Option<bool>,
    /// User that it is attributed to.
    pub author: Option<String>,
    /// `pending`, `running`, `succeeded` or `failed`.
    pub state: &'static str,
    /// Reason of the overall condition, or of the phase that failed.
    pub reason: Option<String>,
    /// Message of the same condition.
    pub message: Option<String>,
    /// First phase that failed, such as `Validated` or `ManagedPipelineProcessed`.
    pub failed_phase: Option<String>,
    /// The latest run of the Release.
    pub release_plr: Option<String>,
    /// Namespace of that run.
    pub release_plr_namespace: Option<String>,
    /// Number of attempts of the managed pipeline.
    pub attempt_count: i64,
    /// Attempts as `{pipelinerun, status, failure_reason, last_task, last_step, started_at, finished_at}`.
    pub attempts: Value,
    /// Why the last attempt failed: `Error`, `OOMKill`, `PipelineRunTimeout`, `TaskRunTimeout`.
    pub failure_reason: Option<String>,
    /// Last task of the last attempt.
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

/// The four kinds of records, to reduce a batch to the newest state of each object.
pub(super) trait Keyed {
    /// Identity and version.
    fn identity(&self) -> &Identity;
}

macro_rules! keyed {
    ($($kind:ty),*) => { $(impl Keyed for $kind {
        fn identity(&self) -> &Identity { &self.identity }
    })* };
}
keyed!(Component, PipelineRun, Snapshot, Release);
