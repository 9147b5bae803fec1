//! Answers of the API among webhooks: written in any order, however often and in any batches, they give the same rows.

use hummingbird_status::checks::Touched;
use hummingbird_status::db::Store;
use hummingbird_status::sources::gitlab::{self, Record};
use hummingbird_status::{sources::Settings, transport};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use super::fake::{item, webhook};
use crate::support::{self, deadline, difference, render, schema};

/// A message about one of two merge requests, within a few seconds.
#[derive(Clone, Debug)]
enum Said {
    /// By a webhook: number, state, head, second of `updated_at`, second at which it was sent.
    Webhook(i64, usize, u8, u32, u32),
    /// By a list: number, state, head, second and milliseconds of `updated_at`, second of the question.
    List(i64, usize, u8, u32, u32, u32),
    /// By the versions: number, head, second at which it became that.
    Version(i64, u8, u32),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        (1..3_i64, 0..4_usize, 1..4_u8, 0..3_u32, 0..4_u32).prop_map(|(i, s, h, u, t)| Said::Webhook(i, s, h, u, t)),
        (1..3_i64, 0..4_usize, 1..4_u8, (0..3_u32, 0..2_u32), 0..4_u32)
            .prop_map(|(i, s, h, (u, ms), t)| Said::List(i, s, h, u, ms, t)),
        (1..3_i64, 1..4_u8, 0..3_u32).prop_map(|(i, h, at)| Said::Version(i, h, at)),
    ]
}

fn at(second: u32, ms: u32) -> String {
    format!("2026-03-10T10:00:{second:02}.{:03}Z", ms * 849)
}

impl Said {
    fn record(&self) -> Record {
        let merge_request = |iid, state: usize, head, updated: String| {
            let mut item = item(iid, ["opened", "closed", "locked", "merged"][state], &updated);
            item["sha"] = json!(format!("{head:040x}"));
            item["title"] = json!(updated);
            if state == 3 {
                item["merged_at"] = json!(updated);
            }
            item
        };
        match *self {
            Self::Webhook(iid, state, head, updated, sent) => {
                let action = ["update", "close", "approved", "merge"][state];
                let payload = webhook("g/p", &merge_request(iid, state, head, at(updated, 0)), action).to_string();
                let message = transport::Message {
                    id: format!("{iid} {state} {head} {updated} {sent}"),
                    attributes: std::borrow::Cow::Owned(transport::Attributes::new()),
                    payload: &payload,
                    head: transport::Head::read(&payload).unwrap(),
                    sent_at: at(sent, 0).parse().ok(),
                    latest: transport::Latest::default(),
                };
                match gitlab::decode(&message, &Settings::default().gitlab).unwrap() {
                    transport::Decoded::Records(mut records) => records.remove(0),
                    transport::Decoded::Ignored(why) => panic!("{why}"),
                }
            }
            Self::List(iid, state, head, updated, ms, asked) => {
                let page = json!([merge_request(iid, state, head, at(updated, ms))]).to_string();
                // Two answers of one moment are of two questions.
                let asked_at: Timestamp =
                    format!("2026-03-10T10:00:{asked:02}.{iid}{state}{head}{updated}{ms}Z").parse().unwrap();
                let found = gitlab::read_merge_requests(&page, "g/p", asked_at).unwrap().merge_requests.remove(0);
                let versions = found.mentioned().into_iter().collect();
                Record::MergeRequest(Box::new(found), versions)
            }
            Self::Version(iid, head, second) => {
                let text =
                    json!([{"id": second, "head_commit_sha": format!("{head:040x}"), "created_at": at(second, 1)}]);
                Record::Versions(gitlab::read_versions(&text.to_string(), "g/p", iid, jiff::Timestamp::MAX).unwrap())
            }
        }
    }
}

async fn write(store: &Store, records: &[Record], batches: &[Vec<usize>]) -> String {
    schema::clear(store).await;
    for batch in batches {
        let batch: Vec<(usize, &Record)> = batch.iter().map(|&number| (number, &records[number])).collect();
        store
            .in_tx("test", deadline(), async |tx| gitlab::write(tx, &batch, &mut Touched::default()).await)
            .await
            .unwrap();
    }
    render::all(store).await
}

fn histories() -> impl Strategy<Value = (Vec<Said>, Vec<Vec<usize>>)> {
    prop::collection::vec(said(), 1..16).prop_flat_map(|said| {
        let count = said.len();
        let repeated = prop::collection::vec(0..count, 0..5);
        let order =
            repeated.prop_flat_map(move |repeated| Just((0..count).chain(repeated).collect::<Vec<_>>()).prop_shuffle());
        (Just(said), order, 1..6_usize).prop_map(|(said, order, size)| {
            let batches = order.chunks(size).map(<[_]>::to_vec).collect();
            (said, batches)
        })
    })
}

#[test]
fn answers_and_webhooks_in_any_order_give_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let config =
        Config { cases: support::cases(60), failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let result = TestRunner::new(config).run(&histories(), |(said, batches)| {
        let records: Vec<Record> = said.iter().map(Said::record).collect();
        let all: Vec<usize> = (0..records.len()).collect();
        let (expected, found) = runtime.block_on(async {
            let expected = write(&db.store, &records, &[all]).await;
            (expected, write(&db.store, &records, &batches).await)
        });
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
