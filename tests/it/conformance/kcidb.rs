//! Cases recorded from the reference implementation of KCIDB (`conformance/kcidb`), and real submissions
//! (`samples/kcidb`). Prints, per file, how many passed, and which deviate on purpose and why.

mod events;
mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{self, ingest};
use hummingbird_status::sources::kcidb::{self, Kind, ObjectEvent, Query, STATUSES, View};
use hummingbird_status::sources::{Record, Settings};
use hummingbird_status::transport::Delivery;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::support::{self, deadline, render, schema};

/// The results of the cases of a file.
#[derive(Default)]
struct Tally {
    passed: usize,
    deviating: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Tally {
    fn check(&mut self, name: &str, right: bool, what: impl FnOnce() -> String) {
        match right {
            true => self.passed += 1,
            false => self.failed.push(format!("{name}: {}", what())),
        }
    }

    fn same(&mut self, name: &str, found: &Value, expected: &Value) {
        self.check(name, found == expected, || format!("\n  found    {found}\n  expected {expected}"));
    }

    fn deviates(&mut self, why: &str) {
        *self.deviating.entry(why.to_owned()).or_default() += 1;
    }

    fn end(self, file: &str) {
        println!("kcidb/{file}: {} passed, {} failed", self.passed, self.failed.len());
        for (why, count) in &self.deviating {
            println!("  {count} deviating on purpose: {why}");
        }
        assert!(self.failed.is_empty(), "{file}: {} failed\n{}", self.failed.len(), self.failed.join("\n"));
        assert!(self.passed > 0, "{file}: no case was checked");
    }
}

fn folder() -> Option<PathBuf> {
    super::folder().map(|root| root.join("conformance/kcidb")).filter(|folder| folder.is_dir())
}

/// A file of cases, if there is one.
fn file(name: &str) -> Option<Value> {
    let text = std::fs::read(folder()?.join(name)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

fn cases(file: &Value) -> &[Value] {
    file["cases"].as_array().map_or(&[], Vec::as_slice)
}

/// The time at which the first message is sent: recent, and after all times in the submissions.
static BEGIN: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_second() - 3600);

fn delivery(text: &str, number: i64) -> Delivery {
    Delivery {
        id: format!("m{number:06}"),
        body: text.as_bytes().to_vec(),
        sent_at: Some(jiff::Timestamp::from_second(*BEGIN + number).unwrap()),
        ..Delivery::default()
    }
}

/// Decodes a document: its content, else why it is rejected, with the reason before a colon.
fn read(text: &str) -> Result<kcidb::Submission, String> {
    let batch = ingest::read(&[delivery(text, 0)], &Settings::default());
    // Over HTTP, where a body is one document, the submitter is answered the same.
    if batch.messages.len() + batch.refused.len() == 1 {
        let problems = kcidb::problems(text, &kcidb::Rights::default());
        assert_eq!(batch.refused.is_empty(), problems.is_empty(), "{text}: {problems:?}");
    }
    if let Some((_, rejected)) = batch.refused.first() {
        return Err(format!("{}: {}", rejected.reason, rejected.detail));
    }
    match batch.records.into_iter().next() {
        Some((_, Record::Kcidb(kcidb::Record::Submission(submission)))) => Ok(*submission),
        _ => Err("unknown: not of this source".to_owned()),
    }
}

/// The document of a decoded submission.
fn document(submission: &kcidb::Submission) -> Value {
    let mut lists = Map::new();
    let excerpt = |hash: &[u8; 32]| submission.excerpts.iter().find(|e| e.sha256 == *hash).map(|e| &*e.text);
    for (kind, objects) in Kind::ALL.into_iter().zip(&submission.objects).filter(|(_, objects)| !objects.is_empty()) {
        let list = objects.iter().map(|object| kcidb::render(&View::of(kind, object), excerpt));
        let list: Vec<Value> = list.map(|text| serde_json::from_str(&text).unwrap()).collect();
        lists.insert(kind.list().to_owned(), list.into());
    }
    lists.into()
}

const TIMES: [&str; 3] = ["start_time", "origin_builds_finish_time", "origin_tests_finish_time"];

/// A document in one form: without its version and empty lists, objects by id, times and numbers as upstream's database
/// gives them.
fn canonical(document: &Value) -> Value {
    let mut lists = document.as_object().cloned().unwrap_or_default();
    lists.remove("version");
    lists.retain(|_, list| list.as_array().is_some_and(|list| !list.is_empty()));
    for list in lists.values_mut() {
        let objects = list.as_array_mut().unwrap();
        for object in objects.iter_mut().filter_map(Value::as_object_mut) {
            for (name, value) in object.iter_mut() {
                match value.as_str().filter(|_| TIMES.contains(&name.as_str())).map(str::parse::<jiff::Timestamp>) {
                    Some(Ok(time)) => *value = json!(time.to_string()),
                    _ if name == "duration" => *value = json!(value.as_f64()),
                    _ if name == "number" => value["value"] = json!(value["value"].as_f64()),
                    _ => {}
                }
            }
        }
        objects.sort_by_key(|object| (object["id"].to_string(), object["version"].as_i64()));
    }
    lists.into()
}

async fn take_in(store: &Store, documents: &[String]) -> ingest::Report {
    let deliveries: Vec<Delivery> = documents.iter().zip(0..).map(|(text, number)| delivery(text, number)).collect();
    let report = ingest(store, &deliveries, &Settings::default(), deadline()).await;
    assert_eq!(report.error, None);
    report
}

/// One document, sent at a time of its own.
async fn take_in_as(store: &Store, number: i64, text: &str) {
    let report = ingest(store, &[delivery(text, number)], &Settings::default(), deadline()).await;
    assert_eq!((&report.error, report.counts().refused), (&None, 0), "{text}");
}

/// All rows as a document.
async fn rows(store: &Store) -> Value {
    serde_json::from_str(&stored(store).await).unwrap()
}

/// The same as text.
async fn stored(store: &Store) -> String {
    let mut query = Query::default();
    for kind in Kind::ALL {
        let version = if kind == Kind::Issue { "version" } else { "0" };
        let keys = render::rows(store, &format!("SELECT {version} || ' ' || id FROM kcidb_{}", kind.list())).await;
        query.keys[kind as usize] = keys
            .iter()
            .map(|key| key.split_once(' ').unwrap())
            .map(|(version, id)| (id.to_owned(), version.parse().unwrap()))
            .collect();
    }
    found(store, &query).await
}

async fn found(store: &Store, query: &Query) -> String {
    store.in_tx("find", deadline(), async |tx| kcidb::find(tx, query).await).await.unwrap().document()
}

#[test]
fn upgrade() {
    let Some(file) = file("01_upgrade.json") else { return };
    let mut tally = Tally::default();
    for case in cases(&file) {
        let name = case["source_test"].as_str().unwrap_or_default();
        let upgraded = read(&case["input"].to_string()).map(|submission| document(&submission));
        match (&case["expected_error"], upgraded) {
            (Value::Null, Ok(upgraded)) => {
                let expected = if case["to"] == "5.0" {
                    case["expected"].clone()
                } else {
                    // An older version: both are upgraded further, which leads to the same.
                    document(&read(&case["expected"].to_string()).unwrap())
                };
                tally.same(name, &canonical(&upgraded), &canonical(&expected));
            }
            (Value::Null, Err(rejection)) => tally.failed.push(format!("{name}: {rejection}")),
            (_, Ok(upgraded)) => tally.failed.push(format!("{name}: {upgraded}")),
            (_, Err(rejection)) => tally.check(name, rejection.starts_with("kcidb-upgrade:"), || rejection),
        }
    }
    tally.end("01_upgrade.json");
}

#[test]
fn metadata() {
    let Some(file) = file("01b_metadata.json") else { return };
    let mut tally = Tally::default();
    for case in cases(&file) {
        let name = case["source_test"].as_str().unwrap_or_default();
        let kept = canonical(&document(&read(&case["input"].to_string()).unwrap()));
        match case["op"].as_str() {
            Some("strip_metadata") => tally.same(name, &kept, &canonical(&case["expected"])),
            // Members of a document that are not stored.
            Some("has_metadata") => tally.same(name, &json!(kept != canonical(&case["input"])), &case["expected"]),
            other => tally.failed.push(format!("{name}: {other:?}")),
        }
    }
    tally.end("01b_metadata.json");
}

/// Whether a document is valid by the schema of its version.
fn is_valid(read: &Result<kcidb::Submission, String>) -> bool {
    match read {
        Ok(_) => true,
        Err(rejection) => rejection.starts_with("kcidb-upgrade:") || rejection.starts_with("kcidb-storage:"),
    }
}

#[test]
fn validate_recorded() {
    let Some(file) = file("01c_validate_recorded.json") else { return };
    let mut tally = Tally::default();
    for case in cases(&file) {
        let read = read(&case["input"].to_string());
        let right = json!(is_valid(&read)) == case["valid"];
        tally.check(case["source_test"].as_str().unwrap_or_default(), right, || format!("{} {read:?}", case["input"]));
    }
    tally.end("01c_validate_recorded.json");
}

#[test]
fn dedup() {
    let Some(file) = file("01d_dedup.json") else { return };
    let mut tally = Tally::default();
    for case in cases(&file) {
        let name = case["name"].as_str().unwrap_or_default();
        let united = canonical(&document(&read(&case["input"].to_string()).unwrap()));
        let expected = canonical(&case["pick_second"]);
        let nested = ["environment", "number", "culprit"].iter().any(|n| case["input"].to_string().contains(n));
        if nested && united != expected {
            tally.deviates("parts of environment, number and culprit are united as the database does, not as a whole");
        } else {
            tally.same(name, &united, &expected);
        }
    }
    tally.end("01d_dedup.json");
}

/// Whether all members of the joined view are those of the object; null counts as absent.
fn shows(object: &Value, view: &Value) -> bool {
    let flat = |name: &str| -> Value {
        let (outer, inner) = name.split_once('_').unwrap_or((name, ""));
        match outer {
            "environment" | "number" | "culprit" => object[outer][inner].clone(),
            _ if name == "version_num" => object["version"].clone(),
            _ if name == "issue_version_num" => object["issue_version"].clone(),
            _ => object[name].clone(),
        }
    };
    view.as_object().unwrap().iter().all(|(name, value)| flat(name) == *value)
}

#[tokio::test]
async fn submission_to_rows() {
    let Some(file) = file("02_submission_to_rows.json") else { return };
    let db = support::database().await;
    let mut tally = Tally::default();
    for case in cases(&file) {
        let name = case["name"].as_str().unwrap_or_default();
        let input = case["input"].to_string();
        if case.get("expected_upgrade_5_3").is_some() {
            let upgraded = document(&read(&input).unwrap());
            tally.same(name, &canonical(&upgraded), &canonical(&case["expected_upgrade_5_3"]));
        }
        schema::clear(&db.store).await;
        take_in(&db.store, &[input]).await;
        let rows = rows(&db.store).await;
        tally.same(name, &canonical(&rows), &canonical(&case["expected_rows"]));
        for (list, view) in [
            ("checkouts", "checkout"),
            ("builds", "build"),
            ("tests", "test"),
            ("issues", "issue_version"),
            ("issues", "issue"),
            ("incidents", "incident"),
            ("checkouts", "revision"),
        ] {
            for expected in case["expected_oo"][view].as_array().into_iter().flatten() {
                let objects = rows[list].as_array().map_or(&[][..], Vec::as_slice);
                let shown = objects.iter().any(|object| shows(object, expected));
                tally.check(name, shown, || format!("{view} {expected} is not in {rows}"));
            }
        }
    }
    tally.end("02_submission_to_rows.json");
}

#[tokio::test]
async fn merge_sequences() {
    let Some(file) = file("03_merge_sequences.json") else { return };
    let db = support::database().await;
    let mut tally = Tally::default();
    for case in cases(&file) {
        let name = case["name"].as_str().unwrap_or_default();
        let submissions: Vec<String> = case["submissions"].as_array().unwrap().iter().map(Value::to_string).collect();
        let expected = &case["last_wins"];
        schema::clear(&db.store).await;
        let numbers = 0..submissions.len() as i64;
        let deliveries: Vec<Delivery> = submissions.iter().zip(numbers).map(|(text, n)| delivery(text, n)).collect();
        let mut rejected = 0;
        // In any order of arrival, the one that was sent last counts.
        for delivery in deliveries.iter().chain(deliveries.iter().rev()) {
            let report = ingest(&db.store, std::slice::from_ref(delivery), &Settings::default(), deadline()).await;
            rejected += report.counts().refused;
        }
        let rows = canonical(&rows(&db.store).await);
        if expected["error"].is_null() {
            tally.check(name, rejected == 0, || "rejected".to_owned());
            tally.same(name, &rows, &canonical(&expected["rows"]));
            schema::clear(&db.store).await;
            for delivery in deliveries.iter().rev() {
                ingest(&db.store, std::slice::from_ref(delivery), &Settings::default(), deadline()).await;
            }
            let reversed = canonical(&self::rows(&db.store).await);
            tally.same(&format!("{name}, last first"), &reversed, &canonical(&expected["rows"]));
        } else if rejected > 0 {
            tally.check(name, rows == json!({}), || rows.to_string());
        } else if expected["error"]["type"].as_str().or(expected["error"]["error"].as_str()).is_some()
            || expected["error"].to_string().contains("NumericValueOutOfRange")
        {
            tally.deviates("versions of issues are bigint, so that dates such as 20240502101105 fit");
        } else {
            tally.failed.push(format!("{name}: kept, expected {}", expected["error"]));
        }
    }
    tally.end("03_merge_sequences.json");
}

/// The document of a case of 04: a minimal object with one change.
fn mutated(bases: &Value, case: &Value) -> Value {
    let list = case["object"].as_str().unwrap();
    let mut object = bases[list].clone();
    let content = if let Some(whole) = case.get("whole") {
        whole.clone()
    } else if let Some(element) = case.get("element") {
        json!([element])
    } else {
        let field = case["field"].as_str().unwrap();
        match case.get("value") {
            Some(value) => object[field] = value.clone(),
            None => drop(object.as_object_mut().unwrap().remove(field)),
        }
        json!([object])
    };
    json!({"version": {"major": 5, "minor": 3}, list: content})
}

#[tokio::test]
async fn validation() {
    let Some(file) = file("04_validation.json") else { return };
    let db = support::database().await;
    let mut tally = Tally::default();
    let mut kept = Vec::new();
    for case in cases(&file) {
        let document = mutated(&file["bases"], case).to_string();
        let read = read(&document);
        let right = json!(is_valid(&read)) == case["valid"];
        tally.check("case", right, || format!("{case} {:?}", read.as_ref().err()));
        match (read, case["loads_into_pg"].as_bool()) {
            (Ok(_), Some(false)) => {
                let error = case["pg_error"].as_str().unwrap_or_default().split(':').next().unwrap_or_default();
                tally.deviates(&format!("kept although upstream's PostgreSQL says {error}"));
                kept.push(document);
            }
            (Ok(_), _) => kept.push(document),
            (Err(rejection), Some(true)) => tally.failed.push(format!("{document}: not kept: {rejection}")),
            _ => {}
        }
    }
    for case in file["documents"].as_array().into_iter().flatten() {
        let read = read(&case["document"].to_string());
        let right = json!(is_valid(&read)) == case["valid"];
        tally.check("document", right, || format!("{case} {:?}", read.as_ref().err()));
        if read.is_ok() && case.get("upgrade_error").is_some() {
            tally.deviates("5.0 is as good a version as 5, and is upgraded");
        }
    }
    // A document that is accepted is also stored.
    for documents in kept.chunks(200) {
        assert_eq!(take_in(&db.store, documents).await.counts().refused, 0);
    }
    tally.end("04_validation.json");
}

#[tokio::test]
async fn query() {
    let Some(file) = file("05_query.json") else { return };
    let db = support::database().await;
    take_in(&db.store, &[file["load"].to_string()]).await;
    let mut tally = Tally::default();
    for case in cases(&file) {
        let flag = |name: &str| case[name].as_bool().unwrap_or_default();
        let mut query = Query { parents: flag("parents"), children: flag("children"), ..Query::default() };
        for kind in Kind::ALL {
            let keys = case["ids"][kind.list()].as_array().into_iter().flatten();
            query.keys[kind as usize] = keys
                .map(|key| (key[0].as_str().unwrap().to_owned(), key[1].as_i64().unwrap_or_default()))
                .collect::<BTreeSet<_>>();
        }
        let found: Value = serde_json::from_str(&found(&db.store, &query).await).unwrap();
        tally.same(&case["ids"].to_string(), &canonical(&found), &canonical(&case["expected"]));
        tally.same("version", &found["version"], &case["expected"]["version"]);
    }
    tally.end("05_query.json");
}

/// A case of 06, whose rows may be nested deeper than `serde_json` allows for a tree.
#[derive(serde::Deserialize)]
struct RawCase {
    name: String,
    text: String,
    parses: bool,
    #[serde(default)]
    valid: bool,
    #[serde(default)]
    loads: bool,
    rows: Option<Box<RawValue>>,
}

#[tokio::test]
async fn raw_text() {
    let Some(text) = folder().and_then(|folder| std::fs::read(folder.join("06_raw_text.json")).ok()) else { return };
    let file: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&text).unwrap();
    let cases: Vec<RawCase> = serde_json::from_str(file["cases"].get()).unwrap();
    let db = support::database().await;
    let mut tally = Tally::default();
    for case in &cases {
        let name = &case.name;
        schema::clear(&db.store).await;
        let report = take_in(&db.store, std::slice::from_ref(&case.text)).await;
        let read = read(&case.text);
        let rejected = report.counts().refused + report.counts().ignored > 0;
        let stored = stored(&db.store).await;
        if case.loads {
            tally.check(name, !rejected, || format!("{read:?}"));
            let expected = case.rows.as_ref().unwrap().get();
            match (serde_json::from_str::<Value>(&stored), serde_json::from_str::<Value>(expected)) {
                (Ok(found), Ok(expected)) => tally.same(name, &canonical(&found), &canonical(&expected)),
                _ => {
                    let levels = |text: &str| text.matches('{').count();
                    tally.same(name, &json!(levels(&stored)), &json!(levels(expected)));
                }
            }
        } else if name == "two-documents" && !rejected {
            tally.deviates("several documents in one body are several messages");
        } else {
            // Upstream stores none of these; those that its schema allows are lost at its database.
            tally.check(name, rejected && !stored.contains('['), || format!("kept {stored}"));
        }
        if case.parses && !case.loads {
            match &read {
                Err(rejection) if rejection.starts_with("not-json") => {
                    tally.deviates("JSON as RFC 8259 has it: no NaN, no half surrogates");
                }
                read => tally.same(name, &json!(is_valid(read)), &json!(case.valid)),
            }
        }
    }
    tally.end("06_raw_text.json");
}

#[tokio::test]
async fn status() {
    let Some(file) = file("07_status.json") else { return };
    let mut tally = Tally::default();
    for case in cases(&file) {
        let name = case["fact"].as_str().unwrap_or_default();
        if case.get("order").is_some() {
            tally.same(name, &json!(STATUSES), &case["order"]);
        }
        for example in case["examples"].as_array().into_iter().flatten() {
            let summary = kcidb::summary(example[0].as_array().unwrap().iter().map(Value::as_str));
            tally.same(name, &json!(summary), &example[1]);
        }
        for (valid, status) in case["map"].as_object().into_iter().flatten() {
            let mut build = json!({"id": "o:b", "origin": "o", "checkout_id": "o:c"});
            if let Ok(valid) = valid.parse::<bool>() {
                build["valid"] = json!(valid);
            }
            let upgraded = read(&json!({"version": {"major": 4, "minor": 5}, "builds": [build]}).to_string()).unwrap();
            let status = if status == "absent" { Value::Null } else { status.clone() };
            tally.same(name, &document(&upgraded)["builds"][0]["status"], &status);
        }
        let db = support::database().await;
        for row in case["table"].as_array().into_iter().flatten() {
            schema::clear(&db.store).await;
            let mut test = json!({"id": "o:t", "origin": "o", "build_id": "o:b"});
            if !row["status"].is_null() {
                test["status"] = row["status"].clone();
            }
            let mut incident =
                json!({"id": "o:n", "origin": "o", "issue_id": "o:i", "issue_version": 1, "test_id": "o:t"});
            match row["incident"].as_str() {
                Some("present_true") => incident["present"] = json!(true),
                Some("present_false") => incident["present"] = json!(false),
                _ => {}
            }
            let mut document = json!({"version": {"major": 5, "minor": 3}, "tests": [test]});
            if row["incident"] != "none" {
                document["incidents"] = json!([incident]);
            }
            take_in(&db.store, &[document.to_string()]).await;
            tally.same(name, &rows(&db.store).await["tests"][0]["status"], &row["resulting_status"]);
        }
    }
    tally.end("07_status.json");
}

#[test]
fn routing() {
    let Some(file) = file("12_routing.json") else { return };
    let mut tally = Tally::default();
    let words = |name: &str| -> BTreeSet<String> {
        file[name].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let ours = [ObjectEvent::New, ObjectEvent::Updated, ObjectEvent::NeedsTriage, ObjectEvent::IssueOccurrencesChanged]
        .into_iter()
        .chain(kcidb::Milestone::ALL.map(ObjectEvent::Reached));
    let ours: BTreeSet<String> = ours.map(|what| what.status().to_owned()).collect();
    tally.same("statuses", &json!(ours), &json!(words("statuses")));
    // A consumer's bindings and the equivalent filter on our attributes choose the same messages.
    let fits = |key: &str, binding: &str| {
        let (key, binding): (Vec<_>, Vec<_>) = (key.split('.').collect(), binding.split('.').collect());
        key.len() == binding.len() && key.iter().zip(&binding).all(|(word, wanted)| *wanted == "*" || word == wanted)
    };
    for subscription in file["subscriptions"].as_array().unwrap() {
        let policy = subscription["filter_policy"].as_object().unwrap();
        for (kind, status) in Kind::ALL.into_iter().flat_map(|kind| ours.iter().map(move |status| (kind, status))) {
            let key = format!("datawarehouse.{}.{status}", kind.name());
            let keys = subscription["keys"].as_array().unwrap();
            let bound = keys.iter().any(|binding| fits(&key, binding.as_str().unwrap()));
            let chosen = policy.iter().all(|(name, values)| {
                let value = if name == "status" { status.as_str() } else { kind.name() };
                values.as_array().unwrap().contains(&json!(value))
            });
            let name = subscription["service"].as_str().unwrap();
            tally.check(name, chosen || !bound, || format!("{key} would not come through {policy:?}"));
        }
    }
    tally.end("12_routing.json");
}
