//! Decodes a Component: `appstudio.redhat.com/v1alpha1`, both models (application-api
//! `api/v1alpha1/component_types.go`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::Origin;
use super::metadata::Metadata;
use crate::sources::konflux::record::{Component, Identity, LIVE};
use crate::sources::konflux::rules;
use crate::transport::field::{Name, owned};
use crate::transport::lenient::{Each, Optional, parse};
use crate::transport::{Message, Rejection};

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Optional<Spec<'a>>,
    #[serde(borrow, default)]
    status: Optional<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(borrow)]
    application: Optional<Name<'a>>,
    container_image: Optional<Name<'a>>,
    source: Optional<Source<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    git: Optional<Git<'a>>,
    url: Optional<Name<'a>>,
    versions: Each<SourceVersion<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Git<'a> {
    #[serde(borrow)]
    url: Optional<Name<'a>>,
    revision: Optional<Name<'a>>,
    context: Optional<Name<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SourceVersion<'a> {
    #[serde(borrow)]
    name: Optional<Name<'a>>,
    revision: Optional<Name<'a>>,
    context: Optional<Name<'a>>,
    #[serde(rename = "skip-builds")]
    skip_builds: Optional<bool>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    last_built_commit: Optional<Name<'a>>,
    last_promoted_image: Optional<Name<'a>>,
}

/// Decodes a Component.
pub(super) fn read(message: &Message<'_>) -> Result<Component, Rejection> {
    let Object { metadata, spec, status } = parse(message.payload)?;
    let spec = spec.0.unwrap_or_default();
    let status = status.0.unwrap_or_default();
    let source = spec.source.0.unwrap_or_default();
    let git = source.git.0.unwrap_or_default();
    let versions = source.versions.0;
    // Of several versions in the new model the first one represents the component.
    let first = versions.first();
    let git_url = owned(git.url.as_ref()).or_else(|| owned(source.url.as_ref()));
    let context = git.context.as_ref().or_else(|| first.and_then(|version| version.context.as_ref()));
    Ok(Component {
        identity: Identity::read(&metadata, &Origin::of(message), LIVE, None),
        application: owned(spec.application.as_ref())
            .or_else(|| metadata.labels().name("appstudio.openshift.io/application")),
        git_project: git_url.as_deref().and_then(rules::project_of),
        host: git_url.as_deref().and_then(rules::host_of),
        git_url,
        git_revision: owned(git.revision.as_ref()).or_else(|| owned(first.and_then(|v| v.revision.as_ref()))),
        git_context: rules::context(context.map_or("", Name::as_str)),
        git_versions: versions.iter().map(version_summary).collect(),
        container_image: owned(spec.container_image.as_ref()),
        last_built_commit: owned(status.last_built_commit.as_ref()),
        last_promoted_image: owned(status.last_promoted_image.as_ref()),
    })
}

/// The stored members of a version.
fn version_summary(version: &SourceVersion<'_>) -> Value {
    json!({
        "name": version.name.as_ref().map(Name::as_str),
        "revision": version.revision.as_ref().map(Name::as_str),
        "context": rules::context(version.context.as_ref().map_or("", Name::as_str)),
        "skip_builds": version.skip_builds.0.unwrap_or(false),
    })
}
