//! Snapshot: `appstudio.redhat.com/v1alpha1`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use super::status::{Condition, condition, slim, storable};
use crate::envelope::field::{Document, Name, owned};
use crate::envelope::{Message, Refusal, parse};
use crate::konflux::record::{Identity, LIVE, Snapshot};
use crate::konflux::rules;
use crate::sorted;

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
    application: Option<Name<'a>>,
    component_group: Option<Name<'a>>,
    #[serde(borrow)]
    components: Option<Vec<Member<'a>>>,
}

/// Every component of the application is listed, not only the one that was built.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    #[serde(borrow)]
    name: Option<Name<'a>>,
    container_image: Option<Name<'a>>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    git: Option<Git<'a>>,
}

#[derive(Deserialize)]
struct Git<'a> {
    #[serde(borrow)]
    url: Option<Name<'a>>,
    revision: Option<Name<'a>>,
}

#[derive(Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    conditions: Option<Vec<Condition<'a>>>,
}

const GROUP_INFO: &str = "test.appstudio.openshift.io/group-test-info";
const SCENARIOS: &str = "test.appstudio.openshift.io/status";

/// Reads a Snapshot.
pub(super) fn read(message: &Message<'_>) -> Result<Snapshot, Refusal> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.unwrap_or_default();
    let conditions = status.unwrap_or_default().conditions.unwrap_or_default();
    let labels = &metadata.labels;
    let component = labels.name("appstudio.openshift.io/component")?;

    let members = spec.components.unwrap_or_default();
    let own = match (&component, members.as_slice()) {
        (Some(component), _) => {
            members.iter().find(|member| member.name.as_ref().is_some_and(|name| name.as_str() == component))
        }
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let image = owned(own.and_then(|member| member.container_image.as_ref()));
    let git = own.and_then(|member| member.source.as_ref()?.git.as_ref());
    let revision = owned(git.and_then(|git| git.revision.as_ref())).filter(|revision| rules::is_commit(revision));

    let succeeded =
        condition(&conditions, &["AppStudioTestSucceeded", "HACBSStudioTestSucceeded", "HACBSTestSucceeded"]);
    let integration = condition(&conditions, &["AppStudioIntegrationStatus", "HACBSIntegrationStatus"]);
    let told = succeeded.filter(|c| matches!(c.status(), Some("True" | "False"))).or(integration).or(succeeded);
    let released = condition(&conditions, &["AutoReleased"]);

    Ok(Snapshot {
        identity: Identity::read(&metadata, &Origin::of(message), LIVE),
        r#type: labels.name("test.appstudio.openshift.io/type")?,
        application: owned(spec.application.as_ref())
            .or_else(|| owned(spec.component_group.as_ref()))
            .map_or_else(|| labels.name("appstudio.openshift.io/application"), |name| Ok(Some(name)))?,
        component,
        component_count: i64::try_from(members.len()).unwrap_or(i64::MAX),
        image_digest: image.as_deref().and_then(|image| image.split_once('@')).map(|(_, digest)| digest.to_owned()),
        image,
        sha: metadata.sha(false)?.or(revision),
        project: match metadata.project(false)? {
            Some(project) => Some(project),
            None => git.and_then(|git| git.url.as_ref()).and_then(|url| rules::project_of(url.as_str())),
        },
        mr_iid: metadata.mr_iid(false)?,
        event: metadata.pac(false, "event-type")?,
        target_branch: metadata.target_branch(false)?,
        source_plr: labels.name("appstudio.openshift.io/build-pipelinerun")?,
        group_members: document(&metadata, GROUP_INFO, group_member, "component")?,
        scenarios: document(&metadata, SCENARIOS, scenario, "scenario")?,
        test_state: rules::snapshot_test_state(
            succeeded.and_then(Condition::status),
            integration.and_then(Condition::reason),
        ),
        test_reason: told.and_then(Condition::reason).map(str::to_owned),
        test_message: told.and_then(Condition::message),
        release_state: rules::snapshot_release_state(
            released.and_then(Condition::status),
            released.and_then(Condition::message).as_deref(),
        ),
        release_message: released.and_then(Condition::message),
        conditions: slim(&conditions),
    })
}

/// The list inside an annotation, each member read by `read` and all sorted by `key`. Empty without the annotation.
fn document(metadata: &Metadata<'_>, name: &str, read: fn(&Value) -> Value, key: &str) -> Result<Value, Refusal> {
    let Some(text) = metadata.annotations.get::<1_048_576>(name)? else { return Ok(json!([])) };
    let text: Document<'_> = text;
    match storable(&format!("metadata.annotations {name}"), text.as_str())? {
        Value::Array(items) => {
            let read = |item| {
                let item = read(item);
                ((item[key].as_str().map(str::to_owned), item.to_string()), item)
            };
            let mut items: Vec<_> = items.iter().map(read).collect();
            sorted::by(&mut items, |(a, _), (b, _)| a.cmp(b));
            Ok(items.into_iter().map(|(_, item)| item).collect())
        }
        Value::Null => Ok(json!([])),
        _ => Err(Refusal::new("bad-field", format!("metadata.annotations {name}: expected a list"))),
    }
}

/// `integrationteststatus.IntegrationTestStatusDetail`.
fn scenario(item: &Value) -> Value {
    json!({
        "scenario": item["scenario"],
        "status": item["status"],
        "state": rules::scenario_state(item["status"].as_str().unwrap_or_default()),
        "pipelinerun": item["testPipelineRunName"],
        "optional": item["isOptionalScenario"].as_bool().unwrap_or(false),
        "started_at": item["startTime"],
        "finished_at": item["completionTime"],
        "updated_at": item["lastUpdateTime"],
        "details": item["details"],
    })
}

/// One build of a group; the documentation misspells the key of the number, the code does not.
fn group_member(item: &Value) -> Value {
    let number = [&item["pullRequestNumber"], &item["pullRuestNumber"]].into_iter().find(|value| !value.is_null());
    let number = number.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    json!({
        "component": item["component"],
        "build_plr": item["buildPipelineRun"],
        "snapshot": item["snapshot"],
        "project": item["repoUrl"].as_str().and_then(rules::project_of),
        "mr_iid": number,
        "namespace": item["namespace"],
    })
}
