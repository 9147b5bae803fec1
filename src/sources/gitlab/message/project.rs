//! System hooks about the rename or transfer of a project (gitlabhq `doc/administration/system_hooks.md`).

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{host, time};
use crate::sources::gitlab::Settings;
use crate::sources::gitlab::record::{Record, Renamed};
use crate::transport::field::{Name, owned};
use crate::transport::lenient::{Optional, parse};
use crate::transport::{Decoded, Message, Rejection};

#[derive(Deserialize)]
struct Hook<'a> {
    project_id: i64,
    #[serde(borrow)]
    path_with_namespace: Name<'a>,
    #[serde(default)]
    old_path_with_namespace: Optional<Name<'a>>,
    #[serde(default, deserialize_with = "time::optional")]
    updated_at: Option<Timestamp>,
}

/// How long a hook can be resent. An `updated_at` that is older than that is ignored.
const RESENT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Decodes a rename or a transfer.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
    let hook: Hook<'_> = parse(message.payload)?;
    let updated_at = hook.updated_at.filter(|at| message.sent_at.is_none_or(|sent| sent.duration_since(*at) <= RESENT));
    Ok(Decoded::Records(vec![Record::Renamed(Box::new(Renamed {
        host: host(message, &[]),
        project_id: hook.project_id,
        before: owned(hook.old_path_with_namespace.as_ref()),
        path: hook.path_with_namespace.as_str().to_owned(),
        at: updated_at.or(message.sent_at).unwrap_or(Timestamp::UNIX_EPOCH),
        hosts: settings.hosts.clone(),
    }))]))
}
