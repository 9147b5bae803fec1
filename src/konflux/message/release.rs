//! Release: `appstudio.redhat.com/v1alpha1` (release-service `api/v1alpha1/release_types.go`), and its form of 2022.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use super::status::{Condition, condition, slim};
use crate::envelope::field::{Name, owned};
use crate::envelope::{Message, Refusal, parse, time};
use crate::konflux::record::{Identity, LIVE, Release};
use crate::konflux::rules;

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Option<Spec<'a>>,
    #[serde(borrow, default)]
    status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    snapshot: Option<Name<'a>>,
    release_plan: Option<Name<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    conditions: Option<Vec<Condition<'a>>>,
    #[serde(borrow)]
    managed_processing: Option<Processing<'a>>,
    #[serde(borrow)]
    tenant_processing: Option<Processing<'a>>,
    #[serde(borrow)]
    final_processing: Option<Processing<'a>>,
    #[serde(borrow)]
    managed_pipeline_attempts: Option<Vec<Attempt<'a>>>,
    release_pipeline_run: Option<Name<'a>>,
    /// A workspace's name; in 2022 an object.
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    automated: Option<bool>,
    #[serde(borrow)]
    attribution: Option<Attribution<'a>>,
    #[serde(default, deserialize_with = "time::optional")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
    completion_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
    expiration_time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Processing<'a> {
    #[serde(borrow)]
    pipeline_run: Option<Name<'a>>,
}

#[derive(Deserialize)]
struct Attribution<'a> {
    #[serde(borrow)]
    author: Option<Name<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt<'a> {
    #[serde(borrow)]
    pipeline_run: Option<Name<'a>>,
    status: Option<Name<'a>>,
    failure_reason: Option<Name<'a>>,
    last_task: Option<Name<'a>>,
    last_step: Option<Name<'a>>,
    #[serde(default, deserialize_with = "time::optional")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
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

/// Reads a Release.
pub(super) fn read(message: &Message<'_>) -> Result<Release, Refusal> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.unwrap_or_default();
    let status = status.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let attempts = status.managed_pipeline_attempts.unwrap_or_default();
    let last = attempts.last();

    let overall = condition(&conditions, &["Released", "Succeeded"]);
    let failed = PHASES.iter().filter_map(|phase| condition(&conditions, &[phase])).find(|phase| {
        // A phase at work has status False too, with reason Progressing.
        phase.status() == Some("False") && phase.reason() != Some("Progressing")
    });
    let invalid = failed.is_some_and(|phase| phase.kind.as_str() == "Validated");
    let state = rules::release_state(overall.and_then(Condition::status), overall.and_then(Condition::reason), invalid);
    let failed = failed.filter(|_| state == "failed");
    let told = failed.filter(|phase| phase.message().is_some() || overall.is_none()).or(overall).or(failed);

    let run = [
        last.and_then(|attempt| attempt.pipeline_run.as_ref()),
        status.managed_processing.as_ref().and_then(|processing| processing.pipeline_run.as_ref()),
        status.tenant_processing.as_ref().and_then(|processing| processing.pipeline_run.as_ref()),
        status.final_processing.as_ref().and_then(|processing| processing.pipeline_run.as_ref()),
        status.release_pipeline_run.as_ref(),
    ];
    let run = run.into_iter().flatten().find_map(Name::filled).map(rules::namespaced);

    Ok(Release {
        identity: Identity::read(&metadata, &Origin::of(message), LIVE),
        application: metadata.labels.name("appstudio.openshift.io/application")?,
        component: metadata.labels.name("appstudio.openshift.io/component")?,
        snapshot: owned(spec.snapshot.as_ref()),
        release_plan: owned(spec.release_plan.as_ref()),
        target: target(status.target),
        sha: metadata.sha(false)?,
        project: metadata.project(false)?,
        mr_iid: metadata.mr_iid(false)?,
        automated: match status.automated {
            Some(automated) => Some(automated),
            None => metadata.labels.name("release.appstudio.openshift.io/automated")?.map(|text| text == "true"),
        },
        author: match status.attribution.and_then(|attribution| owned(attribution.author.as_ref())) {
            Some(author) => Some(author),
            None => metadata.labels.name("release.appstudio.openshift.io/author")?,
        },
        state,
        reason: told.and_then(Condition::reason).map(str::to_owned),
        message: told.and_then(Condition::message),
        failed_phase: failed.map(|phase| phase.kind.as_str().to_owned()),
        release_plr_namespace: run.as_ref().and_then(|(namespace, _)| namespace.clone()),
        release_plr: run.map(|(_, name)| name),
        attempt_count: i64::try_from(attempts.len()).unwrap_or(i64::MAX),
        failure_reason: owned(last.and_then(|attempt| attempt.failure_reason.as_ref())),
        last_task: owned(last.and_then(|attempt| attempt.last_task.as_ref())),
        attempts: attempts.iter().map(slim_attempt).collect(),
        started_at: status.start_time,
        finished_at: status.completion_time,
        expires_at: status.expiration_time,
        conditions: slim(&conditions),
    })
}

fn slim_attempt(attempt: &Attempt<'_>) -> Value {
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
