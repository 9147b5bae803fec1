//! Submissions step by step, and the messages that each step announces (`11_events.json`).

use hummingbird_status::db::{Store, Tx};
use hummingbird_status::outbox::announcing;
use hummingbird_status::sources::kcidb;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Tally, cases, file, take_in_as};
use crate::support::{self, deadline, render, schema};

/// Keys and objects of the events announced since the last call.
async fn announced(store: &Store) -> Vec<String> {
    let sql = "SELECT event || ' ' || (payload #>> '{object,id}') FROM outbox WHERE family = 'kcidb' ORDER BY id";
    let events = render::rows(store, sql).await;
    store.script("DELETE FROM outbox", deadline()).await.unwrap();
    let mut events: Vec<String> = events;
    events.sort();
    events
}

/// An action of a case that is no submission, as the equivalent submission.
fn equivalent(action: &Value, earlier: &[Value]) -> Option<Value> {
    if action["action"] != "triaged" {
        return None;
    }
    // The triager's mark is a member of `misc`, as real objects of DataWarehouse have it.
    let list = format!("{}s", action["object_type"].as_str()?);
    let mut objects = earlier.iter().flat_map(|document| document[&list].as_array().into_iter().flatten());
    let mut object = objects.rfind(|object| object["id"] == action["id"])?.clone();
    object["misc"]["actions"]["last_triaged_at"] = json!("2026-03-10T10:00:00Z");
    Some(json!({"version": {"major": 5, "minor": 3}, list: [object]}))
}

#[tokio::test]
async fn events() {
    let Some(file) = file("11_events.json") else { return };
    let db = support::database().await;
    let mut tally = Tally::default();
    'cases: for case in cases(&file) {
        let name = case["name"].as_str().unwrap_or_default();
        schema::clear(&db.store).await;
        let mut earlier: Vec<Value> = Vec::new();
        for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let mut submission = step["submission"].clone();
            if submission.get("action").is_some() {
                match equivalent(&submission, &earlier) {
                    Some(equal) => submission = equal,
                    None if submission["action"] == "issue_regex_changed" => {
                        // A message of its own, and the work that it queues for reconcile.
                        let object = json!({"id": "o:r", "issue_id": "o:i", "text_match": "matches nothing"});
                        submission = json!({"object_type": "issue_regex", "status": "updated", "object": object});
                    }
                    None => {
                        tally.failed.push(format!("{name}: an unknown action"));
                        continue 'cases;
                    }
                }
            }
            let ago = |days: i64| (Timestamp::now() - SignedDuration::from_hours(24 * days)).to_string();
            let text = submission.to_string().replace("NOW-1d", &ago(1)).replace("NOW-20d", &ago(20));
            earlier.push(submission);
            take_in_as(&db.store, number as i64, &text).await;
            let page = async |tx: &mut Tx<'_>| announcing(tx, async |a| kcidb::requeue(tx, 2, a).await).await;
            while db.store.in_tx("requeue", deadline(), page).await.unwrap().0.more {}
            let mut found = announced(&db.store).await;
            let mut expected: Vec<String> = step["expect"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| format!("{} {}", event["routing_key"].as_str().unwrap(), event["id"].as_str().unwrap()))
                .collect();
            expected.sort();
            if case["note"].as_str().is_some_and(|note| note.contains("omits the completion events")) {
                found.retain(|event| !event.contains("finished") && !event.contains("ready_to_report"));
            }
            tally.same(&format!("{name}, step {number}"), &json!(found), &json!(expected));
        }
    }
    tally.end("11_events.json");
}
