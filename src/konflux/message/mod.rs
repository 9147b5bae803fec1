//! Kubernetes objects as they come, and what is read off them. Pure.

mod component;
mod metadata;
mod pipelinerun;
mod release;
mod snapshot;
mod status;

use std::borrow::Cow;

use super::record::{Identity, Record};
use crate::envelope::field::Name;
use crate::envelope::{Decoded, Message, Refusal};

/// Reads one object. Kinds that are not kept (Application, `ReleasePlan`, `TaskRun`, ..) are ignored.
///
/// # Errors
/// A refusal that names the field when a field that is kept has the wrong type or cannot be stored.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Refusal> {
    let (Some(api), Some(kind)) = (message.head.string("apiVersion"), message.head.string("kind")) else {
        return Err(Refusal::new("bad-field", "apiVersion and kind: expected strings"));
    };
    let group = api.split('/').next().unwrap_or_default();
    let record = match (group, &*kind) {
        ("tekton.dev", "PipelineRun") => Record::PipelineRun(Box::new(pipelinerun::read(message)?)),
        ("appstudio.redhat.com", "Component") => Record::Component(Box::new(component::read(message)?)),
        ("appstudio.redhat.com", "Snapshot") => Record::Snapshot(Box::new(snapshot::read(message)?)),
        ("appstudio.redhat.com", "Release") => Record::Release(Box::new(release::read(message)?)),
        _ => return Ok(Decoded::Ignored("kind")),
    };
    Ok(Decoded::Records(vec![record]))
}

/// Who sent a state of an object, when, and whether it said that the object is gone.
struct Origin<'m> {
    id: &'m str,
    at: Option<jiff::Timestamp>,
    cluster: Option<&'m str>,
    deleted: bool,
}

impl<'m> Origin<'m> {
    fn of(message: &'m Message<'_>) -> Self {
        // The attribute that names the cluster is not documented; the forwarder calls clusters contexts.
        let cluster = ["cluster", "context", "cluster_name", "kube_context"]
            .iter()
            .find_map(|name| message.attributes.get(*name))
            .map(String::as_str)
            .filter(|name| Name::new(Cow::Borrowed(name)).is_ok());
        Self {
            id: &message.id,
            at: message.sent_at,
            cluster,
            deleted: message.event_type().is_some_and(|kind| kind.eq_ignore_ascii_case("DELETED")),
        }
    }
}

impl Identity {
    /// The identity of an object in the state that a message brought; `rank` is that of an object not deleted, `changed_at` the
    /// latest time that its status tells.
    fn read(
        metadata: &metadata::Metadata<'_>,
        origin: &Origin<'_>,
        rank: i16,
        changed_at: Option<jiff::Timestamp>,
    ) -> Self {
        use crate::envelope::field::owned;
        let resource_version = owned(metadata.resource_version.as_ref()).and_then(|text| text.parse().ok());
        let resource_version = resource_version.filter(|number| *number > 0).unwrap_or(0);
        let deleted_at = origin.deleted.then(|| {
            // The object's own word first; the last resort only keeps 'deleted' true where nobody gave a time.
            let known = metadata.deletion_timestamp.or(origin.at).or(metadata.creation_timestamp);
            known.unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        });
        Self {
            name: metadata.name.as_str().to_owned(),
            namespace: owned(metadata.namespace.as_ref()),
            cluster: origin.cluster.map(str::to_owned),
            uid: owned(metadata.uid.as_ref()).unwrap_or_default(),
            resource_version,
            created_at: metadata.creation_timestamp,
            rank: if origin.deleted { super::record::DELETED } else { rank },
            tie: Self::tie_of(resource_version, origin.at, changed_at.max(metadata.creation_timestamp)),
            deleted_at,
            message_id: origin.id.to_owned(),
            message_at: origin.at,
        }
    }
}
