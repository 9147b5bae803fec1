//! Any order, any duplication, any batching of the same events gives the same final commit statuses.

use std::collections::BTreeMap;

use hummingbird_status::ingest;
use hummingbird_status::sources::Settings;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{drain, ghe, later};
use crate::support::buildkite::{Event, SHA, event};
use crate::support::forge::{Forge, answer, created};
use crate::support::{self, deadline, difference, render, schema};

const STATES: [&str; 7] = ["scheduled", "started", "failing", "failed", "passed", "blocked", "unheard_of"];
const OTHER_SHA: &str = "0123456789012345678901234567890123456789";
const COMMITS: [&str; 4] = [SHA, OTHER_SHA, "HEAD", "5a74161"];

/// Number, state, second and commit of an event. Those that differ in the commit alone have one id.
type Said = (u64, usize, u32, usize);

/// Two builds, whose commit may change, with events at few times; after each event, whether a drain runs, and the state
/// of the server.
fn histories() -> impl Strategy<Value = (Vec<Said>, Vec<(usize, u8)>)> {
    let events = prop::collection::vec((7..10_u64, 0..STATES.len(), 0..4_u32, 0..COMMITS.len()), 1..12);
    events.prop_flat_map(|events| {
        let count = events.len();
        let order: Vec<usize> = (0..count).collect();
        let again = prop::collection::vec(0..count, 0..4);
        let history = (Just(order), again).prop_flat_map(|(mut order, again)| {
            order.extend(again);
            let length = order.len();
            (Just(order).prop_shuffle(), prop::collection::vec(0..4_u8, length))
        });
        (Just(events), history.prop_map(|(order, then)| order.into_iter().zip(then).collect()))
    })
}

fn said((number, state, second, commit): Said) -> Event<'static> {
    Event { build: ["a", "b"][(number % 2) as usize], number, sha: COMMITS[commit], ..event(STATES[state], second) }
}

/// The final status of each commit, in the rows and at the server.
async fn statuses(db: &support::Db, forge: &Forge) -> String {
    let columns = [
        "repo",
        "sha",
        "state",
        "wanted_state",
        "wanted_description",
        "delivered_state",
        "delivered_description",
        "version_number",
        "version_at",
        "version_tie",
    ];
    let rows = render::table(&db.store, &columns, "FROM commit_statuses ORDER BY repo, sha").await;
    let posts = forge.posts().into_iter().filter(|post| post.taken);
    let last: BTreeMap<String, String> = posts.map(|post| (post.path, post.body.to_string())).collect();
    format!("{rows}\n{last:#?}")
}

#[test]
fn any_history_ends_at_the_same_status() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let mut runner = TestRunner::new(Config {
        cases: support::cases(20),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    });
    let result = runner.run(&histories(), |(events, history)| {
        let (expected, found) = runtime.block_on(async {
            // All events in one batch, and one post.
            schema::clear(&db.store).await;
            let once = Forge::start(|_| created()).await;
            let all: Vec<_> = events.iter().map(|event| said(*event).delivery()).collect();
            ingest::ingest(&db.store, &all, &Settings::default(), deadline()).await;
            drain(&db.store, &ghe(&once)).await;
            let expected = statuses(&db, &once).await;
            // One by one, with or without faults of the server.
            schema::clear(&db.store).await;
            let forge = Forge::start(|_| created()).await;
            for (index, then) in history {
                ingest::ingest(&db.store, &[said(events[index]).delivery()], &Settings::default(), deadline()).await;
                match then {
                    0 => continue,
                    1 => forge.now(|_| created()),
                    2 => forge.now(|_| answer(503, &[], "")),
                    _ => forge.now(|_| answer(404, &[], "{}")),
                }
                drain(&db.store, &ghe(&forge)).await;
                later(&db.store).await;
            }
            forge.now(|_| created());
            let retry = "UPDATE commit_statuses SET state = 'pending' WHERE state = 'dead'";
            db.store.script(retry, deadline()).await.unwrap();
            drain(&db.store, &ghe(&forge)).await;
            (expected, statuses(&db, &forge).await)
        });
        if expected == found { Ok(()) } else { Err(TestCaseError::fail(difference(&expected, &found))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
