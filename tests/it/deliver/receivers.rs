//! Which targets receive which events: outdated events, registered targets, and events that no target can receive.

use std::time::Duration;

use hummingbird_status::db::{Retrying, Store};
use hummingbird_status::ingest::ingest;
use hummingbird_status::maintenance::{self, Retention};
use hummingbird_status::platform::clock;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::json;

use super::{drain, ghe, posted, read, register, target};
use crate::support::buildkite::{Event, HOST, event};
use crate::support::forge::{Forge, created};
use crate::support::{self, builds, deadline, render};

/// Targets of all kinds that the sources of this test can reach, at one server.
fn all_kinds(forge: &Forge) -> String {
    let url = &forge.url;
    let pages = "pages = 'https://ci.acme.example'";
    [
        target("ghe", "github", forge, HOST, pages),
        target("lab", "gitlab", forge, HOST, ""),
        format!(
            "[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{url}/in'\nsecret = 'env:TOKEN'\nallow_private = \
            true\nevents = ['*', 'notify:*']\n"
        ),
        format!(
            "[[target]]\nname = 'checks'\nkind = 'check_run'\nhosts = ['{HOST}']\napi = '{url}/api/v3'\ntoken = \
            'env:TOKEN'\n{pages}\n"
        ),
        format!(
            "[[target]]\nname = 'mail'\nkind = 'mail'\nhosts = ['*']\nfrom = 'ci@acme.example'\nregion = \
            'eu-west-1'\napi = '{url}'\n{pages}\n"
        ),
        format!(
            "[[target]]\nname = 'slack'\nkind = 'slack'\nhosts = ['*']\ntoken = 'env:TOKEN'\napi = \
            '{url}'\n{pages}\n"
        ),
        format!("[[target]]\nname = 'hooks'\nkind = 'travis_webhook'\nhosts = ['*']\nallow_private = true\n{pages}\n"),
        format!(
            "[[target]]\nname = 'irc'\nkind = 'irc'\nhosts = ['*']\nurl = '{url}/irc'\nsecret = \
            'env:TOKEN'\nallow_private = true\n{pages}\n"
        ),
        "[[target]]\nname = 'topic'\nkind = 'sns'\ntopic_arn = 'arn:aws:sns:eu-west-1:123456789012:t'\n".to_owned(),
    ]
    .concat()
}

/// A build event that the queue accepted so long ago.
fn sent(built: &Event<'_>, ago: Duration) -> Delivery {
    let sent_at = clock::now().checked_sub(ago).ok();
    Delivery { sent_at, ..built.delivery() }
}

/// What happened in 2023, as a queue delivers it now.
fn of_2023(built: &Event<'_>) -> Delivery {
    let delivery = built.delivery();
    let body = String::from_utf8(delivery.body).unwrap();
    Delivery { body: body.replace("2026-03-10", "2023-03-10").into_bytes(), ..delivery }
}

async fn take(store: &Store, delivery: Delivery, settings: &Settings) {
    let report = ingest(store, &[delivery], settings, deadline()).await;
    assert_eq!(report.counts().kept, 1, "{:?}", report.reasons);
}

async fn count(store: &Store, from: &str) -> String {
    render::rows(store, &format!("SELECT count(*)::text FROM {from}")).await.remove(0)
}

/// Messages of an archive are stored and announced to no target of any kind; later changes are announced. The variable
/// `BACKFILL_BUILDS` makes the archive larger.
#[tokio::test]
async fn a_backfill_announces_nothing_and_the_next_change_once() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = read(&all_kinds(&forge));
    register(&db.store, &targets).await;
    let silent = Settings { silent: true, ..Settings::default() };
    let create = json!({
        "id": 1, "number": "1", "event_type": "push", "branch": "main",
        "repository": {"id": 7, "owner_name": "acme", "name": "app", "url": format!("https://{HOST}/acme/app")},
        "commit": {"sha": "ab".repeat(20), "author_email": "ada@acme.example"},
        "config": {"notifications": {"slack": "acme:tok", "email": ["ada@acme.example"],
        "webhooks": format!("{}/own", forge.url),
            "irc": "irc.libera.chat#ci"}},
        "jobs": [{"id": 100, "number": "1.1"}],
    });
    for (event, payload, second) in [
        ("build:create", create, 0),
        ("job:start", json!({"id": 100, "state": "started"}), 1),
        ("job:finish", json!({"id": 100, "state": "failed"}), 2),
    ] {
        take(&db.store, builds::delivery(event, &payload, second), &silent).await;
    }
    let builds: u64 = std::env::var("BACKFILL_BUILDS").map_or(20, |count| count.parse().unwrap());
    for first in (1..=builds).step_by(1000) {
        let old = (first..=builds.min(first + 999)).map(|number| {
            let (build, sha) = (number.to_string(), format!("{number:040x}"));
            let sent_at = Some("2023-03-10T09:01:00Z".parse().unwrap());
            Delivery { sent_at, ..of_2023(&Event { build: &build, number, sha: &sha, ..event("failed", 5) }) }
        });
        let report = ingest(&db.store, &old.collect::<Vec<_>>(), &silent, deadline()).await;
        assert_eq!(report.counts().kept, builds.min(first + 999) - first + 1, "{:?}", report.error);
    }
    assert_eq!((&*count(&db.store, "deliveries").await, &*count(&db.store, "outbox").await), ("0", "0"));
    drain(&db.store, &targets).await;
    assert_eq!(forge.count(), 0, "{:?}", posted(&forge));
    let states = "SELECT DISTINCT state FROM commit_statuses";
    assert_eq!(render::rows(&db.store, states).await, ["outdated"], "known, so that an older one is not posted");
    // The event before that one arrives late: the build has a newer state.
    let sha = format!("{:040x}", 7);
    let known = Event { build: "7", number: 7, sha: &sha, ..event("failed", 5) };
    let before = of_2023(&Event { state: "scheduled", second: 1, ..known.clone() });
    ingest(&db.store, &[before], &Settings::default(), deadline()).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 0, "{:?}", posted(&forge));
    take(&db.store, Event { state: "passed", second: 9, ..known }.delivery(), &Settings::default()).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(posted(&forge), ["success: Build #7 passed (9 seconds)"]);
}

/// The age of an event is that of its message, and each kind of target has a limit of its own.
#[tokio::test]
async fn the_age_of_a_message_decides_which_targets_are_notified() {
    let hours = |hours: u64| Duration::from_secs(3600 * hours);
    for (ago, statuses, events) in
        [(hours(0), 1, 1), (hours(7), 1, 0), (hours(24 * 7 - 1), 1, 0), (hours(24 * 7 + 1), 0, 0)]
    {
        let db = support::database().await;
        let forge = Forge::start(|_| created()).await;
        let hook = format!(
            "[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{}/in'\nsecret = 'env:TOKEN'\nallow_private = true\n",
            forge.url
        );
        let targets = read(&(target("ghe", "github", &forge, HOST, "") + &hook));
        register(&db.store, &targets).await;
        take(&db.store, sent(&event("passed", 5), ago), &Settings::default()).await;
        drain(&db.store, &targets).await;
        let at = |end: &str| forge.posts().iter().filter(|post| post.path.contains(end)).count();
        assert_eq!((at("/statuses/"), at("/in")), (statuses, events), "{ago:?}");
    }
}

/// The age of a message from a dead-letter queue or a replay counts from when it was first sent.
#[tokio::test]
async fn redriven_and_replayed_messages_keep_their_age() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    register(&db.store, &ghe(&forge)).await;
    take(&db.store, Delivery { is_moved: true, ..event("passed", 5).delivery() }, &Settings::default()).await;
    let sha = "ab".repeat(20);
    let replayed = Event { build: "8", number: 8, sha: &sha, ..event("passed", 5) };
    let mut document = replayed.document();
    document["replay-name"] = json!("again");
    let body = document.to_string().into_bytes();
    take(&db.store, Delivery { body, ..replayed.delivery() }, &Settings::default()).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 0, "{:?}", posted(&forge));
    assert_eq!(count(&db.store, "commit_statuses WHERE state = 'outdated'").await, "2");
}

/// A delivery that has waited for too long, because its target was away, is not sent any more.
#[tokio::test]
async fn deliveries_that_become_too_old_while_waiting_are_given_up() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    register(&db.store, &ghe(&forge)).await;
    take(&db.store, event("passed", 5).delivery(), &Settings::default()).await;
    let later = "UPDATE commit_statuses SET message_at = now() - interval '8 days'";
    db.store.script(later, deadline()).await.unwrap();
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 0);
    assert_eq!(count(&db.store, "commit_statuses WHERE state = 'dead' AND reason LIKE 'outdated%'").await, "1");
    let again =
        async |tx: &mut hummingbird_status::db::Tx<'_>| hummingbird_status::outbox::list::retry(tx, None, None).await;
    assert_eq!(db.store.in_tx("retry", deadline(), again).await.unwrap(), 1);
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 1, "asked for by a person, it counts from then");
}

/// Without a target nothing is written. A target, also the first one, receives what happens after its registration.
#[tokio::test]
async fn an_event_that_no_target_can_receive_is_not_written() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    register(&db.store, &[]).await;
    let shas: Vec<String> = (1..=4).map(|number| format!("{number:040x}")).collect();
    let built = |number: usize, repo: &'static str| {
        let sha = &shas[number - 1];
        Event { build: sha, number: number as u64, sha, repo, ..event("passed", 5) }.delivery()
    };
    let ours = "git@ghe.acme.example:acme/app.git";
    take(&db.store, built(1, ours), &Settings::default()).await;
    assert_eq!(count(&db.store, "outbox").await, "0", "there is no target");
    let elsewhere = read(&target("other", "github", &forge, "other.acme.example", ""));
    register(&db.store, &elsewhere).await;
    take(&db.store, built(2, ours), &Settings::default()).await;
    assert_eq!(count(&db.store, "outbox").await, "0", "the target is for another host");
    register(&db.store, &ghe(&forge)).await;
    take(&db.store, built(3, ours), &Settings::default()).await;
    take(&db.store, built(4, "git@third.acme.example:acme/app.git"), &Settings::default()).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!((forge.count(), &*count(&db.store, "outbox").await), (1, "1"), "{:?}", posted(&forge));
    assert!(forge.posts()[0].path.ends_with(&shas[2]));
}

/// Before any process has registered targets, events wait for an hour; older ones are delivered to no target.
#[tokio::test]
async fn events_before_the_first_registration_wait_for_an_hour() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let shas: Vec<String> = (1..=3).map(|number| format!("{number:040x}")).collect();
    for (sha, minutes) in shas.iter().zip([61, 59, 0]) {
        take(&db.store, Event { build: sha, sha, ..event("passed", 5) }.delivery(), &Settings::default()).await;
        let sql = format!("UPDATE outbox SET created_at = now() - interval '{minutes} minutes' WHERE key = '{sha}'");
        db.store.script(&sql, deadline()).await.unwrap();
    }
    drain(&db.store, &ghe(&forge)).await;
    let posted: Vec<String> = forge.posts().iter().map(|post| post.path[post.path.len() - 40..].to_owned()).collect();
    assert_eq!(posted, shas[1..]);
}

/// A target that is removed from the document is disabled; targets of another document, with other names, stay.
#[tokio::test]
async fn two_documents_have_targets_of_their_own() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let named = |names: &[&str]| match names {
        [] => Vec::new(),
        _ => read(&names.iter().map(|name| target(name, "github", &forge, HOST, "")).collect::<String>()),
    };
    let enabled = async || {
        render::rows(&db.store, "SELECT name FROM delivery_targets WHERE disabled_at IS NULL ORDER BY name")
            .await
            .join(" ")
    };
    for (names, expected) in [
        (&["a", "b"][..], "a b"),
        (&["x", "y"], "a b x y"),
        (&["a", "c"], "a c x y"),
        (&["x"], "a c x"),
        (&[], "a c x"),
        (&["b", "c"], "b c x"),
        (&["x", "y"], "b c x y"),
    ] {
        for _ in 0..2 {
            register(&db.store, &named(names)).await;
            assert_eq!(enabled().await, expected, "{names:?}");
        }
    }
    take(&db.store, event("passed", 5).delivery(), &Settings::default()).await;
    let targets_of_rows = "SELECT target FROM commit_statuses ORDER BY target";
    assert_eq!(render::rows(&db.store, targets_of_rows).await.join(" "), "b c x y");
    // A target that is enabled again receives events from then on.
    let since = "SELECT name FROM delivery_targets WHERE registered_at < now() - interval '30 minutes' ORDER BY name";
    assert_eq!(
        render::rows(&db.store, since).await.join(" "),
        "a",
        "the very first ones, and not those that came back"
    );
}

/// Deliveries that wait for a disabled target end after an hour, by a deliverer and by maintenance, and can be retried
/// when the target is there again. Deliveries to other targets stay, and so do those under lease.
#[tokio::test]
async fn deliveries_to_a_disabled_target_end_and_can_be_retried() {
    let states = "SELECT target || ' ' || state || coalesce(': ' || reason, '') AS x FROM commit_statuses
        UNION ALL SELECT target || ' ' || state || coalesce(': ' || reason, '') FROM deliveries ORDER BY x";
    for by_maintenance in [false, true] {
        let db = support::database().await;
        let forge = Forge::start(|_| created()).await;
        let hook = |name: &str| {
            let url = format!("{}/{name}", forge.url);
            format!(
                "[[target]]\nname = '{name}'\nkind = 'webhook'\nurl = '{url}'\nsecret = 'env:TOKEN'\nallow_private = true\n"
            )
        };
        let [ghe, lent] = ["ghe", "lent"].map(|name| target(name, "github", &forge, HOST, ""));
        let all = read(&[ghe, lent, hook("gone"), hook("kept")].concat());
        register(&db.store, &all).await;
        take(&db.store, event("passed", 5).delivery(), &Settings::default()).await;
        let lease = "UPDATE commit_statuses SET lease_until = now() + interval '1 hour', lease = gen_random_uuid() WHERE target = 'lent'";
        db.store.script(lease, deadline()).await.unwrap();
        let kept = read(&hook("kept"));
        register(&db.store, &kept).await;
        // Nothing is sent: only the work that is done at intervals.
        let look = async || {
            if by_maintenance {
                let retrying = Retrying::until(&db.store, deadline());
                maintenance::run(&retrying, &Retention::default(), clock::now(), deadline(), false).await.ended
            } else {
                drain(&db.store, &read(&target("lab", "gitlab", &forge, "other.example", ""))).await;
                0
            }
        };
        assert_eq!(look().await, 0);
        assert!(
            render::rows(&db.store, states).await.iter().all(|row| row.ends_with("pending")),
            "it may come back soon"
        );
        let disabled = "UPDATE delivery_targets SET disabled_at = disabled_at - interval '61 minutes'";
        db.store.script(disabled, deadline()).await.unwrap();
        assert_eq!(look().await, if by_maintenance { 2 } else { 0 });
        let given_up =
            ["ghe dead: the target is disabled", "gone dead: the target is disabled", "kept pending", "lent pending"];
        assert_eq!(render::rows(&db.store, states).await, given_up, "{by_maintenance}");

        register(&db.store, &all).await;
        drain(&db.store, &all).await;
        assert_eq!(forge.count(), 1, "the one that was kept: {:?}", posted(&forge));
        let again = async |tx: &mut hummingbird_status::db::Tx<'_>| {
            hummingbird_status::outbox::list::retry(tx, None, None).await
        };
        assert_eq!(db.store.in_tx("retry", deadline(), again).await.unwrap(), 2);
        drain(&db.store, &all).await;
        assert_eq!(
            render::rows(&db.store, states).await,
            ["ghe delivered", "gone delivered", "kept delivered", "lent pending"]
        );
    }
}

/// Objects without a receiver cause neither events nor reads of rows for them; milestones are still stored.
#[tokio::test]
async fn objects_without_a_receiver_are_not_announced() {
    let said = |second: u32, document: &serde_json::Value| Delivery {
        id: format!("m{second}"),
        body: document.to_string().into_bytes(),
        sent_at: Some(clock::now()),
        ..Delivery::default()
    };
    let document = json!({"version": {"major": 4, "minor": 0}, "checkouts": [{"id": "o:c", "origin": "o",
        "valid": true}],
        "builds": [{"id": "o:b", "origin": "o", "checkout_id": "o:c", "valid": true}]});
    for (events, expected) in [("['nothing']", "0"), ("['datawarehouse.build.new']", "1"), ("['datawarehouse.*']", "2")]
    {
        let db = support::database().await;
        let forge = Forge::start(|_| created()).await;
        let hook = format!(
            "[[target]]\nname = 'hook'\nkind = 'webhook'\nurl = '{}/in'\nsecret = 'env:TOKEN'\nevents = {events}\n",
            forge.url
        );
        register(&db.store, &read(&hook)).await;
        take(&db.store, said(1, &document), &Settings::default()).await;
        let found = count(&db.store, "outbox WHERE event LIKE '%.new'").await;
        assert_eq!((&*found, &*count(&db.store, "kcidb_builds").await), (expected, "1"), "{events}");
    }
}
