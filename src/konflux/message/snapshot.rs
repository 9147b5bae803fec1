//! Snapshot: `appstudio.redhat.com/v1alpha1`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use super::status::{Condition, changed_at, condition, conditions, slim, storable};
use crate::envelope::field::{Document, Name, owned};
use crate::envelope::lenient::{self, Each, Optional, parse};
use crate::envelope::{Message, Refusal};
use crate::konflux::record::{Identity, LIVE, Snapshot};
use crate::konflux::rules;
use crate::sorted;

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

/// Every component of the application is listed, not only the one that was built; in the new model each version of it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Member<'a> {
    #[serde(borrow)]
    name: Optional<Name<'a>>,
    version: Optional<Name<'a>>,
    container_image: Optional<Name<'a>>,
    source: Optional<Source<'a>>,
}

/// Current model: `git`; new one: `url` and `versions`.
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

/// Reads a Snapshot.
pub(super) fn read(message: &Message<'_>) -> Result<Snapshot, Refusal> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.0.unwrap_or_default();
    let conditions = conditions(status.unwrap_or_default().conditions);
    let labels = metadata.labels();
    let component = labels.name("appstudio.openshift.io/component");
    let sha = metadata.sha(false);

    let members = spec.components.0;
    let own = own(&members, component.as_deref(), metadata.either("appstudio.openshift.io/version"), sha.as_deref());
    let image = owned(own.and_then(|member| member.container_image.as_ref()));
    let revision = own.and_then(Member::revision).filter(|revision| rules::is_commit(revision));

    let succeeded =
        condition(&conditions, &["AppStudioTestSucceeded", "HACBSStudioTestSucceeded", "HACBSTestSucceeded"])?;
    let integration = condition(&conditions, &["AppStudioIntegrationStatus", "HACBSIntegrationStatus"])?;
    let told = succeeded.filter(|c| matches!(c.status(), Some("True" | "False"))).or(integration).or(succeeded);
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
        project: metadata.project(false).or_else(|| own.and_then(Member::url).and_then(rules::project_of)),
        host: metadata.host(false).or_else(|| own.and_then(Member::url).and_then(rules::host_of)),
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

/// The member that was built: of the component's name and of the version that the Snapshot names (integration-service
/// `snapshot/components.go`). Members of one name that no version tells apart are told apart by the commit.
fn own<'m, 'a>(
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

/// The list inside an annotation, each member read by `read` and all sorted by `key`. Empty without the annotation.
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
            sorted::by(&mut items, |(a, _), (b, _)| a.cmp(b));
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

/// One build of a group; the documentation misspells the key of the number, the code does not.
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
