//! System hooks about a project itself (gitlabhq `doc/administration/system_hooks.md`): it was renamed or transferred.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{host, time};
use crate::envelope::field::{Name, owned};
use crate::envelope::lenient::{Optional, parse};
use crate::envelope::{Decoded, Message, Refusal};
use crate::gitlab::Settings;
use crate::gitlab::record::{Record, Renamed};

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

/// A hook may be sent again for so long; a time that lies further back is none.
const RESENT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reads a rename or a transfer.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Refusal> {
    let hook: Hook<'_> = parse(message.payload)?;
    let told = hook.updated_at.filter(|at| message.sent_at.is_none_or(|sent| sent.duration_since(*at) <= RESENT));
    Ok(Decoded::Records(vec![Record::Renamed(Box::new(Renamed {
        host: host(message, &[]),
        project_id: hook.project_id,
        before: owned(hook.old_path_with_namespace.as_ref()),
        path: hook.path_with_namespace.as_str().to_owned(),
        at: told.or(message.sent_at).unwrap_or(Timestamp::UNIX_EPOCH),
        hosts: settings.hosts.clone(),
    }))]))
}
