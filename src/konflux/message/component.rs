//! Component: `appstudio.redhat.com/v1alpha1`, both models (application-api `api/v1alpha1/component_types.go`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use crate::envelope::field::{Name, owned};
use crate::envelope::{Message, Refusal, parse};
use crate::konflux::record::{Component, Identity, LIVE};
use crate::konflux::rules;

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(default)]
    spec: Option<Spec<'a>>,
    #[serde(default)]
    status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    application: Option<Name<'a>>,
    container_image: Option<Name<'a>>,
    #[serde(borrow)]
    source: Option<Source<'a>>,
}

#[derive(Default, Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    git: Option<Git<'a>>,
    url: Option<Name<'a>>,
    #[serde(borrow)]
    versions: Option<Vec<SourceVersion<'a>>>,
}

#[derive(Default, Deserialize)]
struct Git<'a> {
    #[serde(borrow)]
    url: Option<Name<'a>>,
    revision: Option<Name<'a>>,
    context: Option<Name<'a>>,
}

#[derive(Deserialize)]
struct SourceVersion<'a> {
    #[serde(borrow)]
    name: Option<Name<'a>>,
    revision: Option<Name<'a>>,
    context: Option<Name<'a>>,
    #[serde(rename = "skip-builds")]
    skip_builds: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    last_built_commit: Option<Name<'a>>,
    last_promoted_image: Option<Name<'a>>,
}

/// Reads a Component.
pub(super) fn read(message: &Message<'_>) -> Result<Component, Refusal> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.unwrap_or_default();
    let status = status.unwrap_or_default();
    let source = spec.source.unwrap_or_default();
    let git = source.git.unwrap_or_default();
    let versions = source.versions.unwrap_or_default();
    // Where the new model lists several versions, the first stands for the component.
    let first = versions.first();
    let git_url = owned(git.url.as_ref()).or_else(|| owned(source.url.as_ref()));
    let context = git.context.as_ref().or_else(|| first.and_then(|version| version.context.as_ref()));
    Ok(Component {
        identity: Identity::read(&metadata, &Origin::of(message), LIVE),
        application: owned(spec.application.as_ref())
            .map_or_else(|| metadata.labels.name("appstudio.openshift.io/application"), |name| Ok(Some(name)))?,
        git_project: git_url.as_deref().and_then(rules::project_of),
        git_url,
        git_revision: owned(git.revision.as_ref()).or_else(|| owned(first.and_then(|v| v.revision.as_ref()))),
        git_context: rules::context(context.map_or("", Name::as_str)),
        git_versions: versions.iter().map(slim).collect(),
        container_image: owned(spec.container_image.as_ref()),
        last_built_commit: owned(status.last_built_commit.as_ref()),
        last_promoted_image: owned(status.last_promoted_image.as_ref()),
    })
}

fn slim(version: &SourceVersion<'_>) -> Value {
    json!({
        "name": version.name.as_ref().map(Name::as_str),
        "revision": version.revision.as_ref().map(Name::as_str),
        "context": rules::context(version.context.as_ref().map_or("", Name::as_str)),
        "skip_builds": version.skip_builds.unwrap_or(false),
    })
}
