//! Notifications about builds: from messages to fakes of Slack, SES, GitHub, an IRC bridge, and webhook receivers.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hummingbird_status::db::Store;
use hummingbird_status::deliver::Deliverer;
use hummingbird_status::deliver::targets::Target;
use hummingbird_status::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePrivateKey;
use rsa::signature::Verifier;
use serde_json::{Value, json};
use sha1::Sha1;

use super::{TOKEN, drain, later, read};
use crate::support::builds::{at, delivery, fresh};
use crate::support::forge::{Forge, Reply, answer, created};
use crate::support::{self, deadline, render};

pub(super) const SHA: &str = "62aae5f70ceee39123ef62aae5f70ceee39123ef";

/// A build with one job and the notifications of its configuration.
pub(super) fn create(id: i64, notifications: &Value) -> Delivery {
    delivery("build:create", &create_payload(id, notifications), 0)
}

fn create_payload(id: i64, notifications: &Value) -> Value {
    json!({
        "id": id, "number": "7", "event_type": "push", "branch": "main", "previous_state": "failed",
        "repository": {"id": 1, "owner_name": "acme", "name": "app", "url": "https://ghe.acme.example/acme/app"},
        "commit": {
            "sha": SHA, "message": "Fix it\n\nAt last.", "author_name": "Ada", "author_email": "ada@acme.example",
            "committer_email": "bob@elsewhere.example",
            "compare_url": "https://ghe.acme.example/acme/app/compare/a...b",
        },
        "config": {"notifications": notifications},
        "jobs": [{"id": 100 * id, "number": "7.1"}],
    })
}

pub(super) fn start(id: i64) -> Delivery {
    delivery("job:start", &json!({"id": 100 * id, "started_at": at(10)}), 11)
}

pub(super) fn finish(id: i64, state: &str) -> Delivery {
    delivery("job:finish", &json!({"id": 100 * id, "state": state, "started_at": at(10), "finished_at": at(70)}), 71)
}

pub(super) async fn take_in(store: &Store, deliveries: &[Delivery]) {
    let deliveries: Vec<Delivery> = deliveries.iter().map(fresh).collect();
    let report = ingest::ingest(store, &deliveries, &Settings::default(), deadline()).await;
    assert!(report.error.is_none() && report.counts().refused == 0, "{:?}", report.reasons);
}

/// A build that has run.
async fn run(store: &Store, id: i64, notifications: &Value, state: &str) {
    take_in(store, &[create(id, notifications), start(id), finish(id, state)]).await;
}

/// A passed build with these notifications.
pub async fn take_builds(store: &Store, notifications: &Value) {
    run(store, 1, notifications, "passed").await;
}

/// A target of this kind.
fn target(kind: &str, more: &str) -> Vec<Target> {
    read(&format!("[[target]]\nname = '{kind}'\nkind = '{kind}'\npages = 'https://ci.acme.example/'\n{more}\n"))
}

/// The outcomes of deliveries, in order.
pub(super) async fn deliveries(store: &Store) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', o.event, d.state, d.attempts, d.reason) FROM deliveries AS d \
               JOIN outbox AS o ON o.id = d.outbox_id ORDER BY d.outbox_id";
    render::rows(store, sql).await
}

/// The notes of events that could not be routed.
async fn noted(store: &Store) -> Vec<String> {
    render::rows(store, "SELECT concat_ws(' ', event, key, note) FROM outbox WHERE note IS NOT NULL ORDER BY id").await
}

#[tokio::test]
async fn slack_is_notified_once_and_retried_after_a_fault() {
    let db = support::database().await;
    let faults = Arc::new(Mutex::new(1));
    let forge = Forge::start(move |_| match std::mem::take(&mut *faults.lock().unwrap()) {
        0 => answer(200, &[], "ok"),
        _ => answer(500, &[], "rollup_error"),
    })
    .await;
    let targets = target(
        "slack",
        &format!("hosts = ['acme.slack.com']\ntoken = 'env:TOKEN'\napi = '{}'\nchannels = ['#ci']", forge.url),
    );
    let notifications = json!({
        "email": false,
        "slack": {"rooms": ["acme:hunter3#ci", "other:hunter3#ci", "invalid"], "on_success": "change"},
    });
    run(&db.store, 1, &notifications, "passed").await;
    drain(&db.store, &targets).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    drain(&db.store, &targets).await;
    let posts = forge.posts();
    let lines: Vec<String> = posts.iter().map(|post| format!("{} {}", post.method, post.path)).collect();
    assert_eq!(lines, [format!("POST /services/hooks/travis?token={TOKEN}"), lines[0].clone()]);
    let text = "Build <https://ci.acme.example/acme/app/builds/1?utm_source=slack&utm_medium=notification|#7> \
                (<https://ghe.acme.example/acme/app/compare/a...b|62aae5f>) of acme/app@main by Ada passed in 1 min 0 \
                sec";
    let expected = json!({
        "attachments": [{"fallback": text, "text": text, "color": "good", "mrkdwn_in": ["text"]}],
        "icon_url": "https://ci.acme.example/images/travis-mascot-150.png", "channel": "#ci",
    });
    assert_eq!((&posts[0].body, &posts[1].body), (&expected, &expected));
    assert_eq!(deliveries(&db.store).await, ["notify:slack delivered 2"]);
    assert_eq!(noted(&db.store).await, ["notify:slack build/1/slack/0.1 foreign_host"]);
    // The token from the configuration of the build is stored nowhere.
    let kept = "SELECT notifications::text FROM travis_builds UNION ALL SELECT payload::text FROM outbox";
    assert!(!render::rows(&db.store, kept).await.concat().contains("hunter3"));
}

#[tokio::test]
async fn a_message_that_slack_rejects_is_dead_and_shows_no_token() {
    let db = support::database().await;
    let says = format!("channel_not_found {TOKEN}");
    let forge = Forge::start(move |_| answer(404, &[], &says)).await;
    let targets = target("slack", &format!("hosts = ['*']\ntoken = 'env:TOKEN'\napi = '{}'", forge.url));
    run(&db.store, 1, &json!({"email": false, "slack": format!("acme:{TOKEN}#gone")}), "failed").await;
    drain(&db.store, &targets).await;
    drain(&db.store, &targets).await;
    assert_eq!(forge.count(), 1);
    assert_eq!(forge.posts()[0].body["attachments"][0]["color"], "danger");
    assert_eq!(deliveries(&db.store).await, ["notify:slack dead 1 404: channel_not_found ***"]);
}

/// A configuration may name a channel if it has the token of the target, or if the document lists the channel: a pull
/// request can change the configuration, but does not know the token.
#[tokio::test]
async fn slack_channels_need_the_token_or_an_allow_list() {
    let named = format!("acme:{TOKEN}#general");
    let with_api = |more: &str| format!("hosts = ['acme.slack.com']\ntoken = 'env:TOKEN'\napi = '{{}}'\n{more}");
    for (account, more, channel) in [
        ("acme:notthetoken#general", "", None),
        ("acme:notthetoken", "", None),
        ("acme:_#general", "channels = ['#ci']", None),
        ("acme:notthetoken#ci", "channels = ['#ci']", Some("#ci")),
        ("acme:notthetoken#general", "channels = ['*']", Some("#general")),
        (&named, "", Some("#general")),
    ] {
        let db = support::database().await;
        let forge = Forge::start(|_| answer(200, &[], "ok")).await;
        let targets = target("slack", &with_api(more).replace("{}", &forge.url));
        let notifications = json!({"email": false, "slack": {"rooms": [account], "on_success": "always"}});
        run(&db.store, 1, &notifications, "passed").await;
        drain(&db.store, &targets).await;
        let channels: Vec<Value> = forge.posts().iter().map(|post| post.body["channel"].clone()).collect();
        assert_eq!(channels, channel.map(Value::from).into_iter().collect::<Vec<_>>(), "{account} {more}");
        let shown = deliveries(&db.store).await;
        assert_eq!(channel.is_none(), shown[0].contains("does not name the token"), "{account} {more}: {shown:?}");
    }
    // An incoming webhook posts to its own channel.
    for (more, channel) in [("", Value::Null), ("channels = ['#general']", json!("#general"))] {
        let db = support::database().await;
        let forge = Forge::start(|_| answer(200, &[], "ok")).await;
        let document = format!(
            "[[target]]\nname = 's'\nkind = 'slack'\nhosts = ['*']\nurl = 'env:URL'\npages = \
                'https://ci.acme.example'\n{more}\n"
        );
        let lookup = |name: &str| match name {
            "DELIVERY_TARGETS" => Some(document.clone()),
            "URL" => Some(format!("{}/services/T/B/x", forge.url)),
            _ => None,
        };
        let targets = hummingbird_status::deliver::targets::targets(&lookup).unwrap();
        let create =
            create(1, &json!({"email": false, "slack": {"rooms": ["acme:x#general"], "on_success": "always"}}));
        take_in(&db.store, &[create, start(1), finish(1, "passed")]).await;
        drain(&db.store, &targets).await;
        assert_eq!(forge.posts()[0].body["channel"], channel, "{more}");
    }
}

#[tokio::test]
async fn a_pull_request_cannot_mention_a_channel_or_insert_a_link() {
    let template = "<!channel> <https://evil.example|Log in again> %{branch} & %{result}";
    for (event, expected) in [
        ("pull_request", "&lt;!channel&gt; &lt;https://evil.example|Log in again&gt; main &amp; passed"),
        ("push", "<!channel> <https://evil.example|Log in again> main & passed"),
    ] {
        let db = support::database().await;
        let forge = Forge::start(|_| answer(200, &[], "ok")).await;
        let more = format!("hosts = ['acme.slack.com']\ntoken = 'env:TOKEN'\napi = '{}'\nchannels = ['*']", forge.url);
        let notifications =
            json!({"email": false, "slack": {"rooms": ["acme:x#c"], "template": template, "on_success": "always"}});
        let mut payload = create_payload(1, &notifications);
        payload["event_type"] = json!(event);
        payload["pull_request"] = json!({"number": 3});
        take_in(&db.store, &[delivery("build:create", &payload, 0), start(1), finish(1, "passed")]).await;
        drain(&db.store, &target("slack", &more)).await;
        assert_eq!(forge.posts()[0].body["attachments"][0]["text"], expected);
    }
}

async fn send_mail(store: &Store, targets: &[Target]) {
    let credentials = Credentials::new("AKIDEXAMPLE", TOKEN, Some("session".to_owned()), None, "test");
    let deliverer = Deliverer::new(store.clone(), targets.to_vec(), None).unwrap();
    let deliverer = deliverer.mailing(Some(SharedCredentialsProvider::new(credentials)));
    super::run(&deliverer).await;
}

#[tokio::test]
async fn mail_goes_to_allowed_domains_signed_and_paced_by_ses() {
    let db = support::database().await;
    let limits = Arc::new(Mutex::new(1));
    let forge = Forge::start(move |_| match std::mem::take(&mut *limits.lock().unwrap()) {
        0 => answer(200, &[], r#"{"MessageId":"1"}"#),
        _ => answer(429, &[("x-amzn-errortype", "TooManyRequestsException")], r#"{"message":"Maximum sending rate"}"#),
    })
    .await;
    let more = format!(
        "hosts = ['acme.example']\nfrom = 'CI <ci@acme.example>'\nregion = 'eu-west-1'\napi = '{}'\nconcurrency = 1\n\
         except = ['Eve@acme.example']",
        forge.url
    );
    let targets = target("mail", &more);
    // No recipient is configured: the authors whose addresses are in the domain.
    run(&db.store, 1, &json!({}), "passed").await;
    send_mail(&db.store, &targets).await;
    assert_eq!(
        deliveries(&db.store).await,
        ["notify:email pending 0 TooManyRequestsException: 429: Maximum sending rate"]
    );
    later(&db.store).await;
    send_mail(&db.store, &targets).await;
    let post = forge.posts()[1].clone();
    assert_eq!((&*post.method, &*post.path), ("POST", "/v2/email/outbound-emails"));
    assert!(post.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(post.header("authorization").unwrap().contains("/eu-west-1/ses/aws4_request, SignedHeaders=host;"));
    assert_eq!(post.header("x-amz-security-token"), Some("session"));
    assert_eq!(post.body["FromEmailAddress"], "CI <ci@acme.example>");
    assert_eq!(post.body["Destination"], json!({"ToAddresses": ["ada@acme.example"]}));
    let simple = &post.body["Content"]["Simple"];
    assert_eq!(simple["Subject"]["Data"], "Fixed: acme/app#7 (main - 62aae5f)");
    assert_eq!(
        simple["Headers"],
        json!([
            {"Name": "Travis-CI-Repository", "Value": "acme/app"},
            {"Name": "Travis-CI-Result", "Value": "fixed"},
            {"Name": "In-Reply-To", "Value": "<acme/app+1+fixed@ci.acme.example>"},
        ])
    );
    let text = simple["Body"]["Text"]["Data"].as_str().unwrap();
    assert!(
        text.contains("\nStatus: Fixed\n") && text.contains("https://ci.acme.example/acme/app/builds/1\n"),
        "{text}"
    );
    assert_eq!(noted(&db.store).await, ["notify:email build/1/email/0.1 foreign_host"]);
    // No mail about an unchanged state, none if mail is disabled, and none to invalid addresses.
    let recipients = ["carl@acme.example", "eve@acme.example", "dora@acme.local", "x@acme.example\r\nBcc: y@z.example"];
    run(&db.store, 2, &json!({"email": {"recipients": recipients, "on_success": "always"}}), "passed").await;
    send_mail(&db.store, &targets).await;
    let to: Vec<String> = forge.posts()[2..].iter().map(|post| post.body["Destination"].to_string()).collect();
    assert_eq!(to, [r#"{"ToAddresses":["carl@acme.example"]}"#]);
}

/// Check runs of one repository, as GitHub keeps them.
#[derive(Default)]
pub(super) struct CheckRuns {
    pub(super) runs: Vec<Value>,
    /// Whether the answer to the next creation of a check run is lost.
    loses: bool,
}

impl CheckRuns {
    pub(super) fn take(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        match method {
            "GET" => answer(200, &[], &json!({"total_count": self.runs.len(), "check_runs": self.runs}).to_string()),
            "POST" => {
                let mut run = body.clone();
                run["id"] = json!(500 + self.runs.len());
                self.runs.push(run);
                let made = answer(201, &[], &self.runs[self.runs.len() - 1].to_string());
                if std::mem::take(&mut self.loses) { Reply::Cut } else { made }
            }
            _ => {
                let id: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
                let run = self.runs.iter_mut().find(|run| run["id"] == json!(id)).unwrap();
                // As on GitHub: a completed check run stays completed.
                let reopens = run["status"] == "completed" && body["status"] != "completed";
                assert!(!reopens, "{body}");
                for (name, value) in body.as_object().unwrap() {
                    run[name] = value.clone();
                }
                answer(200, &[], "{}")
            }
        }
    }
}

#[tokio::test]
async fn a_check_run_is_made_once_and_follows_its_build() {
    let db = support::database().await;
    let github = Arc::new(Mutex::new(CheckRuns { loses: true, ..CheckRuns::default() }));
    let runs = Arc::clone(&github);
    let forge = Forge::start(move |post| runs.lock().unwrap().take(&post.method, &post.path, &post.body)).await;
    let more = format!("hosts = ['ghe.acme.example']\ntoken = 'env:TOKEN'\napi = '{}/api/v3'", forge.url);
    let commit = format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['ghe.acme.example']\ntoken = 'env:TOKEN'\napi = \
            '{}/api/v3'",
        forge.url
    );
    let targets = [target("check_run", &more), read(&commit)].concat();
    let quiet = json!({"email": false});
    take_in(&db.store, &[create(1, &quiet)]).await;
    drain(&db.store, &targets).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    take_in(&db.store, &[start(1)]).await;
    drain(&db.store, &targets).await;
    take_in(&db.store, &[finish(1, "failed")]).await;
    drain(&db.store, &targets).await;
    let one = format!(
        "/api/v3/repos/acme/app/commits/{SHA}/check-runs?check_name=Travis%20CI%20%2D%20Branch&filter=all&per_page=10&page=1"
    );
    let asked: Vec<String> = forge.posts().iter().map(|post| format!("{} {}", post.method, post.path)).collect();
    let (find, made, updated) =
        (format!("GET {one}"), "POST /api/v3/repos/acme/app/check-runs", "PATCH /api/v3/repos/acme/app/check-runs/500");
    assert_eq!(asked, [&find, made, &find, updated, updated, updated], "the id is kept, and not searched for");
    let runs = github.lock().unwrap().runs.clone();
    assert_eq!(runs.len(), 1, "a lost answer must not make a second one");
    let kept = "SELECT run_id || ' ' || completed FROM check_runs";
    assert_eq!(render::rows(&db.store, kept).await, ["500 true"]);
    let members =
        ["name", "head_sha", "external_id", "status", "conclusion", "started_at", "completed_at", "details_url"];
    assert_eq!(
        members.map(|member| runs[0][member].as_str().unwrap_or_default().to_owned()),
        [
            "Travis CI - Branch",
            SHA,
            "1",
            "completed",
            "failure",
            &at(10),
            &at(70),
            "https://ci.acme.example/github/acme/app/builds/1"
        ]
    );
    assert_eq!(runs[0]["output"]["title"], "Build Failed");
    assert!(runs[0]["output"]["text"].as_str().unwrap().contains("| 7.1 |  | failed |"));
    assert!(forge.posts().iter().all(|post| post.header("authorization") == Some(&format!("Bearer {TOKEN}"))));
    // Instead of commit statuses.
    assert_eq!(render::rows(&db.store, "SELECT target FROM commit_statuses").await, [""; 0]);
}

/// GitHub does not reopen a completed check run: the old failure would stay while the restarted job is running.
#[tokio::test]
async fn a_check_run_of_a_restarted_job_is_a_new_one() {
    let db = support::database().await;
    let github = Arc::new(Mutex::new(CheckRuns::default()));
    let runs = Arc::clone(&github);
    let forge = Forge::start(move |post| runs.lock().unwrap().take(&post.method, &post.path, &post.body)).await;
    let more = format!("hosts = ['ghe.acme.example']\ntoken = 'env:TOKEN'\napi = '{}/api/v3'", forge.url);
    let targets = target("check_run", &more);
    let restart = |second: i64| delivery("job:restart", &json!({"id": 100}), second);
    let again = |event: &str, state: &str, second: i64| {
        let payload = json!({"id": 100, "state": state, "started_at": at(second - 1), "finished_at": at(second)});
        delivery(event, &payload, second)
    };
    for message in [
        create(1, &json!({"email": false})),
        start(1),
        finish(1, "failed"),
        restart(100),
        again("job:finish", "errored", 120),
        restart(130),
        again("job:start", "started", 140),
        again("job:finish", "passed", 150),
    ] {
        take_in(&db.store, &[message]).await;
        drain(&db.store, &targets).await;
    }
    let states = |runs: &[Value]| -> Vec<String> {
        runs.iter()
            .map(|run| format!("{} {} {}", run["id"], run["status"], run["conclusion"]).replace('"', ""))
            .collect()
    };
    let runs = github.lock().unwrap().runs.clone();
    assert_eq!(states(&runs)[..], ["500 completed failure", states(&runs)[1].as_str(), "502 completed success"]);
    assert!(states(&runs)[1].starts_with("501 completed"), "{:?}", states(&runs));
    let searches = forge.posts().iter().filter(|post| post.method == "GET").count();
    assert_eq!(searches, 1, "only before the first one is made");
}

#[tokio::test]
async fn commits_get_statuses_of_builds_and_their_restarts() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = read(&format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['ghe.acme.example']\ntoken = 'env:TOKEN'\napi = '{}'\n\
         pages = 'https://ci.acme.example'",
        forge.url
    ));
    let restart = delivery("build:restart", &json!({"id": 1}), 200);
    let again = delivery(
        "job:finish",
        &json!({"id": 100, "state": "passed", "started_at": at(210), "finished_at": at(260)}),
        261,
    );
    for message in [create(1, &json!({"email": false})), finish(1, "errored"), start(1), restart, again] {
        take_in(&db.store, &[message]).await;
        drain(&db.store, &targets).await;
    }
    let posted: Vec<String> =
        forge.posts().iter().map(|post| format!("{} {}", post.path, post.body["state"])).collect();
    let path = format!("/repos/acme/app/statuses/{SHA}");
    let expected = ["pending", "error", "pending", "success"].map(|state| format!("{path} \"{state}\""));
    assert_eq!(posted, expected);
    assert_eq!(
        forge.posts()[3].body,
        json!({
            "state": "success", "context": "continuous-integration/travis-ci/push", "description": "The Travis CI \
                build passed",
            "target_url": "https://ci.acme.example/github/acme/app/builds/1?utm_source=github_status&utm_medium=notification",
        })
    );
}

/// Restarts of two jobs that arrive in the wrong order: the status still follows the build.
#[tokio::test]
async fn the_status_follows_the_build_not_the_clock() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let targets = read(&format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['ghe.acme.example']\ntoken = 'env:TOKEN'\napi = '{}'",
        forge.url
    ));
    let mut payload = create_payload(1, &json!({"email": false}));
    payload["jobs"] = json!([{"id": 100, "number": "7.1"}, {"id": 101, "number": "7.2"}]);
    let ended = |job: i64, state: &str, second: i64| {
        let payload = json!({"id": job, "state": state, "started_at": at(second - 9), "finished_at": at(second)});
        delivery("job:finish", &payload, second + 1)
    };
    let restarted = |job: i64, second: i64| delivery("job:restart", &json!({"id": job}), second);
    for message in [
        delivery("build:create", &payload, 0),
        ended(100, "failed", 70),
        ended(101, "failed", 71),
        restarted(100, 300),
        ended(100, "passed", 320),
        restarted(101, 200),
        ended(101, "passed", 330),
    ] {
        take_in(&db.store, &[message]).await;
        drain(&db.store, &targets).await;
    }
    let posted: Vec<Value> = forge.posts().iter().map(|post| post.body["state"].clone()).collect();
    let build = render::rows(&db.store, "SELECT state FROM travis_builds").await;
    assert_eq!((posted.last(), &*build), (Some(&json!("success")), &["passed".to_owned()][..]), "{posted:?}");
    assert!(posted.windows(2).all(|two| two[0] != two[1]), "{posted:?}");
}

#[tokio::test]
async fn webhooks_are_signed_forms_to_allowed_hosts_only() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let other = Forge::start(|_| created()).await;
    let host = forge.url.trim_start_matches("http://").to_owned();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/deliver/hook-key.pem");
    let more = format!("hosts = ['{host}']\nkey = 'file:{key}'\nsecret = 'env:TOKEN'\nallow_private = true");
    let targets = target("travis_webhook", &more);
    let urls = [
        format!("http://user:hunter3@{host}/in?x=1"),
        format!("{}/in", other.url),
        format!("http://{host}@{}/in", other.url.trim_start_matches("http://")),
        "file:///etc/passwd".to_owned(),
    ];
    let notifications = json!({"email": false, "webhooks": {"urls": urls, "on_start": "always"}});
    run(&db.store, 1, &notifications, "passed").await;
    drain(&db.store, &targets).await;
    assert_eq!((forge.count(), other.count()), (2, 0));
    assert_eq!(noted(&db.store).await.len(), 4, "two other addresses, twice");
    let posts = forge.posts();
    let document = |index: usize| {
        let form: &str = posts[index].text.strip_prefix("payload=").unwrap();
        percent_encoding::percent_decode_str(form).decode_utf8().unwrap().into_owned()
    };
    let states: Vec<Value> =
        [0, 1].map(|index| serde_json::from_str::<Value>(&document(index)).unwrap()["status_message"].clone()).into();
    assert_eq!(states, ["Pending", "Fixed"]);
    let last: Value = serde_json::from_str(&document(1)).unwrap();
    assert_eq!((&last["status"], &last["build_url"]), (&json!(0), &json!("https://ci.acme.example/acme/app/builds/1")));
    assert_eq!((&last["matrix"][0]["number"], &last["number"]), (&json!("7.1"), &json!(7)));
    let post = &posts[1];
    assert_eq!((&*post.method, &*post.path), ("POST", "/in?x=1"));
    assert_eq!(post.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(post.header("travis-repo-slug"), Some("acme/app"));
    assert_eq!(post.header("user-agent"), Some("Travis CI Notifications"));
    assert!(post.header("webhook-signature").is_some_and(|signature| signature.starts_with("v1,")));
    let key = RsaPrivateKey::from_pkcs8_pem(&std::fs::read_to_string(key).unwrap()).unwrap();
    let signature = STANDARD.decode(post.header("signature").unwrap()).unwrap();
    let signature = Signature::try_from(&*signature).unwrap();
    let verifying = VerifyingKey::<Sha1>::new(key.to_public_key());
    verifying.verify(document(1).as_bytes(), &signature).unwrap();
    assert!(verifying.verify(document(0).as_bytes(), &signature).is_err());
    let kept = "SELECT notifications::text FROM travis_builds UNION ALL SELECT payload::text FROM outbox";
    assert!(!render::rows(&db.store, kept).await.concat().contains("hunter3"));
}

/// A receiver that is down blocks no other, and each gets its events in order.
#[tokio::test]
async fn an_unavailable_webhook_blocks_only_itself() {
    let db = support::database().await;
    let forge = Forge::start(|post| if post.path == "/down" { answer(503, &[], "") } else { created() }).await;
    let host = forge.url.trim_start_matches("http://").to_owned();
    let targets = target("travis_webhook", &format!("hosts = ['{host}']\nformat = 'json'\nallow_private = true"));
    let urls = [format!("http://{host}/down"), format!("http://{host}/up")];
    let notifications = json!({"email": false, "webhooks": {"urls": urls, "on_start": "always"}});
    run(&db.store, 1, &notifications, "passed").await;
    for _ in 0..3 {
        drain(&db.store, &targets).await;
        later(&db.store).await;
    }
    let states = |forge: &Forge, path: &str| -> Vec<Value> {
        forge.posts().iter().filter(|post| post.path == path).map(|post| post.body["state"].clone()).collect()
    };
    assert_eq!(states(&forge, "/up"), ["started", "passed"]);
    let down = states(&forge, "/down");
    assert!(!down.is_empty() && down.iter().all(|state| state == "started"), "{down:?}");
    forge.now(|_| created());
    drain(&db.store, &targets).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    assert_eq!(states(&forge, "/down").split_off(down.len()), ["started", "passed"]);
    assert_eq!(states(&forge, "/up").len(), 2);
}

#[tokio::test]
async fn an_irc_bridge_gets_lines() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let more = format!(
        "hosts = ['irc.libera.example']\nurl = '{}/irc'\nsecret = 'env:TOKEN'\nallow_private = true",
        forge.url
    );
    let targets = target("irc", &more);
    let channels =
        ["irc.libera.example#ci", "ircs://irc.libera.example:7000/#own", "irc.other.example#ci", "no channel"];
    run(&db.store, 1, &json!({"email": false, "irc": {"channels": channels}}), "errored").await;
    drain(&db.store, &targets).await;
    let posts = forge.posts();
    let lines = [
        "acme/app#7 (main - 62aae5f : Ada): The build has errored.",
        "Change view : https://ghe.acme.example/acme/app/compare/a...b",
        "Build details : https://ci.acme.example/acme/app/builds/1",
    ];
    let expected = |port: u16, tls: bool, channel: &str| {
        json!({"server": "irc.libera.example", "port": port,
        "tls": tls, "channel": channel, "lines": lines})
    };
    let mut found: Vec<Value> = posts.iter().map(|post| post.body.clone()).collect();
    found.sort_by_key(Value::to_string);
    assert_eq!(found, [expected(6667, false, "#ci"), expected(7000, true, "#own")]);
    assert!(posts.iter().all(|post| post.header("webhook-signature").is_some()));
    assert_eq!(noted(&db.store).await, ["notify:irc build/1/irc/0.2 foreign_host"]);
}

/// Events for one kind of sender, or for workers, are sent only to targets that name them.
#[tokio::test]
async fn internal_events_go_to_targets_that_name_them() {
    let db = support::database().await;
    let notifications = json!({"slack": "acme:x#ci"});
    take_in(&db.store, &[create(1, &notifications), start(1)]).await;
    take_in(&db.store, &[delivery("build:cancel", &json!({"id": 1}), 90)]).await;
    let (mut forges, mut document) = (Vec::new(), String::new());
    for (name, events) in [
        ("all", ""),
        ("any", "events = ['*']"),
        ("own", "events = ['worker:*']"),
        ("mail", "events = ['notify:email']"),
    ] {
        let forge = Forge::start(|_| created()).await;
        let kind = "kind = 'webhook'\nsecret = 'env:TOKEN'\nallow_private = true";
        document += &format!("[[target]]\nname = '{name}'\n{kind}\nurl = '{}/in'\n{events}\n", forge.url);
        forges.push((name, forge));
    }
    drain(&db.store, &read(&document)).await;
    let names = forges.iter().map(|(name, forge)| {
        let mut types: Vec<String> =
            forge.posts().iter().map(|post| post.body["type"].as_str().unwrap().to_owned()).collect();
        types.sort();
        types.dedup();
        format!("{name}: {}", types.join(" "))
    });
    let names: Vec<String> = names.collect();
    let news = "build:canceled build:created build:started job:canceled job:created job:started";
    let expected = [&format!("all: {news}"), &format!("any: {news}"), "own: worker:cancel_job", "mail: notify:email"];
    assert_eq!(names, expected);
}
