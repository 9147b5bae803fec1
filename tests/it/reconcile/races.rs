//! Webhooks that arrive during a run: in any order of writes, the newer state stays.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fake::{Answer, item, webhook};
use super::{Db, SENT, ingest_webhook, merge_requests, open_only, render, run, with_open};
use crate::support::store_of;

/// Takes a webhook in while the request waits for its answer: after the rows were read, before any is written.
pub fn during(db: &Db, payload: Value, sent_at: String) -> Answer {
    let url = db.url.clone();
    Arc::new(move |state, uri| {
        let (url, payload, sent_at) = (url.clone(), payload.clone(), sent_at.clone());
        let ingest = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { ingest_webhook(&store_of(&url, 1), &payload, &sent_at).await });
        });
        ingest.join().unwrap();
        state.truth(uri)
    })
}

fn from_now(seconds: i64) -> String {
    Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).unwrap().to_string()
}

/// GitLab is asked when it is still closed; then it is reopened and merged, within one second of `updated_at`, or
/// later.
async fn both_orders(updated_at: &str, sent_in: i64) -> [String; 2] {
    let mut tables = Vec::new();
    for first in ["webhook", "answer"] {
        let (db, gitlab) = with_open(1..=1).await;
        gitlab.change("g/p", 1, json!({"state": "closed", "updated_at": "2026-03-10T11:00:00.849Z"}));
        let news = webhook("g/p", &item(1, "opened", updated_at), "reopen");
        let sent_at = from_now(sent_in);
        if first == "webhook" {
            gitlab.script("merge_requests", during(&db, news, sent_at));
            run(&db, &gitlab, open_only()).await;
        } else {
            run(&db, &gitlab, open_only()).await;
            ingest_webhook(&db.store, &news, &sent_at).await;
        }
        let versions = ["left(sha, 4)", "created_at", "head_at"];
        let versions = render::table(&db.store, &versions, "FROM gitlab_mr_versions ORDER BY sha").await;
        tables.push(format!("{}\n{versions}", merge_requests(&db).await));
    }
    [tables.remove(0), tables.remove(0)]
}

#[tokio::test]
async fn a_webhook_of_a_later_second_wins_at_any_delay() {
    let [webhook_first, answer_first] = both_orders("2026-03-10T11:00:01.000Z", -60).await;
    assert_eq!(webhook_first, answer_first);
    assert!(webhook_first.starts_with("g/p!1 | opened"), "{webhook_first}");
}

/// The second was over when GitLab was asked, so that the answer knows all that happened in it: a webhook of that
/// second is late, whenever it is sent.
#[tokio::test]
async fn a_webhook_of_the_same_second_loses_at_any_time() {
    for sent_in in [5, -60] {
        let [webhook_first, answer_first] = both_orders("2026-03-10T11:00:00.000Z", sent_in).await;
        assert_eq!(webhook_first, answer_first);
        assert!(
            webhook_first.starts_with("g/p!1 | closed | Change 1 | 0001 | rebuild | robin | reconcile | false"),
            "{webhook_first}"
        );
    }
}

/// It does not exist when GitLab is asked, while a webhook brings a newer state: the next run will decide.
#[tokio::test]
async fn newer_messages_win_over_a_deletion_and_older_ones_do_not() {
    for first in ["webhook", "answer"] {
        let (db, gitlab) = with_open(1..=1).await;
        gitlab.state().projects.get_mut("g/p").unwrap().remove(&1);
        let news = webhook("g/p", &item(1, "opened", "2026-03-10T11:00:00.000Z"), "update");
        let sent_at = from_now(5);
        if first == "webhook" {
            gitlab.script("merge_requests", during(&db, news, sent_at));
            assert_eq!(run(&db, &gitlab, open_only()).await.overtaken, 1);
        } else {
            run(&db, &gitlab, open_only()).await;
            ingest_webhook(&db.store, &news, &sent_at).await;
        }
        assert!(merge_requests(&db).await.ends_with("| opened | Change 1 | 0001 | rebuild | robin | webhook | false"));
    }
    // An outdated message is delivered again, later.
    let (db, gitlab) = with_open(1..=1).await;
    let item = gitlab.state().projects.get_mut("g/p").unwrap().remove(&1).unwrap();
    run(&db, &gitlab, open_only()).await;
    let deleted = merge_requests(&db).await;
    assert!(deleted.ends_with("| closed | Change 1 | 0001 | rebuild | robin | reconcile | true"), "{deleted}");
    for sent_at in [SENT.to_owned(), from_now(-30), from_now(30)] {
        ingest_webhook(&db.store, &webhook("g/p", &item, "update"), &sent_at).await;
        assert_eq!(merge_requests(&db).await, deleted);
    }
}

/// The webhook came while the answer was on its way: it is not reported as a correction.
#[tokio::test]
async fn an_overtaken_correction_is_not_reported() {
    let (db, gitlab) = with_open(1..=1).await;
    gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.849Z"}));
    let news = webhook("g/p", &item(1, "merged", "2026-03-10T11:00:01.000Z"), "merge");
    gitlab.script("merge_requests", during(&db, news, from_now(5)));
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!((report.corrections.len(), report.overtaken), (0, 1));
    assert!(merge_requests(&db).await.contains("| merged |"));
}
