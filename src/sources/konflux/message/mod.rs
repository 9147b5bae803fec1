//! Decodes Kubernetes objects into records. Pure.

mod component;
mod metadata;
mod pipelinerun;
mod release;
mod snapshot;
mod status;

use std::borrow::Cow;

use super::record::{Identity, Record};
use crate::transport::field::Name;
use crate::transport::{Decoded, Message, Rejection};

/// Decodes one object. Kinds that are not kept (Application, `ReleasePlan`, `TaskRun`, ..) are ignored.
///
/// # Errors
/// A rejection that names the field when a required field is missing, has the wrong type or cannot be stored.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Rejection> {
    let (Some(api), Some(kind)) = (message.head.string("apiVersion"), message.head.string("kind")) else {
        return Err(Rejection::new("bad-field", "apiVersion and kind: expected strings"));
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

/// The message with a state of an object: id, send time, cluster, and whether it reports that the object was deleted.
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
    /// The identity and version of an object in a message; `rank` applies if the object is not deleted, `changed_at` is
    /// the latest time in its status.
    fn read(
        metadata: &metadata::Metadata<'_>,
        origin: &Origin<'_>,
        rank: i16,
        changed_at: Option<jiff::Timestamp>,
    ) -> Self {
        use crate::transport::field::owned;
        let resource_version = owned(metadata.resource_version.as_ref()).and_then(|text| text.parse().ok());
        let resource_version = resource_version.filter(|number| *number > 0).unwrap_or(0);
        let deleted_at = origin.deleted.then(|| {
            // The deletion time of the object first; without any time it is 1970, because a deleted object needs one.
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
