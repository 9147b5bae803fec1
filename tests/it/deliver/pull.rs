//! The pull API for clients behind a firewall, and its client.

use hummingbird_status::deliver::pull::{PullClient, PullSetUp, routes};
use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::platform::secret::Secret;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{TOKEN, drain, posted, status, take_in};
use crate::support::buildkite::{Event, event};
use crate::support::forge::{Forge, answer, created};
use crate::support::{self, deadline, render};

/// Two clients with a key each: one for this machine as a host, one for another.
fn pulled() -> Vec<Target> {
    let document = "[[target]]\nname = 'inside'\nkind = 'github'\nhosts = ['127.0.0.1', 'ghe.acme.example']\napi_key \
        = 'env:KEY'\n\
                    [[target]]\nname = 'other'\nkind = 'github'\nhosts = ['other.example']\napi_key = 'env:OTHER'";
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.to_owned()),
        "KEY" => Some("key-one".to_owned()),
        "OTHER" => Some("key-two".to_owned()),
        _ => None,
    };
    targets(&lookup).unwrap()
}

/// Serves the routes; returns the address.
async fn serve(db: &support::Db) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let registered = pulled().iter().map(Target::registration).collect();
    let routes = routes(db.store.clone(), &pulled(), registered).into_router();
    tokio::spawn(axum::serve(listener, routes).into_future());
    url
}

async fn call(method: Method, url: &str, key: &str, body: &Value) -> (StatusCode, Value) {
    let request =
        hummingbird_status::platform::https::client().build().unwrap().request(method, url).header("x-api-key", key);
    let request = if body.is_null() { request } else { request.body(body.to_string()) };
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn leases_are_granted_and_returned() {
    let db = support::database().await;
    let url = serve(&db).await;
    let all = format!("{url}/v1/deliveries");
    let get = async |query: &str, key: &str| call(Method::GET, &format!("{all}{query}"), key, &Value::Null).await;
    let one = |lease: &Value| format!("{all}/{}", lease.as_str().unwrap());
    for (query, key, expected) in [
        ("", "", 401),
        ("", "key-on", 401),
        ("?max=0", "key-one", 400),
        ("?max=101", "key-one", 400),
        ("?wait=21", "key-one", 400),
        ("?wait=x", "key-one", 400),
        ("?other=1", "key-one", 400),
        ("?max=5&wait=0", "key-one", 200),
    ] {
        assert_eq!(get(query, key).await.0.as_u16(), expected, "{query} {key}");
    }
    take_in(&db.store, &[event("started", 1)]).await;
    drain(&db.store, &pulled()).await;

    // The key of another client gets no lease, and cannot end one.
    assert_eq!(get("", "key-two").await.1, json!({"deliveries": []}));
    let (_, body) = get("?max=3", "key-one").await;
    let leased = &body["deliveries"][0];
    assert_eq!(body["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&leased["repo"], &leased["state"], &leased["context"]),
        (&json!("acme/app"), &json!("pending"), &json!("buildkite/app"))
    );
    assert_eq!(leased["expires_in"], 120);
    let first = one(&leased["lease"]);
    assert_eq!(call(Method::DELETE, &first, "key-two", &Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call(Method::DELETE, &first, "wrong", &Value::Null).await.0, StatusCode::UNAUTHORIZED);
    // It is leased: no other client gets it.
    assert_eq!(get("", "key-one").await.1, json!({"deliveries": []}));
    for _ in 0..2 {
        assert_eq!(
            call(Method::DELETE, &first, "key-one", &Value::Null).await.0,
            StatusCode::NO_CONTENT,
            "once or twice"
        );
    }
    assert_eq!(status(&db.store).await, "delivered | 1 | 1 | -");
    assert_eq!(call(Method::POST, &first, "key-one", &json!({})).await.0, StatusCode::GONE);
    for lease in ["x", "00000000-0000-4000-8000-00000000000g"] {
        assert_eq!(
            call(Method::DELETE, &format!("{all}/{lease}"), "key-one", &Value::Null).await.0,
            StatusCode::NOT_FOUND
        );
    }
    let never = format!("{all}/00000000-0000-4000-8000-000000000000");
    assert_eq!(call(Method::DELETE, &never, "key-one", &Value::Null).await.0, StatusCode::GONE);

    // Returned for an immediate retry; then as dead.
    take_in(&db.store, &[event("failing", 2)]).await;
    drain(&db.store, &pulled()).await;
    let lease = async || one(&get("?wait=5", "key-one").await.1["deliveries"][0]["lease"]);
    let second = lease().await;
    assert_eq!(
        call(Method::POST, &second, "key-one", &json!({"retry_after": "soon"})).await.0,
        StatusCode::BAD_REQUEST
    );
    let back = json!({"reason": "the proxy is away", "retry_after": 0});
    assert_eq!(call(Method::POST, &second, "key-one", &back).await.0, StatusCode::NO_CONTENT);
    assert_eq!(status(&db.store).await, "pending | 1 | 1 | the proxy is away");
    let third = lease().await;
    let back = json!({"reason": "no such repository", "permanent": true});
    assert_eq!(call(Method::POST, &third, "key-one", &back).await.0, StatusCode::NO_CONTENT);
    assert_eq!(status(&db.store).await, "dead | 2 | 1 | no such repository");

    // The lease expired and another client has it: the report of the first client is ignored.
    take_in(&db.store, &[event("failed", 3)]).await;
    drain(&db.store, &pulled()).await;
    let late = lease().await;
    let ran_out = "UPDATE commit_statuses SET lease_until = now() - interval '1 second', next_attempt_at = now()";
    db.store.script(ran_out, deadline()).await.unwrap();
    let newer = lease().await;
    assert_ne!(late, newer);
    assert_eq!(call(Method::DELETE, &late, "key-one", &Value::Null).await.0, StatusCode::GONE);
    assert_eq!(call(Method::DELETE, &newer, "key-one", &Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(render::table(&db.store, &["state", "cut"], "FROM commit_statuses").await, "delivered | 1");
}

#[tokio::test]
async fn a_key_has_a_rate_limit() {
    let db = support::database().await;
    let all = format!("{}/v1/deliveries", serve(&db).await);
    let client = hummingbird_status::platform::https::client().build().unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..25 {
        let request = client.get(format!("{all}?wait=1")).header("x-api-key", "key-one");
        requests.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    let mut answers = requests.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 10, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
    // The other client is not affected.
    let other = client.get(&all).header("x-api-key", "key-two").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}

fn client(api: &str, key: &str, github: &str) -> PullClient {
    PullClient::new(&PullSetUp {
        api_url: api.to_owned(),
        api_key: Secret::new(key),
        github_url: github.to_owned(),
        github_token: Secret::new(TOKEN),
        ca_bundle: None,
    })
    .unwrap()
}

/// The states of all commit statuses.
async fn states(db: &support::Db) -> String {
    render::table(&db.store, &["state"], "FROM commit_statuses").await
}

#[tokio::test]
async fn the_client_posts_and_reports_the_outcomes() {
    let db = support::database().await;
    let api = serve(&db).await;
    let ghe = Forge::start(|post| match post.path.contains("/missing/") {
        true => {
            answer(422, &[], r#"{"message":"Validation Failed","errors":"reached the maximum number of statuses"}"#)
        }
        false => created(),
    })
    .await;
    let missing = Event { build: "m", repo: "git@127.0.0.1:acme/missing.git", ..event("passed", 5) };
    take_in(&db.store, &[event("started", 1), event("passed", 5), missing]).await;
    drain(&db.store, &pulled()).await;
    let none_left = async || !states(&db).await.contains("pending");
    let totals = client(&api, "key-one", &ghe.url).run(support::until("the end", none_left)).await;
    assert_eq!((totals.delivered, totals.dead, totals.again), (1, 1, 0));
    let mut found = posted(&ghe);
    found.sort();
    assert_eq!(found, ["success: Build #7 passed (5 seconds)"; 2]);
    assert_eq!(ghe.posts()[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let rows =
        render::table(&db.store, &["repo", "state", "left(reason, 10)"], "FROM commit_statuses ORDER BY 1").await;
    assert_eq!(rows, "acme/app | delivered | -\nacme/missing | dead | status_cap");
}

/// GitHub is unavailable: rows wait and the circuit breaker opens, as with direct posts. Then it is available again.
#[tokio::test]
async fn faults_at_the_client_are_stored_in_the_rows() {
    let db = support::database().await;
    let api = serve(&db).await;
    let ghe = Forge::start(|_| answer(401, &[], r#"{"message":"Bad credentials"}"#)).await;
    take_in(&db.store, &[event("passed", 5)]).await;
    drain(&db.store, &pulled()).await;
    let rejected = async || status(&db.store).await.contains("token");
    client(&api, "key-one", &ghe.url).run(support::until("a rejection", rejected)).await;
    assert_eq!(ghe.count(), 1);
    assert!(status(&db.store).await.starts_with("pending | 0 | 0 | the token is wrong"));
    super::later(&db.store).await;
    ghe.now(|_| created());
    let none_left = async || !states(&db).await.contains("pending");
    client(&api, "key-one", &ghe.url).run(support::until("the end", none_left)).await;
    assert_eq!(status(&db.store).await, "delivered | 1 | 1 | -");
}

/// A worker whose GitHub is not the target's must not post there, whatever lease it gets.
#[tokio::test]
async fn the_client_posts_to_its_own_host_only() {
    let db = support::database().await;
    let api = serve(&db).await;
    let ghe = Forge::start(|_| created()).await;
    take_in(&db.store, &[Event { repo: "git@other.example:acme/app.git", ..event("passed", 5) }]).await;
    drain(&db.store, &pulled()).await;
    // It was leased, and returned as not tried.
    let handed_back = async || {
        let leased = "SELECT count(*)::text FROM commit_statuses WHERE lease IS NOT NULL AND lease_until IS NULL";
        render::rows(&db.store, leased).await == ["1"]
    };
    client(&api, "key-two", &ghe.url).run(support::until("handed back", handed_back)).await;
    assert_eq!(ghe.count(), 0);
    assert_eq!(status(&db.store).await, "pending | 0 | 0 | -");
}
