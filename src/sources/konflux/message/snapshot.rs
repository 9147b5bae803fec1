//! Decodes a Snapshot: `appstudio.redhat.com/v1alpha1`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use super::status::{Condition, changed_at, condition, conditions, storable, summary};
use crate::checks::is_whole_hash;
use crate::sources::konflux::record::{Identity, LIVE, Snapshot};
use crate::sources::konflux::rules;
use crate::transport::field::{Document, Name, owned};
use crate::transport::lenient::{self, Each, Optional, parse};
use crate::transport::{Message, Rejection};

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
    application: Optional<Name<'a>>,
    component_group: Optional<Name<'a>>,
    components: Each<Member<'a>>,
}

/// One of `spec.components`, which lists all components of the application, not only the one that was built. The new
/// model lists each version of a component.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Member<'a> {
    #[serde(borrow)]
    name: Optional<Name<'a>>,
    version: Optional<Name<'a>>,
    container_image: Optional<Name<'a>>,
    source: Optional<Source<'a>>,
}

/// The current model has `git`; the new model has `url` and `versions`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    git: Optional<Git<'a>>,
    url: Optional<Name<'a>>,
    versions: Each<Git<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Git<'a> {
    #[serde(borrow)]
    url: Optional<Name<'a>>,
    revision: Optional<Name<'a>>,
}

impl Member<'_> {
    fn url(&self) -> Option<&str> {
        let source = self.source.as_ref()?;
        let git = source.git.as_ref().and_then(|git| git.url.as_ref());
        git.or(source.url.as_ref()).and_then(Name::filled)
    }

    fn revision(&self) -> Option<&str> {
        let source = self.source.as_ref()?;
        let git = source.git.as_ref().or_else(|| source.versions.0.first());
        git.and_then(|git| git.revision.as_ref()).and_then(Name::filled)
    }
}

#[derive(Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    conditions: Option<Vec<Optional<Condition<'a>>>>,
}

const GROUP_INFO: &str = "test.appstudio.openshift.io/group-test-info";
const SCENARIOS: &str = "test.appstudio.openshift.io/status";

/// Decodes a Snapshot.
pub(super) fn read(message: &Message<'_>) -> Result<Snapshot, Rejection> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.0.unwrap_or_default();
    let conditions = conditions(status.unwrap_or_default().conditions);
    let labels = metadata.labels();
    let component = labels.name("appstudio.openshift.io/component");
    let sha = metadata.sha(false);

    let members = spec.components.0;
    let built =
        built_member(&members, component.as_deref(), metadata.either("appstudio.openshift.io/version"), sha.as_deref());
    let image = owned(built.and_then(|member| member.container_image.as_ref()));
    let revision = built.and_then(Member::revision).filter(|revision| is_whole_hash(revision));

    let succeeded =
        condition(&conditions, &["AppStudioTestSucceeded", "HACBSStudioTestSucceeded", "HACBSTestSucceeded"])?;
    let integration = condition(&conditions, &["AppStudioIntegrationStatus", "HACBSIntegrationStatus"])?;
    let decisive = succeeded.filter(|c| matches!(c.status(), Some("True" | "False"))).or(integration).or(succeeded);
    let released = condition(&conditions, &["AutoReleased"])?;

    Ok(Snapshot {
        identity: Identity::read(&metadata, &Origin::of(message), LIVE, changed_at(&conditions)),
        r#type: labels.name("test.appstudio.openshift.io/type"),
        application: owned(spec.application.as_ref())
            .or_else(|| owned(spec.component_group.as_ref()))
            .or_else(|| labels.name("appstudio.openshift.io/application")),
        component,
        component_count: i64::try_from(members.len()).unwrap_or(i64::MAX),
        image_digest: image.as_deref().and_then(|image| image.split_once('@')).map(|(_, digest)| digest.to_owned()),
        image,
        sha: sha.or_else(|| revision.map(str::to_owned)),
        project: metadata.project(false).or_else(|| built.and_then(Member::url).and_then(rules::project_of)),
        host: metadata.host(false).or_else(|| built.and_then(Member::url).and_then(rules::host_of)),
        mr_iid: metadata.mr_iid(false),
        event: metadata.pac(false, "event-type"),
        target_branch: metadata.target_branch(false),
        source_plr: labels.name("appstudio.openshift.io/build-pipelinerun"),
        group_members: document(&metadata, GROUP_INFO, group_member, "component"),
        scenarios: document(&metadata, SCENARIOS, scenario, "scenario"),
        test_state: rules::snapshot_test_state(
            succeeded.and_then(Condition::status),
            integration.and_then(Condition::reason),
        ),
        test_reason: decisive.and_then(Condition::reason).map(str::to_owned),
        test_message: decisive.and_then(Condition::message),
        release_state: rules::snapshot_release_state(
            released.and_then(Condition::status),
            released.and_then(Condition::message).as_deref(),
        ),
        release_message: released.and_then(Condition::message),
        conditions: summary(&conditions),
    })
}

/// The member that was built: the one with the name and version of the component that the Snapshot names
/// (integration-service `snapshot/components.go`). Without a version, the commit decides between members with the same
/// name.
fn built_member<'m, 'a>(
    members: &'m [Member<'a>],
    component: Option<&str>,
    version: Option<String>,
    sha: Option<&str>,
) -> Option<&'m Member<'a>> {
    let Some(component) = component else {
        return if let [only] = members { Some(only) } else { None };
    };
    let of_name =
        || members.iter().filter(|member| member.name.as_ref().is_some_and(|name| name.as_str() == component));
    match version {
        Some(version) => {
            let is_of = |member: &&Member<'_>| member.version.as_ref().is_some_and(|v| v.as_str() == version);
            of_name().find(is_of).or_else(|| of_name().find(|member| member.version.as_ref().is_none()))
        }
        None => of_name().find(|member| sha.is_some() && member.revision() == sha).or_else(|| of_name().next()),
    }
}

/// The JSON list in an annotation, each item converted by `read`, sorted by the member `key`. Empty without the
/// annotation.
fn document(metadata: &Metadata<'_>, name: &str, read: fn(&Value) -> Value, key: &str) -> Value {
    let Some(text) = metadata.annotations().get::<1_048_576>(name) else { return json!([]) };
    let text: Document<'_> = text;
    match storable(text.as_str()) {
        Some(Value::Array(items)) => {
            let read = |item| {
                let item = read(item);
                ((item[key].as_str().map(str::to_owned), item.to_string()), item)
            };
            let mut items: Vec<_> = items.iter().map(read).collect();
            items.sort_by(|(a, _), (b, _)| a.cmp(b));
            items.into_iter().map(|(_, item)| item).collect()
        }
        Some(Value::Null) | None => json!([]),
        Some(_) => {
            lenient::dropped();
            json!([])
        }
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

/// One build of a group. The documentation misspells the key of the number (`pullRuestNumber`), the code does not.
fn group_member(item: &Value) -> Value {
    let number = [&item["pullRequestNumber"], &item["pullRuestNumber"]].into_iter().find(|value| !value.is_null());
    let number = number.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    json!({
        "component": item["component"],
        "version": item["version"],
        "build_plr": item["buildPipelineRun"],
        "snapshot": item["snapshot"],
        "project": item["repoUrl"].as_str().and_then(rules::project_of),
        "mr_iid": number,
        "namespace": item["namespace"],
    })
}
