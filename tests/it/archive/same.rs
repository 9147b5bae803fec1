//! Backfill gives the same tables as live messages.

use std::sync::Mutex;

use hummingbird_status::archive::backfill::{self, BackfillError, Parameters};
use hummingbird_status::archive::range::time as parse;
use hummingbird_status::archive::s3;
use hummingbird_status::archive::{Archive, backfill::Options};
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::shutdown::Stopper;
use hummingbird_status::sources::Settings;

use super::{live, messages, objects, of_mirror, options, tables, work};
use crate::support::archive::{Folder, Published, gathered};
use crate::support::moto::Moto;
use crate::support::random::Random;
use crate::support::{self, deadline, difference, render};

#[tokio::test]
async fn a_mirror_and_a_bucket_give_the_tables_of_live_messages() {
    let messages = messages(500);
    let objects = objects(&messages);
    let expected = live(&messages).await;

    let mirror = Folder::of("backfill-mirror", &objects);
    let db = support::database().await;
    let summary = work(&db.store, &of_mirror(&mirror.0), &Archive::Mirror(mirror.0.clone())).await.unwrap();
    assert_eq!((summary.state.as_str(), summary.totals.unreadable), ("done", 0));
    assert_eq!((summary.totals.objects, summary.totals.messages), (objects.len() as u64, messages.len() as u64));
    assert_eq!(summary.totals.bytes, objects.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
    let totals = &summary.totals;
    assert_eq!(totals.messages, totals.kept + totals.stale + totals.ignored + totals.refused);
    assert_eq!(totals.families.values().map(|counts| counts.kept).sum::<u64>(), totals.kept);
    assert!(totals.kept > 80 && totals.refused > 0, "{totals:?}");
    assert_eq!(summary.cursor.as_ref(), objects.last().map(|(key, _)| key));
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));

    let Some(moto) = Moto::start().await else { return };
    moto.bucket("archive", &objects).await;
    let source = Archive::Bucket { s3: s3::client(&moto.aws(), true), name: "archive".to_owned() };
    let parameters = Parameters { bucket: Some("archive".to_owned()), mirror: None, ..of_mirror(&mirror.0) };
    let db = support::database().await;
    let of_bucket = work(&db.store, &parameters, &source).await.unwrap();
    assert_eq!((of_bucket.totals.objects, of_bucket.totals.messages), (totals.objects, totals.messages));
    assert_eq!(of_bucket.cursor, summary.cursor);
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
}

#[tokio::test]
async fn objects_of_firehose_are_split_into_messages() {
    // Some objects are large enough to be split before they are decoded.
    let mut messages = messages(0);
    let large = messages.iter().map(|message| message.payload.len()).max().unwrap();
    for number in 0..30 {
        let many = messages.iter().find(|message| message.payload.len() == large).unwrap();
        let payload = many.payload.replacen("\"name\":", &format!("\"x{number}\":0,\"name\":"), 1);
        messages.push(Published { id: format!("large-{number}"), payload, packed: false, ..many.clone() });
    }
    let expected = live(&messages).await;
    for in_one in [3, 1000] {
        let objects = gathered(&messages, in_one);
        let mirror = Folder::of(&format!("backfill-gathered-{in_one}"), &objects);
        let db = support::database().await;
        let summary = work(&db.store, &of_mirror(&mirror.0), &Archive::Mirror(mirror.0.clone())).await.unwrap();
        let totals = &summary.totals;
        assert_eq!((totals.objects, totals.messages), (objects.len() as u64, messages.len() as u64), "{summary:?}");
        let found = tables(&db.store).await;
        assert!(found == expected, "{}", difference(&expected, &found));
    }
}

#[tokio::test]
async fn two_concurrent_halves_and_live_messages_give_the_same_tables() {
    let messages = messages(1000);
    let expected = live(&messages).await;
    let mirror = Folder::of("backfill-halves", &objects(&messages));
    let db = support::database().await;
    let middle = parse("2026-03-01T01:00").ok();
    let source = Archive::Mirror(mirror.0.clone());
    let half = async |from, to| {
        let parameters = Parameters { from, to, concurrency: Some(2), ..of_mirror(&mirror.0) };
        work(&support::store_of(&db.url, 3), &parameters, &source).await.unwrap()
    };
    let live = async {
        let store = support::store_of(&db.url, 1);
        let mut deliveries: Vec<_> = messages.iter().step_by(3).map(Published::delivery).collect();
        Random::new(3).shuffle(&mut deliveries);
        for batch in deliveries.chunks(20) {
            let report = ingest(&store, batch, &Settings::default(), deadline()).await;
            assert_eq!(report.counts().again, 0, "{:?}", report.error);
        }
    };
    let (one, other, ()) = tokio::join!(half(None, middle), half(middle, None), live);
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
    // Each object is in exactly one of the halves.
    assert_eq!(one.totals.objects + other.totals.objects, objects(&messages).len() as u64);
    assert!(one.totals.objects > 100 && other.totals.objects > 100);
}

#[tokio::test]
async fn a_stopped_run_resumes_and_a_cancelled_one_does_not() {
    let messages = messages(1200);
    let expected = live(&messages).await;
    let mirror = Folder::of("backfill-stopped", &objects(&messages));
    let source = Archive::Mirror(mirror.0.clone());
    let db = support::database().await;
    let settings = Settings::default();
    let slow = Options { batch_messages: 5, ..Options::default() };

    let (stopper, stop) = Stopper::new();
    let stopper = Mutex::new(Some(stopper));
    let claim = backfill::begin(&db.store, "r", &of_mirror(&mirror.0), "one").await.unwrap();
    let stop_it = |totals: &backfill::Totals, _: Option<&str>| {
        if totals.objects > 0 {
            stopper.lock().unwrap().take();
        }
    };
    let stopped = backfill::run(&db.store, &settings, &source, claim, &slow, &stop, stop_it).await.unwrap();
    assert_eq!(stopped.state, "running");
    assert!(stopped.totals.objects > 0 && stopped.totals.objects < messages.len() as u64, "{stopped:?}");

    // It is cancelled while the next process works on it.
    let (_stopper, stop) = Stopper::new();
    let claim = backfill::resume(&db.store, "r", "two").await.unwrap();
    assert_eq!((claim.cursor.as_ref(), claim.invocations), (stopped.cursor.as_ref(), 2));
    let run = backfill::run(&db.store, &settings, &source, claim, &slow, &stop, |_, _| {});
    let cancel = async { assert!(backfill::cancel(&db.store, "r").await.unwrap()) };
    let (cancelled, ()) = tokio::join!(run, cancel);
    let cancelled = cancelled.unwrap();
    assert_eq!(cancelled.state, "cancelled");
    assert!(cancelled.totals.objects < messages.len() as u64);
    // An automatic continuation does not resume it; a person can.
    let begun = backfill::begin(&db.store, "r", &of_mirror(&mirror.0), "three").await;
    assert!(matches!(&begun, Err(BackfillError::Ended { state, .. }) if state == "cancelled"), "{begun:?}");

    let claim = backfill::resume(&db.store, "r", "four").await.unwrap();
    let done = backfill::run(&db.store, &settings, &source, claim, &options(), &stop, |_, _| {}).await.unwrap();
    assert_eq!((done.state.as_str(), done.totals.objects), ("done", objects(&messages).len() as u64));
    assert_eq!(done.totals.messages, messages.len() as u64);
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
    let ended = backfill::resume(&db.store, "r", "five").await;
    assert!(matches!(&ended, Err(BackfillError::Ended { state, .. }) if state == "done"), "{ended:?}");
}

#[tokio::test]
async fn a_dry_run_counts_and_sources_can_be_chosen() {
    let messages = messages(300);
    let mirror = Folder::of("backfill-dry", &objects(&messages));
    let source = Archive::Mirror(mirror.0.clone());
    let db = support::database().await;
    let dry = Parameters { dry_run: true, ..of_mirror(&mirror.0) };
    let summary = work(&db.store, &dry, &source).await.unwrap();
    assert!(summary.totals.kept > 100 && summary.totals.stale == 0, "{summary:?}");
    assert_eq!(summary.totals.messages, messages.len() as u64);
    for table in ["pipelineruns", "gitlab_merge_requests", "refused"] {
        assert_eq!(render::rows(&db.store, &format!("SELECT count(*)::text FROM {table}")).await, ["0"], "{table}");
    }
    let gitlab = Parameters { families: vec!["gitlab".to_owned()], ..of_mirror(&mirror.0) };
    let chosen = work(&db.store, &gitlab, &source).await.unwrap();
    assert!(chosen.totals.families["gitlab"].kept > 10, "{chosen:?}");
    assert!(chosen.totals.reasons.contains_key("ignored: konflux not asked for"), "{chosen:?}");
    assert_eq!(render::rows(&db.store, "SELECT count(*)::text FROM pipelineruns").await, ["0"]);
}
