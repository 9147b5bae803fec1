//! Ends of builds that no job causes, their notifications, previous states, and invalid details.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::{Report, ingest};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use crate::support::random::Random;
use crate::support::{self, Db, deadline, odd_values, render};

/// A message, sent at a second.
fn said(event: &str, second: u32, payload: Value) -> Delivery {
    let body = json!({"event": event, "payload": payload}).to_string();
    let at = format!("2026-05-04T10:{:02}:{:02}Z", second / 60, second % 60);
    Delivery {
        id: format!("{event}-{}-{second}", payload["id"]),
        body: body.into_bytes(),
        sent_at: Some(at.parse().unwrap()),
        ..Delivery::default()
    }
}

/// A build of `acme/app` with so many jobs.
fn created(id: i64, jobs: i64, more: &Value) -> Value {
    let mut build = json!({
        "id": id, "number": id.to_string(), "event_type": "push", "branch": "main",
        "repository": {"id": 7, "owner_name": "acme", "name": "app", "url": "https://ghe.acme.example/acme/app"},
        "commit": {"sha": format!("{id:040}"), "branch": "main", "author_email": "ada@acme.example",
        "committer_email": "bob@acme.example"},
        "jobs": (1..=jobs).map(|job| json!({"id": 10 * id + job})).collect::<Vec<_>>(),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        build[name] = value.clone();
    }
    build
}

async fn take_in(store: &Store, deliveries: &[Delivery]) -> Report {
    let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    report
}

/// The commit statuses of a build, in order.
async fn host_hears(db: &Db, id: i64) -> Vec<String> {
    let sql = format!(
        "SELECT payload -> 'commit_status' ->> 'state' FROM outbox WHERE event = 'notify:host' AND key LIKE \
            'build/{id}/%' ORDER BY id"
    );
    render::rows(&db.store, &sql).await
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |all, next| {
        let grown = all.iter().flat_map(|order: &Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, next);
                order
            })
        });
        grown.collect()
    })
}

#[tokio::test]
async fn a_build_without_jobs_ends_with_one_commit_status() {
    let db = support::database().await;
    let mut id = 0;
    for (ends, state, hears) in [
        (
            vec![("build:finish", json!({"state": "errored", "finished_at": "2026-05-04T10:00:20Z"}))],
            "errored",
            "errored",
        ),
        (vec![("build:cancel", json!({}))], "canceled", "canceled"),
        (
            vec![
                ("build:start", json!({"started_at": "2026-05-04T10:00:10Z"})),
                ("build:finish", json!({"state": "passed"})),
            ],
            "passed",
            "passed",
        ),
        (vec![("build:start", json!({})), ("build:cancel", json!({}))], "canceled", "canceled"),
        (
            vec![("build:finish", json!({"state": "passed"})), ("build:finish", json!({"state": "errored"}))],
            "errored",
            "errored",
        ),
    ] {
        for order in orders(ends.len() + 1) {
            id += 1;
            let mut messages =
                vec![said("build:create", 0, created(id, 0, &json!({"config": {".result": "parse_error"}})))];
            messages.extend(ends.iter().enumerate().map(|(number, (event, payload))| {
                let mut payload = payload.clone();
                payload["id"] = json!(id);
                said(event, 10 + number as u32, payload)
            }));
            for place in &order {
                take_in(&db.store, &messages[*place..=*place]).await;
            }
            take_in(&db.store, &messages).await;
            let found = render::rows(
                &db.store,
                &format!("SELECT state || ' ' || (finished_at IS NOT NULL) FROM travis_builds WHERE id = {id}"),
            )
            .await;
            assert_eq!(found, [format!("{state} true")], "{order:?} {ends:?}");
            let heard = host_hears(&db, id).await;
            assert_eq!(heard.last().map(String::as_str), Some(hears), "{order:?} {heard:?}");
            assert!(!heard.iter().any(|state| matches!(state.as_str(), "pending" | "running")), "{order:?} {heard:?}");
        }
    }
    // Which ended before it was announced; and one that is begun anew.
    take_in(&db.store, &[said("build:create", 0, created(90, 0, &json!({"state": "errored"})))]).await;
    take_in(&db.store, &[said("build:create", 0, created(90, 0, &json!({"state": "errored"})))]).await;
    assert_eq!(host_hears(&db, 90).await, ["errored"]);
    for (second, event, payload) in [
        (0, "build:create", created(91, 0, &json!({}))),
        (5, "build:finish", json!({"id": 91, "state": "errored"})),
        (9, "build:restart", json!({"id": 91})),
        (7, "build:finish", json!({"id": 91, "state": "canceled"})),
        (20, "build:finish", json!({"id": 91, "state": "passed"})),
    ] {
        take_in(&db.store, &[said(event, second, payload)]).await;
    }
    let found =
        render::rows(&db.store, "SELECT state || ' ' || (canceled_at IS NULL) FROM travis_builds WHERE id = 91").await;
    assert_eq!(
        (found, host_hears(&db, 91).await),
        (vec!["passed true".to_owned()], vec!["errored".to_owned(), "passed".to_owned()])
    );
}

/// Addresses that are mailed about a build.
async fn mailed(db: &Db, id: i64) -> Vec<String> {
    let sql = format!(
        "SELECT payload -> 'notice' ->> 'address' FROM outbox WHERE event = 'notify:email' AND key LIKE \
            'build/{id}/%' ORDER BY 1"
    );
    render::rows(&db.store, &sql).await
}

#[tokio::test]
async fn a_build_that_a_newer_one_canceled_is_not_mailed_about() {
    let db = support::database().await;
    let cancels = [
        (json!({"auto": true, "event": "push", "number": "2"}), 0),
        (json!({"auto": true}), 0),
        (json!({"auto": false}), 1),
        (json!({"auto": "odd"}), 1),
        (json!({}), 1),
        (json!(null), 1),
        (json!("odd"), 1),
    ];
    for (number, (meta, mails)) in cancels.into_iter().enumerate() {
        let id = number as i64 + 1;
        let config = json!({"config": {"notifications": {"email": ["team@acme.example"],
            "webhooks": "https://hooks.acme.example/in"}}});
        let messages = [
            said("build:create", 0, created(id, 2, &config)),
            said("job:start", 11, json!({"id": 10 * id + 1})),
            said("build:cancel", 20, json!({"id": id, "source": "gatekeeper", "meta": meta})),
        ];
        // Also where it comes before the build.
        let order = if number == 1 { [2, 0, 1] } else { [0, 1, 2] };
        for place in order {
            take_in(&db.store, &messages[place..=place]).await;
        }
        assert_eq!(mailed(&db, id).await.len(), mails, "{meta}");
        let hooks =
            format!("SELECT count(*)::text FROM outbox WHERE event = 'notify:webhooks' AND key LIKE 'build/{id}/%'");
        assert_eq!(render::rows(&db.store, &hooks).await, ["1"], "{meta}");
    }
}

async fn run(db: &Db, id: i64, notifications: &Value) {
    take_in(
        &db.store,
        &[
            said("build:create", 0, created(id, 1, &json!({"config": {"notifications": notifications}}))),
            said(
                "job:finish",
                40,
                json!({"id": 10 * id + 1, "state": "failed", "started_at": "2026-05-04T10:00:11Z",
            "finished_at": "2026-05-04T10:00:40Z"}),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn recipients_are_those_that_are_configured_each_once() {
    let db = support::database().await;
    let secure = json!({"secure": "abc="});
    let cases = [
        (json!({}), vec!["ada@acme.example", "bob@acme.example"]),
        (json!({"email": true}), vec!["ada@acme.example", "bob@acme.example"]),
        (json!({"email": {"recipients": []}}), vec!["ada@acme.example", "bob@acme.example"]),
        (json!({"email": {"on_success": "never"}}), vec!["ada@acme.example", "bob@acme.example"]),
        (json!({"email": ["ADA@ACME.example", "ada@acme.example", " ada@acme.EXAMPLE "]}), vec!["ADA@ACME.example"]),
        (json!({"email": "a@x.example, A@X.example,b@x.example"}), vec!["a@x.example", "b@x.example"]),
        (json!({"email": {"recipients": "a@x.example,A@x.example"}}), vec!["a@x.example"]),
        // Of several configurations, too.
        (
            json!({"email": [{"recipients": "a@x.example"}, {"recipients": ["A@X.EXAMPLE", "b@x.example"]}]}),
            vec!["a@x.example", "b@x.example"],
        ),
        // Encrypted: recipients are configured, but cannot be read here.
        (json!({"email": secure}), vec![]),
        (json!({"email": [secure]}), vec![]),
        (json!({"email": [secure, secure]}), vec![]),
        (json!({"email": {"recipients": secure}}), vec![]),
        (json!({"email": {"recipients": [secure]}}), vec![]),
        (json!({"email": {"secure": "abc=", "on_failure": "always"}}), vec![]),
        (json!({"email": {"recipients": [secure, "a@x.example"]}}), vec!["a@x.example"]),
        (json!({"email": [secure, "a@x.example"]}), vec!["a@x.example"]),
    ];
    for (number, (notifications, expected)) in cases.iter().enumerate() {
        run(&db, number as i64 + 1, notifications).await;
        assert_eq!(mailed(&db, number as i64 + 1).await, *expected, "{notifications}");
    }
}

#[tokio::test]
async fn encrypted_slack_channels_count_as_configured() {
    let db = support::database().await;
    let secure = json!({"secure": "abc="});
    let cases = [
        (json!({"slack": secure}), vec![None]),
        (json!({"slack": [secure]}), vec![None]),
        (json!({"slack": {"rooms": secure}}), vec![None]),
        (json!({"slack": {"rooms": [secure]}}), vec![None]),
        // The one channel of the target that takes them hears it once.
        (json!({"slack": {"rooms": [secure, secure]}}), vec![None]),
        (json!({"slack": [secure, secure]}), vec![None]),
        (json!({"slack": {"secure": "abc=", "on_failure": "always"}}), vec![None]),
        (json!({"slack": {"secure": "abc=", "on_failure": "never"}}), vec![]),
        (json!({"slack": {"rooms": secure, "on_failure": "never"}}), vec![]),
        (json!({"slack": [secure, "team:token#chan"]}), vec![None, Some("team")]),
        (json!({"slack": {"rooms": ["team:token", secure]}}), vec![None, Some("team")]),
        (json!({"slack": "team:token"}), vec![Some("team")]),
        (json!({"slack": "nonsense"}), vec![]),
        // Nothing else is sent to encrypted recipients.
        (json!({"webhooks": secure, "irc": secure}), vec![]),
        (json!({"webhooks": {"urls": secure}, "irc": {"channels": [secure]}}), vec![]),
    ];
    for (number, (notifications, expected)) in cases.iter().enumerate() {
        let id = number as i64 + 1;
        run(&db, id, notifications).await;
        let sql = format!(
            "SELECT coalesce(payload -> 'notice' ->> 'account', '') FROM outbox WHERE event LIKE 'notify:%' AND key \
                LIKE 'build/{id}/%'
            AND event NOT IN ('notify:host', 'notify:email') ORDER BY 1"
        );
        let expected: Vec<&str> = expected.iter().map(|account| account.unwrap_or_default()).collect();
        assert_eq!(render::rows(&db.store, &sql).await, expected, "{notifications}");
        let kept = format!(
            "SELECT notifications::text FROM travis_builds WHERE id = {id} AND notifications::text LIKE '%abc%'"
        );
        assert_eq!(render::rows(&db.store, &kept).await, [""; 0]);
    }
}

#[tokio::test]
async fn an_unknown_time_is_a_question_mark() {
    let db = support::database().await;
    let times = |payload: Value| {
        let mut payload = payload;
        payload["state"] = json!("failed");
        payload
    };
    for (id, end, expected) in [
        (
            1,
            times(json!({"id": 11, "started_at": "2026-05-04T10:00:00Z", "finished_at": "2026-05-04T10:01:10Z"})),
            "1 min 10 sec",
        ),
        (
            2,
            times(json!({"id": 21, "started_at": "2026-05-04T10:00:10Z", "finished_at": "2026-05-04T10:00:10Z"})),
            "0 min 0 sec",
        ),
        (3, times(json!({"id": 31, "finished_at": "2026-05-04T10:00:10Z"})), "?"),
        (4, times(json!({"id": 41, "started_at": "odd", "finished_at": 7})), "?"),
    ] {
        take_in(&db.store, &[said("build:create", 0, created(id, 1, &json!({}))), said("job:finish", 70, end)]).await;
        let sql = format!(
            "SELECT payload -> 'notice' ->> 'text' FROM outbox WHERE event = 'notify:email' AND key LIKE 'build/{id}/%'"
        );
        let text = render::rows(&db.store, &sql).await.concat();
        assert!(text.contains(&format!("Duration: {expected}")), "{id}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_previous_state_of_a_branch_depends_on_no_order() {
    let db = support::database().await;
    // Builds of one branch, one of a pull request and one of another branch; the first says itself what was before.
    let story = |base: i64| {
        let of = |id: i64, more: Value| {
            said("build:create", id as u32, created(base + id, 1, &with_repository(base, &more)))
        };
        let end = |id: i64, state: &str, second: u32| {
            said(
                "job:finish",
                second,
                json!({"id": 10 * (base + id) + 1, "state": state,
                    "finished_at": format!("2026-05-04T10:00:{second:02}Z")}),
            )
        };
        vec![
            of(1, json!({"previous_state": "errored"})),
            end(1, "failed", 20),
            of(2, json!({})),
            end(2, "passed", 30),
            of(3, json!({"event_type": "pull_request"})),
            end(3, "failed", 31),
            of(4, json!({})),
            of(5, json!({"branch": "other"})),
            end(5, "errored", 32),
            of(6, json!({"event_type": "cron"})),
            end(6, "failed", 50),
        ]
    };
    let random = &mut Random::new(17);
    for round in 0..60_i64 {
        let mut messages = story(100 * (round + 1));
        if round > 0 {
            random.shuffle(&mut messages);
        }
        for some in messages.chunks(1 + round as usize % 4) {
            take_in(&db.store, some).await;
        }
        random.shuffle(&mut messages);
        take_in(&db.store, &messages).await;
    }
    let sql = "SELECT string_agg(id % 100 || ' ' || state || ' ' || coalesce(previous_state, '-'), ', ' ORDER BY id)
        FROM travis_builds GROUP BY id / 100 ORDER BY id / 100";
    let found = render::rows(&db.store, sql).await;
    let expected = "1 failed errored, 2 passed failed, 3 failed passed, 4 created passed, 5 errored -, 6 failed passed";
    assert_eq!(found, vec![expected; 60]);
    // An end that is taken back counts no more.
    take_in(&db.store, &[said("job:restart", 100, json!({"id": 10 * 102 + 1}))]).await;
    let found = render::rows(
        &db.store,
        "SELECT id % 100 || ' ' || coalesce(previous_state, '-') FROM travis_builds WHERE id IN (104, 106) ORDER BY id",
    )
    .await;
    assert_eq!(found, ["4 failed", "6 failed"]);
}

fn with_repository(id: i64, more: &Value) -> Value {
    let mut more = more.clone();
    more["repository"] = json!({"id": id, "owner_name": "acme", "name": format!("app{id}")});
    more
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_detail_never_loses_a_state() {
    let db = support::database().await;
    let mut id = 0;
    let (mut all, mut details) = (0, 0);
    // Of a build: beside what it is known by.
    let members = [
        "number",
        "previous_state",
        "event_type",
        "branch",
        "commit",
        "pull_request",
        "pull_request_number",
        "pull_request_title",
        "config",
        "created_at",
        "received_at",
        "build",
    ];
    let inner = [
        ("repository", vec!["owner_name", "name", "slug", "url", "private"]),
        (
            "commit",
            vec!["id", "sha", "message", "branch", "compare_url", "committed_at", "author_name", "author_email"],
        ),
        ("pull_request", vec!["number", "title", "head_commit"]),
        ("config", vec!["notifications", "jobs", "matrix", ".result"]),
    ];
    let of_job = [
        "stage_id",
        "stage_number",
        "number",
        "state",
        "allow_failure",
        "queue",
        "priority",
        "vm_size",
        "created_at",
        "queued_at",
    ];
    let of_stage = ["number", "name", "state"];
    for value in odd_values() {
        let mut changed: Vec<Value> = Vec::new();
        let mut add = |change: &dyn Fn(&mut Value)| {
            id += 1;
            let mut build = created(id, 1, &json!({"stages": [{"id": id}], "pull_request": {}, "config": {}}));
            build["jobs"][0]["stage_id"] = json!(id);
            change(&mut build);
            changed.push(build);
        };
        for member in members {
            add(&|build| build[member] = value.clone());
        }
        for (part, members) in &inner {
            for member in members {
                add(&|build| build[part][member] = value.clone());
            }
        }
        for member in of_job {
            add(&|build| build["jobs"][0][member] = value.clone());
        }
        for member in of_stage {
            add(&|build| build["stages"][0][member] = value.clone());
        }
        let messages: Vec<Delivery> = changed.into_iter().map(|build| said("build:create", 0, build)).collect();
        let report = take_in(&db.store, &messages).await;
        assert_eq!(report.counts().refused, 0, "{value}: {:?}", report.reasons);
        details += report.dropped;
        all += messages.len();
    }
    let kept = render::rows(&db.store, "SELECT count(*)::text FROM travis_builds").await;
    assert_eq!(kept, [all.to_string()]);
    assert!(details > 300, "{details}");

    // Of what moves a job.
    let of_message = [
        "queued_at",
        "received_at",
        "started_at",
        "finished_at",
        "vm_size",
        "restarted_by",
        "reason",
        "attempt",
        "meta",
        "worker",
    ];
    let of_meta = ["uuid", "state_update_count", "attempt", "reason", "auto"];
    for value in odd_values() {
        let mut payloads: Vec<Value> = of_message.iter().map(|member| json!({*member: value})).collect();
        payloads.extend(of_meta.iter().map(|member| json!({"meta": {*member: value}})));
        for mut payload in payloads {
            id += 1;
            payload["id"] = json!(10 * id + 1);
            payload["state"] = json!("passed");
            let create = said("build:create", 0, created(id, 1, &json!({})));
            let report = take_in(&db.store, &[create, said("job:finish", 40, payload.clone())]).await;
            let text: String = payload.to_string().chars().take(200).collect();
            assert_eq!(report.counts().refused, 0, "{text}: {:?}", report.reasons);
            let found = render::rows(&db.store, &format!("SELECT state FROM travis_builds WHERE id = {id}")).await;
            assert_eq!(found, ["passed"], "{text}");
        }
    }
    // What a message is about, and the state that it reports: without these there is nothing to keep.
    for (event, payload) in [
        ("job:finish", json!({"id": {}, "state": "passed"})),
        ("job:finish", json!({"id": 0, "state": "passed"})),
        ("job:finish", json!({"id": 11, "state": 7})),
        ("build:create", json!({"id": "x", "repository": {"id": 1}})),
        ("build:create", json!({"id": 1, "repository": {"id": []}, "jobs": [{}]})),
        ("build:create", json!({"id": 1, "repository": {"id": 1}, "jobs": [{"number": "1.1"}]})),
    ] {
        let report = take_in(&db.store, &[said(event, 0, payload.clone())]).await;
        assert!(
            report.counts().refused == 1 || payload["repository"]["id"] == json!([]),
            "{event} {payload}: {:?}",
            report.reasons
        );
    }
}
