//! Decodes submissions and changes of expressions into records. Pure.

mod json;
mod judge;
mod problems;
mod reader;
mod regex;
mod rule;
mod schema;
#[cfg(test)]
mod tests;
mod time;
mod upgrade;
mod uri;
mod value;
mod version;

use self::judge::Fault;
pub use self::problems::{Problem, Rights, problems};
use self::reader::{Document, Reader};
use self::version::Version;
use super::record::{Object, Record, Submission};
use super::rules;
use crate::transport::field::parse_seed;
use crate::transport::{Decoded, Message, Rejection};

/// Attribute with the name of the submitter that may read the receipt of the submission
/// ([`crate::sources::kcidb::receipt`]).
pub const RECEIPT_FOR: &str = "receipt_for";

/// Decodes a submission of any version and upgrades it to the newest.
///
/// # Errors
/// A rejection that names the member and the rule: `kcidb-schema` when the schema of its version does not allow it,
/// `kcidb-upgrade` when it is valid but the newest version does not allow the upgraded value, `kcidb-storage` when it
/// is valid but cannot be stored, `not-json` when it is not JSON.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Rejection> {
    if message.head.has("object_type") {
        return Ok(Decoded::Records(vec![Record::IssueRegex(Box::new(regex::read(message)?))]));
    }
    let version = Version::read(&message.head)?;
    let mut reader = Reader::new(version, false);
    if let Err(rejection) = parse_seed(message.payload, Document(&mut reader)) {
        return Err(with_reason(message, version, reader.judge.fault.get(), rejection));
    }
    reader.finish();
    let objects = reader.objects.map(merge_by_key);
    Ok(Decoded::Records(vec![Record::Submission(Box::new(Submission {
        objects,
        excerpts: reader.excerpts,
        receipt_for: message.attributes.get(RECEIPT_FOR).cloned(),
        message_id: message.id.clone(),
        message_at: message.sent_at,
    }))]))
}

/// The rejection with its reason. A submission that fails to upgrade is read again by its own schema alone: if that
/// rejects it as well, its reason is `kcidb-schema`.
fn with_reason(message: &Message<'_>, version: Version, fault: Fault, rejection: Rejection) -> Rejection {
    let reason = match fault {
        _ if rejection.reason == "not-json" => return rejection,
        Fault::Schema => "kcidb-schema",
        Fault::Storage => "kcidb-storage",
        Fault::Upgrade => {
            let mut reader = Reader::new(version, true);
            match parse_seed(message.payload, Document(&mut reader)) {
                Err(invalid) if reader.judge.fault.get() == Fault::Schema => {
                    return Rejection { reason: "kcidb-schema", ..invalid };
                }
                _ => "kcidb-upgrade",
            }
        }
    };
    Rejection { reason, ..rejection }
}

/// Sorts objects by key and merges those of the same key: for each column the last value wins.
fn merge_by_key(mut objects: Vec<Object>) -> Vec<Object> {
    objects.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
    objects.dedup_by(|later, earlier| {
        let same = (&later.id, later.version) == (&earlier.id, earlier.version);
        if same {
            rules::overlay(earlier, later);
        }
        same
    });
    objects
}
