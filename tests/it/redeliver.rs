//! A redelivered message, with a new id and a later time, changes no row: webhooks are resent by hand, duplicated by a
//! second hook, and late. The content of a message decides, never its time of arrival.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::kcidb;
use crate::support::generate::{Said, said};
use crate::support::{self, builds, deadline, difference, files, render, schema};
use crate::travis::build;

/// Sources whose messages say nothing of their own time, and why a message that is delivered again is news for them.
const UNDATED: &[(&str, &str)] = &[(
    "kcidb",
    "an object has no version: a submission that is sent again is one more statement of its origin, and the last one \
        counts; what holds is below",
)];

/// Fixtures of the other sources that say nothing of their own time. A heartbeat without one says that the bot is alive
/// when it is sent; the time at which a detail of Buildkite without its envelope was sent is the only one that orders
/// what a build says (it leaves an end when a job is tried again).
const UNDATED_FILES: &[&str] = &["buildkite/detail-only.json", "bots/extensions-dropped.json", "bots/undated.json"];

/// Whether a message of Travis begins a run. It has no version and names no run, so that one that is sent later asks
/// for one more. What cancels may be sent again as long as no later run began.
fn begins_a_run(message: &str) -> bool {
    message.contains(":restart") || message.contains(":reset")
}

/// A message as SNS brings it.
fn sns(id: &str, message: &Value, attributes: &Value, at: &str) -> Delivery {
    let text = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    let body = json!({"Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events",
        "Message": text, "Timestamp": at, "MessageAttributes": attributes});
    Delivery { id: format!("sqs of {id}"), body: body.to_string().into_bytes(), ..Delivery::default() }
}

async fn take(store: &Store, deliveries: &[Delivery]) {
    for batch in deliveries.chunks(7) {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert_eq!((report.error.as_ref(), report.counts().again), (None, 0));
    }
}

/// All rows except rejected messages and those that wait for their build, which are stored each time.
async fn rows(store: &Store) -> String {
    let all = render::all(store).await;
    let tables = all.split("== refused").next().unwrap().split("== ");
    tables.filter(|table| !table.starts_with("travis_pending")).collect::<Vec<_>>().join("== ")
}

/// The messages of a fixture, with their attributes and, of those of SNS, the times at which they were sent.
fn messages(body: &[u8]) -> Vec<(Value, Value, Option<String>)> {
    let document: Value = serde_json::from_slice(body).unwrap();
    match document.as_array() {
        Some(all) if all.iter().all(|message| message["Type"] == "Notification") => {
            let part = |message: &Value, name: &str| message[name].clone();
            let sent = |message: &Value| message["Timestamp"].as_str().map(str::to_owned);
            all.iter().map(|one| (part(one, "Message"), part(one, "MessageAttributes"), sent(one))).collect()
        }
        _ => vec![(document, json!({}), None)],
    }
}

#[tokio::test]
async fn fixtures_that_are_delivered_again_change_nothing() {
    for source in Source::ALL {
        if let Some((name, why)) = UNDATED.iter().find(|(name, _)| *name == source.name()) {
            println!("{name}: {why}");
            continue;
        }
        let db = support::database().await;
        let mut first = Vec::new();
        let mut again = Vec::new();
        for (name, body) in files(&format!("events/{source}"), ".json") {
            if UNDATED_FILES.contains(&format!("{source}/{name}").as_str()) {
                continue;
            }
            let all = messages(&body);
            for (index, (message, attributes, sent)) in all.iter().enumerate() {
                let id = format!("{name} {index}");
                let usual = format!("2026-03-20T00:{:02}:{:02}Z", first.len() / 60, first.len() % 60);
                // What a message of Travis means depends on when it was sent.
                let sent = sent.as_ref().filter(|_| *source == Source::Travis).unwrap_or(&usual);
                first.push(sns(&id, message, attributes, sent));
                let text = message.to_string();
                let later = all[index..].iter().map(|(message, ..)| message.to_string());
                let asks =
                    begins_a_run(&text) || (text.contains(":cancel") && later.into_iter().any(|m| begins_a_run(&m)));
                if *source == Source::Travis && asks {
                    continue;
                }
                again.push(sns(&format!("{id} again"), message, attributes, "2027-01-01T00:00:00Z"));
            }
        }
        take(&db.store, &first).await;
        let before = rows(&db.store).await;
        for copy in &again {
            take(&db.store, std::slice::from_ref(copy)).await;
            let after = rows(&db.store).await;
            assert!(after == before, "{source}: {}{}", copy.id, difference(&before, &after));
        }
    }
}

#[test]
fn messages_that_are_delivered_again_change_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let is_dated = |said: &Said| said.payload.get("name").is_none() || said.payload.get("ts").is_some();
    let all = prop::collection::vec(said().prop_filter("dated", is_dated), 1..24);
    let config = Config { cases: 150, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let result = TestRunner::new(config).run(&(all, any::<prop::sample::Index>()), |(all, which)| {
        let first: Vec<Delivery> = all.iter().map(Said::delivery).collect();
        let again = Said { sent: 59, ..all[which.index(all.len())].clone() };
        let (before, after) = runtime.block_on(async {
            schema::clear(&db.store).await;
            take(&db.store, &first).await;
            let before = rows(&db.store).await;
            take(&db.store, &[again.delivery()]).await;
            (before, rows(&db.store).await)
        });
        if before == after { Ok(()) } else { Err(TestCaseError::fail(difference(&before, &after))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Tables of KCIDB.
const OBJECTS: &[&str] =
    &["checkouts", "builds", "tests", "issues", "incidents", "milestones", "occurrences", "issue_regexes"];

/// All values of all objects: a line for each object and column, without those that say which message changed it. And
/// how many events there are.
async fn values(store: &Store) -> (Vec<String>, String) {
    let mut all = Vec::new();
    for table in OBJECTS {
        let sql = format!(
            "SELECT x FROM (
                SELECT concat_ws(' ', '{table}', coalesce(r ->> 'id', r ->> 'incident_id', r ->> 'checkout_id'),
                    coalesce(r ->> 'version', r ->> 'milestone', '-'), c.key, c.value::text)
                FROM (SELECT to_jsonb(t) - '{{message_id,message_at,received_at,reached_at,older}}'::text[] FROM \
                kcidb_{table} AS t) AS s (r),
                    jsonb_each(r) AS c
                WHERE c.value <> 'null'
            ) AS l (x) ORDER BY x COLLATE \"C\""
        );
        all.extend(render::rows(store, &sql).await);
    }
    (all, render::rows(store, "SELECT count(*)::text FROM outbox").await.concat())
}

/// Objects and columns that have a value.
fn filled(values: &[String]) -> Vec<String> {
    values.iter().map(|line| line.split(' ').take(4).collect::<Vec<_>>().join(" ")).collect()
}

/// A submission has no version: the last word counts. So all that was said, said again, changes no value and announces
/// nothing; the newest word said again does neither; and an older one takes nothing away: what has a result goes on
/// having one.
#[test]
fn submissions_that_are_delivered_again_undo_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let config =
        Config { cases: support::cases(40), failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let strategy = (kcidb::submissions(), any::<prop::sample::Index>());
    let result = TestRunner::new(config).run(&strategy, |(all, which)| {
        let mut said: Vec<(i64, String, &Value)> =
            all.iter().enumerate().map(|(n, (second, lists))| (*second, format!("m{n:02}"), lists)).collect();
        let send = |said: &[(i64, String, &Value)]| -> Vec<Delivery> {
            said.iter().map(|(second, id, lists)| kcidb::said(*second, id, lists)).collect()
        };
        let first = send(&said);
        said.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let later = |(n, (_, id, lists)): (usize, &(i64, String, &'_ Value))| {
            kcidb::said(100 + n as i64, &format!("a{n:02} {id}"), lists)
        };
        let again: Vec<Delivery> = said.iter().enumerate().map(later).collect();
        let newest = said.last().map(|(_, id, lists)| kcidb::said(200, &format!("b {id}"), lists)).unwrap();
        let (_, id, lists) = &said[which.index(said.len())];
        let older = kcidb::said(300, &format!("c {id}"), lists);
        runtime.block_on(async {
            schema::clear(&db.store).await;
            let store = &db.store;
            let batch = |deliveries: Vec<Delivery>| async move {
                let report = ingest(store, &deliveries, &Settings::default(), deadline()).await;
                assert_eq!((report.error.as_ref(), report.counts().refused), (None, 0));
            };
            batch(first).await;
            let before = values(&db.store).await;
            for (what, deliveries) in [("all", again), ("the newest", vec![newest])] {
                batch(deliveries).await;
                let after = values(&db.store).await;
                if after != before {
                    let difference = difference(&before.0.join("\n"), &after.0.join("\n"));
                    return Err(TestCaseError::fail(format!(
                        "{what}: {} then {} events: {difference}",
                        before.1, after.1
                    )));
                }
            }
            batch(vec![older]).await;
            let (before, after) = (filled(&before.0), filled(&values(&db.store).await.0));
            match before.iter().find(|place| place.split(' ').next() != Some("occurrences") && !after.contains(place)) {
                Some(lost) => Err(TestCaseError::fail(format!("an older one took away {lost}"))),
                None => Ok(()),
            }
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Builds of Travis that ran, of which one job may have been started once more: what a run says changes nothing when it
/// is sent again.
#[test]
fn messages_of_travis_that_are_delivered_again_change_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(support::database());
    let history =
        (build(), prop::option::of(any::<prop::sample::Index>()), any::<bool>(), any::<prop::sample::Index>());
    let config = Config { cases: 100, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let result = TestRunner::new(config).run(&history, |(build, restarted, goes_on, which)| {
        let mut first = [vec![build.create()], build.run()].concat();
        let mut canceled = Vec::new();
        if let Some(index) = restarted {
            let job = build.job_id(index.index(build.jobs.len()));
            first.push(builds::delivery("job:restart", &json!({"id": job}), 1_000));
            if goes_on {
                first.push(builds::delivery("job:start", &json!({"id": job, "started_at": builds::at(1_010)}), 1_011));
            }
        } else {
            // Nothing is left to be canceled.
            canceled.push(builds::delivery("build:cancel", &json!({"id": build.id}), 900));
        }
        first.extend(canceled);
        let is_report = |delivery: &&Delivery| !delivery.id.starts_with("job:restart");
        let reports: Vec<&Delivery> = first.iter().filter(is_report).collect();
        let again = reports[which.index(reports.len())];
        let again = Delivery {
            id: format!("{} again", again.id),
            sent_at: Some(builds::at(5_000).parse().unwrap()),
            ..again.clone()
        };
        let (before, after) = runtime.block_on(async {
            schema::clear(&db.store).await;
            take(&db.store, &first).await;
            let before = rows(&db.store).await;
            take(&db.store, std::slice::from_ref(&again)).await;
            (before, rows(&db.store).await)
        });
        let lines = difference(&before, &after);
        if before == after { Ok(()) } else { Err(TestCaseError::fail(format!("{}: {lines}", again.id))) }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
