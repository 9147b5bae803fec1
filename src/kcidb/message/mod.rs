//! Submissions as they come, and what is read off them. Pure.

mod json;
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

pub use self::problems::{Problem, Rights, problems};
use self::reader::{Document, Fault, Reader};
use self::version::Version;
use super::record::{Object, Record, Submission};
use super::rules;
use crate::envelope::field::parse_seed;
use crate::envelope::{Decoded, Message, Refusal};
use crate::sorted;

/// Attribute that names who is to find a receipt of the submission ([`crate::kcidb::receipt`]).
pub const RECEIPT_FOR: &str = "receipt_for";

/// Reads a submission of any version and upgrades it to the newest.
///
/// # Errors
/// A refusal that names the member and the rule: `kcidb-schema` when the schema of its version does not allow it,
/// `kcidb-upgrade` when it is valid but the newest version does not allow what it would become, `kcidb-storage` when it
/// is valid but cannot be stored, `not-json` when it is no JSON.
pub fn decode(message: &Message<'_>) -> Result<Decoded<Record>, Refusal> {
    if message.head.has("object_type") {
        return Ok(Decoded::Records(vec![Record::IssueRegex(Box::new(regex::read(message)?))]));
    }
    let version = Version::read(&message.head)?;
    let mut reader = Reader::new(version, false);
    if let Err(refusal) = parse_seed(message.payload, Document(&mut reader)) {
        return Err(explain(message, version, reader.judge.fault.get(), refusal));
    }
    reader.finish();
    let objects = reader.objects.map(united);
    Ok(Decoded::Records(vec![Record::Submission(Box::new(Submission {
        objects,
        excerpts: reader.excerpts,
        receipt_for: message.attributes.get(RECEIPT_FOR).cloned(),
        message_id: message.id.clone(),
        message_at: message.sent_at,
    }))]))
}

/// The refusal with its reason. What is not valid at all is said to be so, even if an upgrade failed first.
fn explain(message: &Message<'_>, version: Version, fault: Fault, refusal: Refusal) -> Refusal {
    let reason = match fault {
        _ if refusal.reason == "not-json" => return refusal,
        Fault::Schema => "kcidb-schema",
        Fault::Storage => "kcidb-storage",
        Fault::Upgrade => {
            let mut reader = Reader::new(version, true);
            match parse_seed(message.payload, Document(&mut reader)) {
                Err(invalid) if reader.judge.fault.get() == Fault::Schema => {
                    return Refusal { reason: "kcidb-schema", ..invalid };
                }
                _ => "kcidb-upgrade",
            }
        }
    };
    Refusal { reason, ..refusal }
}

/// Sorted by key, each key once: of what a document says twice of one object, the last counts for each column.
fn united(mut objects: Vec<Object>) -> Vec<Object> {
    sorted::by(&mut objects, |a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
    objects.dedup_by(|later, earlier| {
        let same = (&later.id, later.version) == (&earlier.id, earlier.version);
        if same {
            rules::overlay(earlier, later);
        }
        same
    });
    objects
}
