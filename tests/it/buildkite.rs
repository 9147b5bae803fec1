//! Builds of Buildkite: events in any order, invalid details, and pipelines that are deleted and created again.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Report, ingest};
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::deliver::{drain, github};
use crate::support::buildkite::HOST;
use crate::support::forge::{Forge, created};
use crate::support::{self, deadline, odd_values, render};

/// The event of EventBridge about a build; `more` overrides the defaults.
fn event(build: &str, number: i64, state: &str, second: u32, more: Value) -> Value {
    let at = |second: u32| format!("2026-03-10 09:{:02}:{:02} UTC", second / 60, second % 60);
    let ended = matches!(state, "passed" | "failed" | "blocked" | "canceled");
    let mut event = json!({
        "version": "0", "id": format!("{build}-{state}-{second}"), "detail-type": "Build Finished",
        "source": "aws.partner/buildkite.com/acme/1", "time": at(second).replacen(' ', "T", 1).replace(" UTC", "Z"),
        "detail": {
            "build": {"uuid": build, "number": number, "state": state, "branch": "main", "commit": "a".repeat(40),
                "started_at": (state != "scheduled").then(|| at(second.saturating_sub(30))),
                "finished_at": ended.then(|| at(second))},
            "pipeline": {"uuid": "p", "slug": "app", "repo": "git@ghe.acme.example:acme/app.git"},
            "organization": {"uuid": "o", "slug": "acme"},
        },
    });
    merge(&mut event["detail"], &more);
    event
}

/// Merges the members of one document into another, recursively.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => into.clone_from(from),
    }
}

async fn take_in(store: &Store, events: &[Value]) -> Report {
    let delivery =
        |event: &Value| Delivery { id: "d".to_owned(), body: event.to_string().into_bytes(), ..Delivery::default() };
    let report =
        ingest(store, &events.iter().map(delivery).collect::<Vec<_>>(), &Settings::default(), deadline()).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    report
}

/// All permutations of so many items.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for before in orders(count - 1) {
        for place in 0..count {
            let mut order = before.clone();
            order.insert(place, count - 1);
            all.push(order);
        }
    }
    all
}

/// Ingests a sequence of events in all orders, in batches of one or two, each order with its own names (`{n}` in
/// texts). Returns, for each order, the states of its builds, and the last status of each commit.
async fn in_all_orders(story: &[Value]) -> (Vec<String>, Vec<String>) {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let all = orders(story.len());
    for (number, order) in all.iter().enumerate() {
        let named: Vec<Value> = order
            .iter()
            .map(|place| {
                serde_json::from_str(&story[*place].to_string().replace("{n}", &format!("{number:08}"))).unwrap()
            })
            .collect();
        for some in named.chunks(1 + number % 2) {
            take_in(&db.store, some).await;
        }
        // Each event is delivered a second time.
        take_in(&db.store, &named).await;
    }
    drain(&db.store, &github(&forge, HOST)).await;
    let states = render::rows(
        &db.store,
        "SELECT string_agg(split_part(id, '-', 2) || ' ' || state, ', ' ORDER BY id)
        FROM buildkite_builds GROUP BY split_part(id, '-', 1)",
    );
    let states = states.await;
    assert_eq!(states.len(), all.len());
    let statuses = render::rows(
        &db.store,
        "SELECT string_agg(right(sha, 1) || ' ' || wanted_state, ', ' ORDER BY right(sha, 1))
        FROM commit_statuses GROUP BY left(sha, 8)",
    );
    (states, statuses.await)
}

/// A commit of an order; the last digit distinguishes commits.
fn commit(digit: u8) -> Value {
    json!({"build": {"commit": format!("{{n}}{}{digit}", "0".repeat(31))}})
}

fn with(one: Value, other: Value) -> Value {
    let mut both = one;
    merge(&mut both, &other);
    both
}

fn assert_all(found: &[String], expected: &str) {
    assert!(!found.is_empty() && found.iter().all(|one| one == expected), "expected {expected}: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_ordered_by_number_within_a_pipeline_and_by_time_between_pipelines() {
    let of = |pipeline: &str| with(commit(0), json!({"pipeline": {"uuid": format!("{{n}}{pipeline}")}}));
    let story = [
        // A rebuild of the first pipeline ends before the build that it follows.
        event("{n}-a411", 411, "failed", 50, of("first")),
        event("{n}-a412", 412, "failed", 40, of("first")),
        // The pipeline is created again.
        event("{n}-b1", 1, "started", 100, of("second")),
        event("{n}-b1", 1, "passed", 120, of("second")),
        event("{n}-b2", 2, "canceled", 110, of("second")),
    ];
    let (_, statuses) = in_all_orders(&story).await;
    assert_all(&statuses, "0 error");
}

/// An earlier build that starts later, when an agent is free, skips no later one that waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_build_is_not_skipped_when_an_earlier_one_starts() {
    let of = |digit| with(commit(digit), json!({"pipeline": {"uuid": "{n}", "slug": "app-{n}"}}));
    let story = [event("{n}-2", 2, "scheduled", 10, of(2)), event("{n}-1", 1, "started", 60, of(1))];
    let (states, _) = in_all_orders(&story).await;
    assert_all(&states, "1 started, 2 scheduled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_build_is_skipped_when_a_later_one_starts() {
    let of = |digit| with(commit(digit), json!({"pipeline": {"uuid": "{n}", "slug": "app-{n}"}}));
    let story = [
        event("{n}-1", 1, "scheduled", 10, of(1)),
        event("{n}-2", 2, "scheduled", 20, of(2)),
        event("{n}-2", 2, "started", 60, of(2)),
        event("{n}-2", 2, "passed", 90, of(2)),
        // Of another branch, and later.
        event("{n}-3", 3, "scheduled", 11, with(of(3), json!({"build": {"branch": "other"}}))),
    ];
    let (states, statuses) = in_all_orders(&story).await;
    assert_all(&states, "1 skipped, 2 passed, 3 scheduled");
    assert_all(&statuses, "1 failure, 2 success, 3 pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_counted_as_skipped_can_start() {
    let of = |digit| with(commit(digit), json!({"pipeline": {"uuid": "{n}", "slug": "app-{n}"}}));
    let story = [
        event("{n}-1", 1, "creating", 10, of(1)),
        event("{n}-2", 2, "started", 60, of(2)),
        event("{n}-1", 1, "started", 70, of(1)),
        event("{n}-1", 1, "passed", 80, of(1)),
        // It does not affect earlier builds: it never started.
        event("{n}-4", 4, "canceled", 75, with(of(4), json!({"build": {"started_at": null}}))),
    ];
    let (states, statuses) = in_all_orders(&story).await;
    assert_all(&states, "1 passed, 2 started, 4 canceled");
    assert_all(&statuses, "1 success, 2 pending, 4 error");
}

#[tokio::test(flavor = "multi_thread")]
async fn states_within_one_second_are_ordered() {
    let at = |second: u32| json!({"build": {"started_at": format!("2026-03-10 09:00:{second:02} UTC")}});
    let of = |digit, start| with(commit(digit), at(start));
    let story = [
        // Unblocked within the second in which it was blocked.
        event("{n}-1", 1, "blocked", 40, of(1, 10)),
        event("{n}-1", 1, "started", 40, of(1, 10)),
        // Blocked within the second in which it started.
        event("{n}-2", 2, "started", 40, of(2, 40)),
        event("{n}-2", 2, "blocked", 40, of(2, 40)),
        // Its state before that.
        event("{n}-1", 1, "scheduled", 9, of(1, 10)),
    ];
    let (states, statuses) = in_all_orders(&story).await;
    assert_all(&states, "1 started, 2 blocked");
    assert_all(&statuses, "1 pending, 2 success");
}

#[tokio::test]
async fn the_text_of_a_block_step_is_posted() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let states = [
        (json!(null), "success"),
        (json!(""), "success"),
        (json!("passed"), "success"),
        (json!("PASSED"), "success"),
        (json!("failed"), "failure"),
        (json!("FAILED"), "failure"),
        (json!("running"), "pending"),
        (json!("RUNNING"), "pending"),
        (json!("word_to_come"), "pending"),
        (json!({"not": "a word"}), "success"),
    ];
    for (number, (blocked_state, _)) in states.iter().enumerate() {
        let sha = format!("{number:040}");
        let more = json!({"build": {"blocked_state": blocked_state, "commit": sha}});
        take_in(&db.store, &[event(&format!("b{number}"), number as i64 + 1, "blocked", 10, more)]).await;
    }
    drain(&db.store, &github(&forge, HOST)).await;
    let found = render::rows(&db.store, "SELECT wanted_state FROM commit_statuses ORDER BY sha").await;
    assert_eq!(found, states.iter().map(|(_, expected)| *expected).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_detail_never_loses_a_state() {
    let db = support::database().await;
    let parts = [
        (
            "build",
            ["blocked_state", "commit", "branch", "message", "source", "started_at", "failing_at", "finished_at"]
                .as_slice(),
        ),
        ("pipeline", &["uuid", "slug", "repo"]),
        ("organization", &["uuid", "slug"]),
    ];
    let mut events = Vec::new();
    let mut add = |change: &dyn Fn(&mut Value)| {
        let mut one = event(&format!("b{}", events.len()), 7, "passed", 10, json!({}));
        change(&mut one);
        events.push(one);
    };
    for value in odd_values() {
        for (part, members) in parts {
            for member in members {
                add(&|one| one["detail"][part][member] = value.clone());
            }
        }
        for part in ["pipeline", "organization"] {
            add(&|one| one["detail"][part] = value.clone());
        }
        add(&|one| one["detail-type"] = value.clone());
        add(&|one| one["detail"]["build"]["meta_data"] = value.clone());
    }
    let bare: Vec<Value> = events.iter().map(|one| one["detail"].clone()).collect();
    let halves = |text: &str| text.replace("\"main\"", "\"ma\\ud83d\"").replace("\"passed\"", "\"failed\"");
    let mut deliveries: Vec<Delivery> = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let text = event.to_string();
        deliveries.push(Delivery { id: format!("{number}"), body: text.clone().into_bytes(), ..Delivery::default() });
        if number == 0 {
            let text = halves(&text).replace("\"b0\"", "\"halves\"");
            deliveries.push(Delivery { id: "halves".to_owned(), body: text.into_bytes(), ..Delivery::default() });
        }
    }
    let mut report = ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
    assert_eq!(
        (report.counts().refused, report.counts().received),
        (0, deliveries.len() as u64),
        "{:?}",
        report.reasons
    );
    assert!(report.dropped > 100, "{}", report.dropped);
    let counted = report.reasons.iter().find(|(reason, _)| reason.as_str() == "dropped: buildkite details");
    assert_eq!(counted.map(|(_, count)| *count), Some(report.dropped));
    let kept =
        render::rows(&db.store, "SELECT state || ' ' || count(*) FROM buildkite_builds GROUP BY state ORDER BY 1")
            .await;
    assert_eq!(kept, ["failed 1".to_owned(), format!("passed {}", events.len())]);
    let branch = render::rows(&db.store, "SELECT branch FROM buildkite_builds WHERE id = 'halves'").await;
    assert_eq!(branch, ["ma\u{fffd}"]);
    // Without an envelope an event is recognised by its parts only.
    let bare: Vec<Delivery> = bare
        .iter()
        .filter(|one| ["pipeline", "organization"].iter().all(|part| one[part].is_object()))
        .enumerate()
        .map(|(number, one)| Delivery {
            id: format!("bare{number}"),
            body: one.to_string().replace("\"uuid\":\"b", "\"uuid\":\"c").into_bytes(),
            ..Delivery::default()
        })
        .collect();
    report = ingest(&db.store, &bare, &Settings::default(), deadline()).await;
    assert_eq!(report.counts().refused, 0, "{:?}", report.reasons);
    // Identity, state and version of a build: a message without these is rejected.
    for (member, values) in [
        ("uuid", odd_values()),
        ("state", odd_values()),
        ("number", vec![json!(0), json!(-1), json!("x"), json!(1e40), json!([])]),
    ] {
        for value in values.into_iter().filter(|value| {
            value.as_str().is_none_or(|text| text.is_empty() || text.len() > 1_024 || text.contains('\0'))
        }) {
            let mut one = event("identity", 7, "passed", 10, json!({}));
            one["detail"]["build"][member] = value.clone();
            let report = take_in(&db.store, &[one]).await;
            assert_eq!(report.counts().refused, 1, "{member} {value}");
        }
    }
    // A number as text is accepted.
    let report = take_in(&db.store, &[event("text", 1, "passed", 10, json!({"build": {"number": "12"}}))]).await;
    assert_eq!(report.counts().kept, 1);
}

#[tokio::test]
async fn the_sweep_ends_a_build_that_never_starts() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    for (number, state) in ["creating", "scheduled", "waiting", "started", "blocked"].into_iter().enumerate() {
        let more = json!({"build": {"commit": format!("{number:040}"), "branch": format!("b{number}")}});
        take_in(&db.store, &[event(&format!("b{number}"), number as i64 + 1, state, 10, more)]).await;
    }
    let last: Timestamp = "2026-03-10T09:00:10Z".parse().unwrap();
    let after = |days: i64, write: bool| {
        let store = db.store.clone();
        let now = last.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        async move {
            let found = store
                .in_tx("sweep", deadline(), async |tx| {
                    let found = Source::Buildkite.sweep(tx, &Settings::default(), now, write).await?;
                    Ok(found.0)
                })
                .await
                .unwrap();
            found.into_iter().map(|stuck| format!("{} {}", stuck.name, stuck.state)).collect::<Vec<_>>()
        }
    };
    let waiting = ["b0 creating", "b1 scheduled", "b2 waiting"];
    assert_eq!(after(31, true).await, [""; 0]);
    assert_eq!(after(32, false).await, waiting);
    assert_eq!(after(32, true).await, waiting);
    assert_eq!(after(32, true).await, [""; 0]);
    drain(&db.store, &github(&forge, HOST)).await;
    let found = render::rows(&db.store, "SELECT wanted_state FROM commit_statuses ORDER BY sha").await;
    assert_eq!(found, ["failure", "failure", "failure", "pending", "success"]);
    // A later event shows that it was not skipped.
    let more = json!({"build": {"commit": format!("{:040}", 1), "branch": "b1"}});
    take_in(&db.store, &[event("b1", 2, "passed", 50, more)]).await;
    let found =
        render::rows(&db.store, "SELECT state || coalesce(skipped_from, '') FROM buildkite_builds WHERE id = 'b1'")
            .await;
    assert_eq!(found, ["passed"]);
}
