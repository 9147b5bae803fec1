//! Decodes a Release: `appstudio.redhat.com/v1alpha1` (release-service `api/v1alpha1/release_types.go`), and its form
//! of 2022.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use super::status::{Condition, changed_at, condition, conditions, summary};
use crate::sources::konflux::record::{FINISHED, Identity, LIVE, Release};
use crate::sources::konflux::rules;
use crate::transport::field::{Name, owned};
use crate::transport::lenient::{Each, Optional, parse};
use crate::transport::{Message, Rejection, time};

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Optional<Spec<'a>>,
    #[serde(borrow, default)]
    status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(borrow)]
    snapshot: Optional<Name<'a>>,
    release_plan: Optional<Name<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    conditions: Option<Vec<Optional<Condition<'a>>>>,
    managed_processing: Optional<Processing<'a>>,
    tenant_processing: Optional<Processing<'a>>,
    final_processing: Optional<Processing<'a>>,
    managed_pipeline_attempts: Each<Attempt<'a>>,
    release_pipeline_run: Optional<Name<'a>>,
    /// A workspace's name; in 2022 an object.
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    automated: Optional<bool>,
    attribution: Optional<Attribution<'a>>,
    #[serde(deserialize_with = "time::detail")]
    start_time: Option<Timestamp>,
    #[serde(deserialize_with = "time::detail")]
    completion_time: Option<Timestamp>,
    #[serde(deserialize_with = "time::detail")]
    expiration_time: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Processing<'a> {
    #[serde(borrow)]
    pipeline_run: Optional<Name<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attribution<'a> {
    #[serde(borrow)]
    author: Optional<Name<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Attempt<'a> {
    #[serde(borrow)]
    pipeline_run: Optional<Name<'a>>,
    status: Optional<Name<'a>>,
    failure_reason: Optional<Name<'a>>,
    last_task: Optional<Name<'a>>,
    last_step: Optional<Name<'a>>,
    #[serde(deserialize_with = "time::detail")]
    start_time: Option<Timestamp>,
    #[serde(deserialize_with = "time::detail")]
    completion_time: Option<Timestamp>,
}

/// Phases in the order in which they run.
const PHASES: [&str; 6] = [
    "Validated",
    "TenantCollectorsPipelineProcessed",
    "ManagedCollectorsPipelineProcessed",
    "TenantPipelineProcessed",
    "ManagedPipelineProcessed",
    "FinalPipelineProcessed",
];

/// Decodes a Release.
pub(super) fn read(message: &Message<'_>) -> Result<Release, Rejection> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.0.unwrap_or_default();
    let status = status.unwrap_or_default();
    let conditions = conditions(status.conditions);
    let attempts = status.managed_pipeline_attempts.0;
    let last = attempts.last();

    let overall = condition(&conditions, &["Released", "Succeeded"])?;
    let phases = PHASES.iter().map(|phase| condition(&conditions, &[phase]));
    let phases = phases.collect::<Result<Vec<_>, Rejection>>()?;
    let failed = phases.into_iter().flatten().find(|phase| {
        // A running phase has status False too, with reason Progressing.
        phase.status() == Some("False") && phase.reason() != Some("Progressing")
    });
    let invalid = failed.is_some_and(|phase| phase.kind.as_str() == "Validated");
    let state = rules::release_state(overall.and_then(Condition::status), overall.and_then(Condition::reason), invalid);
    let failed = failed.filter(|_| state == "failed");
    let decisive = failed.filter(|phase| phase.message().is_some() || overall.is_none()).or(overall).or(failed);

    // A finished Release is never retried; a new Release is created instead (release-service `HasReleaseFinished`).
    let rank = if matches!(state, "succeeded" | "failed") { FINISHED } else { LIVE };
    let changed_at = changed_at(&conditions).max(status.start_time).max(status.completion_time);
    let of = |processing: &Optional<Processing<'_>>| owned(processing.as_ref()?.pipeline_run.as_ref());
    let run = owned(last.and_then(|attempt| attempt.pipeline_run.as_ref()))
        .or_else(|| of(&status.managed_processing))
        .or_else(|| of(&status.tenant_processing))
        .or_else(|| of(&status.final_processing))
        .or_else(|| owned(status.release_pipeline_run.as_ref()));
    let run = run.as_deref().map(rules::namespaced);
    let labels = metadata.labels();
    let author = status.attribution.0.and_then(|attribution| owned(attribution.author.as_ref()));
    let automated = || labels.name("release.appstudio.openshift.io/automated").map(|text| text == "true");

    Ok(Release {
        identity: Identity::read(&metadata, &Origin::of(message), rank, changed_at),
        application: labels.name("appstudio.openshift.io/application"),
        component: labels.name("appstudio.openshift.io/component"),
        snapshot: owned(spec.snapshot.as_ref()),
        release_plan: owned(spec.release_plan.as_ref()),
        target: target(status.target),
        sha: metadata.sha(false),
        project: metadata.project(false),
        host: metadata.host(false),
        mr_iid: metadata.mr_iid(false),
        automated: status.automated.0.or_else(automated),
        author: author.or_else(|| labels.name("release.appstudio.openshift.io/author")),
        state,
        reason: decisive.and_then(Condition::reason).map(str::to_owned),
        message: decisive.and_then(Condition::message),
        failed_phase: failed.map(|phase| phase.kind.as_str().to_owned()),
        release_plr_namespace: run.as_ref().and_then(|(namespace, _)| namespace.clone()),
        release_plr: run.map(|(_, name)| name),
        attempt_count: i64::try_from(attempts.len()).unwrap_or(i64::MAX),
        failure_reason: owned(last.and_then(|attempt| attempt.failure_reason.as_ref())),
        last_task: owned(last.and_then(|attempt| attempt.last_task.as_ref())),
        attempts: attempts.iter().map(attempt_summary).collect(),
        started_at: status.start_time,
        finished_at: status.completion_time,
        expires_at: status.expiration_time,
        conditions: summary(&conditions),
    })
}

/// The stored members of an attempt.
fn attempt_summary(attempt: &Attempt<'_>) -> Value {
    json!({
        "pipelinerun": owned(attempt.pipeline_run.as_ref()),
        "status": owned(attempt.status.as_ref()),
        "failure_reason": owned(attempt.failure_reason.as_ref()),
        "last_task": owned(attempt.last_task.as_ref()),
        "last_step": owned(attempt.last_step.as_ref()),
        "started_at": attempt.start_time,
        "finished_at": attempt.completion_time,
    })
}

/// `status.target`: a string, or an object with a namespace.
fn target(raw: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Target<'a> {
        #[serde(borrow)]
        namespace: Option<Name<'a>>,
    }
    let text = raw?.get();
    match serde_json::from_str::<Name<'_>>(text) {
        Ok(name) => name.filled().map(str::to_owned),
        Err(_) => owned(serde_json::from_str::<Target<'_>>(text).ok()?.namespace.as_ref()),
    }
}
