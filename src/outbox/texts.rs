//! Long texts that a payload leaves out because they are kept once, by their hash: `{"object": {..}, "omitted":
//! {"log_excerpt": "sha256:.."}}`. Whoever delivers the event puts them in where they fit. A hash stands for the same text
//! for ever, so what is put in is what was announced.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::queue::EventDue;
use crate::store::{StoreError, Tx};

/// Member of a payload that the texts belong into.
const OBJECT: &str = "object";
/// Member of a payload that names them.
const OMITTED: &str = "omitted";

/// The texts that a payload leaves out: the member of each, and its hash.
fn omitted(payload: &Value) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let members = payload.get(OMITTED).and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(member, hash)| Some((member.as_str(), bytes(hash.as_str()?.strip_prefix("sha256:")?)?)))
}

/// Hexadecimal digits as bytes.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (digits.len() == 64).then(|| (0..64).step_by(2).map(pair).collect()).flatten()
}

/// Finds the texts that payloads leave out; one that is not there stays out.
pub(super) async fn find(tx: &Tx<'_>, events: &mut [EventDue]) -> Result<(), StoreError> {
    let mut hashes: Vec<Vec<u8>> = events.iter().flat_map(|due| omitted(&due.payload)).map(|(_, hash)| hash).collect();
    if hashes.is_empty() {
        return Ok(());
    }
    hashes.sort_unstable();
    hashes.dedup();
    let rows = tx.query(include_str!("sql/find_omitted_texts.sql"), &[&hashes]).await?;
    let texts: HashMap<&[u8], &str> = rows.iter().map(|row| (row.get("sha256"), row.get("text"))).collect();
    for due in events {
        let found = omitted(&due.payload).filter_map(|(member, hash)| {
            let text = texts.get(hash.as_slice())?;
            Some((member.to_owned(), (*text).to_owned()))
        });
        due.texts = found.collect();
    }
    Ok(())
}

/// A payload with texts put in.
pub(super) fn whole<'p>(payload: &'p Value, texts: &BTreeMap<String, String>) -> Cow<'p, Value> {
    if texts.is_empty() {
        return Cow::Borrowed(payload);
    }
    let mut whole = payload.clone();
    if let Some(object) = whole.get_mut(OBJECT).and_then(Value::as_object_mut) {
        object.extend(texts.iter().map(|(member, text)| (member.clone(), text.as_str().into())));
    }
    if let Some(omitted) = whole.get_mut(OMITTED).and_then(Value::as_object_mut) {
        omitted.retain(|member, _| !texts.contains_key(member));
        if omitted.is_empty() {
            whole.as_object_mut().map(|payload| payload.remove(OMITTED));
        }
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_take_the_place_of_their_hashes() {
        let hash = "0f".repeat(32);
        let payload =
            json!({"object": {"id": 1}, "omitted": {"log": format!("sha256:{hash}"), "x": "y", "z": "sha256:0"}});
        assert_eq!(omitted(&payload).collect::<Vec<_>>(), [("log", vec![15; 32])]);
        let texts = BTreeMap::from([("log".to_owned(), "a\nb".to_owned())]);
        let expected = json!({"object": {"id": 1, "log": "a\nb"}, "omitted": {"x": "y", "z": "sha256:0"}});
        assert_eq!(*whole(&payload, &texts), expected);
        assert_eq!(*whole(&payload, &BTreeMap::new()), payload);
        let alone = json!({"object": {"id": 1}, "omitted": {"log": format!("sha256:{hash}")}});
        assert_eq!(*whole(&alone, &texts), json!({"object": {"id": 1, "log": "a\nb"}}));
    }
}
