//! `conformance/buildkite-bot/bot_status_*.json`: recorded behaviour of openSUSE's bot-status, and recommendations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::bot_status::{answering, run};
use crate::support::{self, deadline, render, schema};

/// Cases in which the product deviates, and why.
const ON_PURPOSE: &[(&str, &str)] = &[
    ("[]", "an empty list is an empty batch to every source: nothing is kept, nothing to reject"),
    (
        r#"{"name":"x","status":"ok","comment":{"a":1}}"#,
        "a comment that is no text is left out with a warning: a bad detail never loses the status",
    ),
    (
        r#"{"name":"x","status":"ok","comment":["a","b"]}"#,
        "a comment that is no text is left out with a warning: a bad detail never loses the status",
    ),
    ("-c 0", "a comment \"0\" is a comment"),
    ("(publish rejected)", "what was not taken is a failure"),
];

fn read(name: &str) -> Option<Value> {
    let text = std::fs::read(super::folder()?.join("conformance/buildkite-bot").join(name)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// How many cases passed, deviate on purpose, and failed.
#[derive(Default)]
struct Tally {
    passed: usize,
    on_purpose: usize,
    failed: String,
}

impl Tally {
    fn add(&mut self, case: &str, problem: Option<String>) {
        let reason = ON_PURPOSE.iter().find(|(name, _)| case == *name || case.ends_with(&format!(" {name}")));
        match (problem, reason) {
            (None, None) => self.passed += 1,
            (_, Some((_, reason))) => {
                println!("  on purpose: {case}: {reason}");
                self.on_purpose += 1;
            }
            (Some(problem), None) => writeln!(self.failed, "{case}: {problem}").unwrap(),
        }
    }

    fn end(self, what: &str) {
        println!("{what}: {} passed, {} deviating on purpose", self.passed, self.on_purpose);
        assert!(self.failed.is_empty(), "{what}:\n{}", self.failed);
    }
}

fn delivery(body: &str, second: usize) -> Delivery {
    let sent_at = format!("2026-03-10T10:00:{second:02}Z").parse().ok();
    let attributes = [("source".to_owned(), "bot".to_owned())].into();
    Delivery { id: format!("m{second}"), body: body.as_bytes().to_vec(), attributes, sent_at, ..Delivery::default() }
}

/// The rows of the board, in order.
async fn board(store: &Store) -> Vec<Value> {
    let row = "jsonb_build_object('name', name, 'status', status, 'comment', comment, 'meta', meta)::text";
    let rows = render::rows(store, &format!("SELECT {row} FROM bots WHERE status <> 'gone' ORDER BY name")).await;
    rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[tokio::test]
async fn single_updates() {
    let Some(cases) = read("bot_status_updates.json") else { return };
    let db = support::database().await;
    let mut tally = Tally::default();
    for case in cases["single"].as_array().unwrap() {
        let input = case["input"].as_str().unwrap();
        schema::clear(&db.store).await;
        let report = ingest(&db.store, &[delivery(input, 1)], &Settings::default(), deadline()).await;
        let outcome = report.outcomes()[0];
        let rows = board(&db.store).await;
        let problem = if case["recommended"] == "reject" {
            let rejected = render::rows(&db.store, "SELECT reason FROM refused").await.len();
            (outcome != Outcome::Rejected || !rows.is_empty() || rejected != 1)
                .then(|| format!("{outcome:?}, {rejected} rejected, {rows:?}"))
        } else {
            let mut expected: Value = serde_json::from_str(input).unwrap();
            let gone = expected["status"] == "gone";
            expected["name"] = json!(expected["name"].as_str().unwrap().trim());
            let comment = expected["comment"].as_str().filter(|text| !text.is_empty());
            expected["comment"] = json!(comment);
            if !expected["meta"].is_object() {
                expected["meta"] = json!({});
            }
            let expected = if gone { Vec::new() } else { vec![expected] };
            (rows != expected || outcome != Outcome::Kept).then(|| format!("{outcome:?}: {rows:?}"))
        };
        tally.add(input, problem);
    }
    tally.end("bot_status_updates single");
}

#[tokio::test]
async fn sequences() {
    let Some(cases) = read("bot_status_updates.json") else { return };
    let db = support::database().await;
    let mut tally = Tally::default();
    for case in cases["sequences"].as_array().unwrap() {
        let updates = case["updates"].as_array().unwrap();
        let mut deliveries: Vec<_> =
            updates.iter().enumerate().map(|(second, update)| delivery(&update.to_string(), second)).collect();
        // In the order of sending, and one by one in reverse order.
        for backwards in [false, true] {
            schema::clear(&db.store).await;
            if backwards {
                deliveries.reverse();
            }
            for one in &deliveries {
                ingest(&db.store, std::slice::from_ref(one), &Settings::default(), deadline()).await;
            }
            let rows = board(&db.store).await;
            let expected = case["expect"].as_array().cloned().unwrap_or_default();
            let names: Vec<&Value> = rows.iter().map(|row| &row["name"]).collect();
            let right = match case["expect_names"].as_array() {
                Some(expected) => names == expected.iter().collect::<Vec<_>>(),
                None => {
                    let with_comment = expected.into_iter().map(|mut row| {
                        row["comment"] = row["comment"].clone();
                        row
                    });
                    rows == with_comment.collect::<Vec<_>>()
                }
            };
            tally.add(case["title"].as_str().unwrap(), (!right).then(|| format!("{rows:?}")));
        }
    }
    tally.end("bot_status_updates sequences, forwards and backwards");
}

#[tokio::test]
async fn command_line() {
    let Some(cases) = read("bot_status_cli.json") else { return };
    let (url, taken) = answering(200).await;
    let (rejecting, _) = answering(500).await;
    let mut tally = Tally::default();
    for case in cases["cases"].as_array().unwrap() {
        let args: Vec<&str> = case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let title = args.join(" ");
        let rejected = args == ["(publish rejected)"];
        let args = if rejected { vec!["-q", "URL", "-n", "t", "-s", "ok"] } else { args };
        let target = if rejected { &rejecting } else { &url };
        let args: Vec<String> = args.iter().map(|arg| arg.replace("URL", target)).collect();
        taken.lock().unwrap().clear();
        let (success, errors) = run(args, BTreeMap::new()).await;
        let sent = taken.lock().unwrap().first().cloned();
        let problem = if rejected {
            (success || !errors.contains("500")).then(|| "was a success".to_owned())
        } else {
            let expected = case.get("publishes").cloned();
            (success != (case["rc"] == 0) || sent != expected).then(|| format!("{success} {sent:?} {errors}"))
        };
        if title.contains("(publish") {
            assert_eq!(problem, None);
        }
        tally.add(&title, problem);
    }
    tally.end("bot_status_cli");
}
