//! Events to webhooks and to SNS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use hummingbird_status::db::Store;
use hummingbird_status::deliver::{Deliverer, Topics};
use hummingbird_status::ingest::ingest;
use hummingbird_status::outbox::{Event, announcing};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::json;
use sha2::Sha256;

use super::{TOKEN, drain, later, read, run};
use crate::support::forge::{Forge, answer, created};
use crate::support::{self, deadline, moto, render};

fn event(name: &str, key: &str, number: u64) -> Event {
    Event {
        family: "travis",
        event: name.to_owned(),
        key: key.to_owned(),
        attributes: BTreeMap::from([
            ("repository".to_owned(), "acme/app".to_owned()),
            ("empty".to_owned(), String::new()),
        ]),
        payload: json!({"id": number}).as_object().unwrap().clone(),
        at: None,
        texts: BTreeMap::new(),
    }
}

async fn said(store: &Store, events: &[Event]) {
    let put = async |tx: &mut hummingbird_status::db::Tx<'_>| {
        let add = async |announcer: &mut hummingbird_status::outbox::Announcer| {
            announcer.open(tx).await?;
            events.iter().cloned().for_each(|event| announcer.add(event));
            Ok(())
        };
        announcing(tx, add).await
    };
    store.in_tx("announce", deadline(), put).await.unwrap();
}

fn webhook(forge: &Forge, more: &str) -> String {
    format!("[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{}/in'\nsecret = 'env:TOKEN'\n{more}\n", forge.url)
}

#[tokio::test]
async fn webhooks_are_signed_filtered_and_counted_by_their_id() {
    let began = jiff::Timestamp::now().as_second();
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = read(&webhook(&forge, "allow_private = true\nfamilies = ['travis']\nevents = ['job:*']"));
    said(
        &db.store,
        &[
            event("job:started", "1", 11),
            event("build:started", "1", 1),
            Event { family: "kcidb", ..event("job:x", "1", 1) },
        ],
    )
    .await;
    drain(&db.store, &targets).await;
    let posts = forge.posts();
    assert_eq!(posts.len(), 1);
    let post = &posts[0];
    let header = |name: &str| post.header(name).unwrap_or_default().to_owned();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), post.text);
    let mac = Hmac::<Sha256>::new_from_slice(TOKEN.as_bytes()).unwrap().chain_update(&signed).finalize().into_bytes();
    let expected = format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(mac));
    assert_eq!(header("webhook-signature"), expected);
    let at: i64 = header("webhook-timestamp").parse().unwrap();
    assert!((began..=jiff::Timestamp::now().as_second()).contains(&at), "{at}");
    assert_eq!(post.body["data"], json!({"id": 11}));
    assert_eq!((&post.body["type"], &post.body["source"]), (&json!("job:started"), &json!("travis")));
    // A redirect is an error and is not followed.
    let other = Forge::start(|_| created()).await;
    let to = other.url.clone();
    forge.now(move |_| answer(307, &[("location", to.as_str())], ""));
    said(&db.store, &[event("job:finished", "1", 11)]).await;
    drain(&db.store, &targets).await;
    assert_eq!((forge.count(), other.count()), (2, 0));
    assert_eq!(render::rows(&db.store, "SELECT state FROM deliveries ORDER BY outbox_id").await, ["delivered", "dead"]);
}

/// A submission that `serde_json` cannot parse into a tree blocks no delivery: neither its own nor later ones.
#[tokio::test]
async fn payloads_are_delivered_byte_for_byte() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = read(&webhook(&forge, "allow_private = true"));
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let body = format!(
        r#"{{"version":{{"major":5,"minor":3}},"checkouts":[{{"id":"o:1","origin":"o","misc":{{"n":1e400,"deep":{deep}}}}}],
           "tests":[{{"id":"o:t","origin":"o","build_id":"o:b","status":"FAIL","log_excerpt":"end \"of\" log","misc":{{"n":1e400}}}}]}}"#
    );
    let delivery = Delivery { id: "m".to_owned(), body: body.into_bytes(), ..Delivery::default() };
    let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    assert_eq!(report.counts().kept, 1, "{:?} {:?}", report.error, report.reasons);
    said(&db.store, &[event("job:started", "1", 11)]).await;
    drain(&db.store, &targets).await;
    let posts: Vec<String> = forge.posts().iter().map(|post| post.text.clone()).collect();
    assert_eq!(posts.len(), 3, "{posts:?}");
    let of =
        |what: &str| posts.iter().find(|post| post.contains(what)).unwrap_or_else(|| panic!("no post with {what}"));
    let checkout = of("datawarehouse.checkout.new");
    assert!(checkout.contains(&format!(r#""deep":{deep}"#)) && checkout.contains(r#""n":1e400"#));
    let test = of("datawarehouse.test.new");
    assert!(test.contains(r#""log_excerpt":"end \"of\" log""#) && !test.contains("omitted"), "{test}");
    assert!(of("job:started").contains(r#""id":11"#));
    let names = "SELECT attributes ->> 'omitted' FROM outbox WHERE attributes ->> 'omitted' IS NOT NULL";
    assert_eq!(render::rows(&db.store, names).await, ["log_excerpt"]);
    let members = "SELECT DISTINCT k FROM outbox, json_object_keys(payload) AS k WHERE family = 'kcidb' ORDER BY k";
    assert_eq!(render::rows(&db.store, members).await, ["object", "object_type", "status", "timestamp"]);
}

#[tokio::test]
async fn private_addresses_are_rejected_unless_allowed() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let by_name = forge.url.replace("127.0.0.1", "localhost");
    for url in [forge.url.clone(), by_name] {
        let document = format!("[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{url}'\nsecret = 'env:TOKEN'");
        said(&db.store, &[event("job:started", &url, 1)]).await;
        drain(&db.store, &read(&document)).await;
    }
    assert_eq!(forge.count(), 0);
    let reasons = render::rows(&db.store, "SELECT DISTINCT reason FROM deliveries").await.join("\n");
    assert!(reasons.contains("address") && reasons.contains("public"), "{reasons}");
}

#[tokio::test]
async fn events_of_a_key_stay_in_order_despite_faults() {
    let db = support::database().await;
    let faults = Arc::new(Mutex::new(3));
    let left = Arc::clone(&faults);
    let forge = Forge::start(move |post| {
        let mut left = left.lock().unwrap();
        match post.body["data"]["id"] == 2 && *left > 0 {
            true => {
                *left -= 1;
                answer(500, &[], "")
            }
            false => created(),
        }
    })
    .await;
    let targets = read(&webhook(&forge, "allow_private = true"));
    // Key a: events 1 to 5, of which 2 fails three times. Key b: events 11 to 15.
    let events: Vec<Event> = (1..=5).flat_map(|n| [event("job:x", "a", n), event("job:x", "b", 10 + n)]).collect();
    said(&db.store, &events).await;
    drain(&db.store, &targets).await;
    let arrived = |forge: &Forge| -> Vec<u64> {
        forge.posts().iter().map(|post| post.body["data"]["id"].as_u64().unwrap()).collect()
    };
    let b: Vec<u64> = arrived(&forge).into_iter().filter(|id| *id > 10).collect();
    assert_eq!(b, [11, 12, 13, 14, 15], "another key had to wait");
    let a: Vec<u64> = arrived(&forge).into_iter().filter(|id| *id < 10).collect();
    assert!(a.starts_with(&[1, 2]) && a.len() <= 4, "{a:?}");
    for _ in 0..4 {
        later(&db.store).await;
        drain(&db.store, &targets).await;
    }
    assert_eq!(arrived(&forge).into_iter().filter(|id| *id < 10).collect::<Vec<_>>(), [1, 2, 2, 2, 2, 3, 4, 5]);
    let ids: Vec<String> = forge
        .posts()
        .iter()
        .filter(|post| post.body["data"]["id"] == 2)
        .map(|post| post.header("webhook-id").unwrap().to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// A dead event does not block later events of its key.
#[tokio::test]
async fn a_dead_event_does_not_block_the_next() {
    let db = support::database().await;
    let forge = Forge::start(|post| if post.body["data"]["id"] == 1 { answer(410, &[], "") } else { created() }).await;
    let targets = read(&webhook(&forge, "allow_private = true"));
    said(&db.store, &[event("job:x", "a", 1), event("job:x", "a", 2)]).await;
    drain(&db.store, &targets).await;
    assert_eq!(render::rows(&db.store, "SELECT state FROM deliveries ORDER BY outbox_id").await, ["dead", "delivered"]);
}

/// A client for a local server.
fn sns(forge: &Forge) -> Topics {
    let config = moto::aws(&forge.url);
    Topics { sns: aws_sdk_sns::Client::new(&config), s3: aws_sdk_s3::Client::new(&config), credentials: None }
}

/// The fields of a form.
fn form(text: &str) -> BTreeMap<String, String> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}

/// Ids and messages of a `PublishBatch`.
pub fn entries(text: &str) -> Vec<(String, String)> {
    let form = form(text);
    let entry = |n: usize| {
        let member = |name: &str| form.get(&format!("PublishBatchRequestEntries.member.{n}.{name}")).cloned();
        Some((member("Id")?, member("Message")?))
    };
    (1..).map_while(entry).collect()
}

/// The answer of SNS: the accepted entries, and the rejected ones (id, code, and whether it is the sender's fault).
pub fn published(taken: &[String], failed: &[(String, &str, bool)]) -> String {
    let taken: String =
        taken.iter().map(|id| format!("<member><Id>{id}</Id><MessageId>m{id}</MessageId></member>")).collect();
    let failed: String = failed
        .iter()
        .map(|(id, code, ours)| {
            format!("<member><Id>{id}</Id><Code>{code}</Code><SenderFault>{ours}</SenderFault></member>")
        })
        .collect();
    format!(
        "<PublishBatchResponse \
            xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult><Successful>{taken}\
         </Successful><Failed>{failed}</Failed></PublishBatchResult></PublishBatchResponse>"
    )
}

#[tokio::test]
async fn sns_gets_ten_events_per_call_and_fails_entry_by_entry() {
    let db = support::database().await;
    let once = Arc::new(Mutex::new(true));
    let forge = Forge::start(move |post| {
        let mut once = once.lock().unwrap();
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for (id, message) in entries(&post.text) {
            match message.as_str() {
                r#"{"id":3}"# if std::mem::take(&mut *once) => failed.push((id, "InternalFailure", false)),
                r#"{"id":4}"# => failed.push((id, "InvalidParameter", true)),
                _ => taken.push(id),
            }
        }
        answer(200, &[("content-type", "text/xml")], &published(&taken, &failed))
    })
    .await;
    let targets = read(
        "[[target]]\nname = 'broadcast'\nkind = 'sns'\ntopic_arn = \
            'arn:aws:sns:us-east-1:123456789012:out'\nconcurrency = 30",
    );
    let mut events: Vec<Event> = (0..25).map(|n| event("job:started", &format!("key {n}"), n)).collect();
    events.push(Event {
        payload: json!({"x": "x".repeat(300 << 10)}).as_object().unwrap().clone(),
        ..event("job:large", "large", 0)
    });
    said(&db.store, &events).await;
    let deliverer = Deliverer::new(db.store.clone(), targets, Some(sns(&forge))).unwrap();
    for _ in 0..2 {
        run(&deliverer).await;
        later(&db.store).await;
    }
    let calls: Vec<usize> = forge.posts().iter().map(|post| entries(&post.text).len()).collect();
    assert!(calls.iter().all(|count| *count <= 10) && calls.iter().sum::<usize>() == 26, "{calls:?}");
    let first = form(&forge.posts()[0].text);
    assert_eq!(first["TopicArn"], "arn:aws:sns:us-east-1:123456789012:out");
    let names: Vec<&String> = (1..=10)
        .filter_map(|n| first.get(&format!("PublishBatchRequestEntries.member.1.MessageAttributes.entry.{n}.Name")))
        .collect();
    assert_eq!(names.len(), 3, "source, event and repository, none empty: {names:?}");
    let dead =
        render::table(&db.store, &["key", "reason"], "FROM deliveries WHERE state <> 'delivered' ORDER BY outbox_id")
            .await;
    let dead: Vec<&str> = dead.lines().collect();
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead[0].starts_with("key 4 | InvalidParameter") && dead[1].starts_with("large | too large"), "{dead:?}");
}

/// A call that fails as a whole: publishing is not authorized.
#[tokio::test]
async fn a_topic_without_permission_is_paused() {
    let db = support::database().await;
    let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>";
    let forge = Forge::start(move |_| answer(403, &[("content-type", "text/xml")], body)).await;
    let targets =
        read("[[target]]\nname = 'broadcast'\nkind = 'sns'\ntopic_arn = 'arn:aws:sns:us-east-1:123456789012:out'");
    said(&db.store, &(0..3).map(|n| event("job:x", &n.to_string(), n)).collect::<Vec<_>>()).await;
    let deliverer = Deliverer::new(db.store.clone(), targets, Some(sns(&forge))).unwrap();
    run(&deliverer).await;
    assert_eq!(forge.count(), 1);
    let rows = render::table(&db.store, &["state", "attempts", "reason"], "FROM deliveries").await;
    assert_eq!(rows.lines().collect::<Vec<_>>(), ["pending | 0 | AuthorizationError: no"; 3]);
    let closed = render::rows(&db.store, "SELECT reason FROM delivery_targets WHERE open_until > now()").await;
    assert_eq!(closed, ["AuthorizationError: no"]);
}
