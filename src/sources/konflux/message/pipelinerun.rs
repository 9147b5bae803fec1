//! Decodes a `PipelineRun`: `tekton.dev/v1`, and `v1beta1` in old archives.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Origin;
use super::metadata::Metadata;
use super::status::{Condition, Named, changed_at, condition, conditions, named};
use crate::checks::is_whole_hash;
use crate::sources::konflux::record::{FINISHED, Identity, LIVE, PipelineRun};
use crate::sources::konflux::rules;
use crate::transport::field::{Document, Name};
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
struct Spec<'a> {
    #[serde(borrow, default)]
    params: Each<Named<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow, default)]
    conditions: Option<Vec<Optional<Condition<'a>>>>,
    #[serde(default, deserialize_with = "time::detail")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    completion_time: Option<Timestamp>,
    #[serde(borrow, default)]
    results: Option<Each<Named<'a>>>,
    #[serde(borrow, default)]
    pipeline_results: Option<Each<Named<'a>>>,
    /// v1beta1 embeds the task runs.
    #[serde(borrow, default)]
    task_runs: Optional<BTreeMap<Name<'a>, TaskRun<'a>>>,
}

#[derive(Deserialize)]
struct TaskRun<'a> {
    #[serde(borrow, default)]
    status: Option<TaskRunStatus<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskRunStatus<'a> {
    #[serde(borrow, default)]
    task_results: Option<Each<Named<'a>>>,
}

/// Results that have a column, or repeat the value of one.
const PROMOTED: [&str; 4] = ["IMAGE_URL", "IMAGE_DIGEST", "CHAINS-GIT_URL", "CHAINS-GIT_COMMIT"];

/// Decodes a `PipelineRun`.
pub(super) fn read(message: &Message<'_>) -> Result<PipelineRun, Rejection> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let params = spec.0.unwrap_or_default().params.0;
    let status = status.unwrap_or_default();
    let origin = Origin::of(message);
    let labels = metadata.labels();

    let type_label = labels.name("pipelines.appstudio.openshift.io/type");
    let component = labels.name("appstudio.openshift.io/component");
    let scenario = labels.name("test.appstudio.openshift.io/scenario");
    let (release_namespace, release_name) = release(&metadata);
    let nudge = labels.name("build.appstudio.redhat.com/type").is_some_and(|kind| kind == "nudge");
    let run_type = rules::run_type(
        type_label.as_deref(),
        rules::Marks {
            nudge,
            release: release_name.is_some()
                || labels.name("appstudio.openshift.io/service").is_some_and(|service| service == "release"),
            scenario: scenario.is_some(),
            build: component.is_some() && metadata.either("pipelinesascode.tekton.dev/sha").is_some(),
        },
    );
    let build = run_type == "build";

    let conditions = conditions(status.conditions);
    let succeeded = condition(&conditions, &["Succeeded"])?;
    let mut state = rules::run_state(succeeded.and_then(Condition::status), succeeded.and_then(Condition::reason));
    let rank = if rules::finished(state) { FINISHED } else { LIVE };
    if origin.deleted && rank == LIVE {
        // Deleted before its end, so no message about its end will arrive: without a final state it would look stuck.
        state = "cancelled";
    }

    let changed_at = changed_at(&conditions).max(status.start_time).max(status.completion_time);
    let results = status.results.or(status.pipeline_results).unwrap_or_default().0;
    let sha = metadata.sha(build).or_else(|| named(&results, "CHAINS-GIT_COMMIT"));
    let url = named(&results, "CHAINS-GIT_URL").or_else(|| named(&params, "git-url"));
    Ok(PipelineRun {
        identity: Identity::read(&metadata, &origin, rank, changed_at),
        r#type: run_type,
        type_label: match nudge {
            true if type_label.is_none() => Some("nudge".to_owned()),
            _ => type_label,
        },
        application: labels.name("appstudio.openshift.io/application"),
        component,
        sha: sha.or_else(|| named(&params, "revision").filter(|revision| is_whole_hash(revision))),
        project: metadata.project(build).or_else(|| rules::project_of(url.as_deref()?)),
        host: metadata.host(build).or_else(|| rules::host_of(url.as_deref()?)),
        mr_iid: metadata.mr_iid(build),
        event: metadata.pac(build, "event-type"),
        target_branch: metadata.target_branch(build),
        source_branch: metadata.source_branch(build),
        snapshot: snapshot(&metadata, build, &params),
        scenario,
        release_name,
        release_namespace,
        state,
        status: succeeded.and_then(Condition::status).map(str::to_owned),
        reason: succeeded.and_then(Condition::reason).map(str::to_owned),
        message: succeeded.and_then(Condition::message),
        // Builds have such results too, but succeed or fail independently of them.
        verdict: verdict(&results, status.task_runs.as_ref()).filter(|_| run_type == "test"),
        started_at: status.start_time,
        finished_at: status.completion_time,
        image_url: named(&results, "IMAGE_URL").map(|url| url.trim().to_owned()),
        image_digest: named(&results, "IMAGE_DIGEST").map(|digest| digest.trim().to_owned()),
        log_url: metadata.pac(build, "log-url"),
        results: other_results(&results),
        labels: metadata.other_labels(),
    })
}

/// The Release that the run is part of, as (namespace, name): from labels, else from the operator's annotations.
fn release(metadata: &Metadata<'_>) -> (Option<String>, Option<String>) {
    let (labels, annotations) = (metadata.labels(), metadata.annotations());
    if let Some(name) = labels.name("release.appstudio.openshift.io/name") {
        return (labels.name("release.appstudio.openshift.io/namespace"), Some(name));
    }
    let kind = annotations.name("operator-sdk/primary-resource-type");
    match annotations.name("operator-sdk/primary-resource") {
        Some(owner) if kind.is_none_or(|kind| kind.starts_with("Release.")) => {
            let (namespace, name) = rules::namespaced(&owner);
            (namespace, Some(name))
        }
        _ => (None, None),
    }
}

/// The Snapshot: from the label of tests and releases, or the annotation with the same name of builds (set after their
/// end); else from the owner, else from the parameter of a managed run.
fn snapshot(metadata: &Metadata<'_>, build: bool, params: &[Named<'_>]) -> Option<String> {
    const KEY: &str = "appstudio.openshift.io/snapshot";
    if build {
        return metadata.annotations().name(KEY);
    }
    let marked = metadata.labels().name(KEY).or_else(|| metadata.annotations().name(KEY));
    marked
        .or_else(|| metadata.owner("Snapshot"))
        .or_else(|| named(params, "snapshot").map(|snapshot| rules::namespaced(&snapshot).1))
}

/// The verdict of the tests: from the results of the pipeline, or of the embedded task runs if the pipeline has none.
fn verdict(results: &[Named<'_>], task_runs: Option<&BTreeMap<Name<'_>, TaskRun<'_>>>) -> Option<&'static str> {
    fn outputs(results: &[Named<'_>]) -> impl Iterator<Item = String> {
        let outputs = results.iter().filter(|r| matches!(r.name.as_str(), "TEST_OUTPUT" | "HACBS_TEST_OUTPUT"));
        outputs.filter_map(|output| {
            let raw = output.value?.get();
            let text: Option<Document<'_>> = serde_json::from_str(raw).ok();
            // With the object results of Tekton, a result can be an object instead of a text.
            Some(text.map_or_else(|| raw.to_owned(), |text| text.as_str().to_owned()))
        })
    }
    let own: Vec<_> = outputs(results).collect();
    if !own.is_empty() {
        return rules::verdict(own.iter().map(String::as_str));
    }
    let runs = task_runs.into_iter().flat_map(BTreeMap::values);
    let results = runs.filter_map(|run| Some(run.status.as_ref()?.task_results.as_ref()?.0.as_slice()));
    let embedded: Vec<_> = results.flat_map(outputs).collect();
    rules::verdict(embedded.iter().map(String::as_str))
}

/// Results without a column, by name.
fn other_results(results: &[Named<'_>]) -> Value {
    let other = results.iter().filter(|result| !PROMOTED.contains(&result.name.as_str()));
    other.map(|result| (result.name.as_str().to_owned(), result.json())).collect::<Map<_, _>>().into()
}
