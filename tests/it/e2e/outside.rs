//! Messages out, and requests: statuses, broadcasts, pull API, write endpoints, web UI.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use hummingbird_status::platform::aws::{Request, signed};
use reqwest::Method;
use serde_json::{Value, json};

use super::emulator::until;
use super::{GITHUB_TOKEN, INTAKE_TOKEN, PASSWORD, PULL_KEY, World};
use crate::support::buildkite::SHA;
use crate::support::render;

/// The scheduled function posts commit statuses to GitHub.
pub async fn statuses(world: &mut World) {
    until("GitHub has a status", async || world.github.posts().iter().any(|post| post.body["state"] == "success"))
        .await;
    let posts = world.github.posts();
    for post in &posts {
        assert_eq!((post.method.as_str(), post.path.as_str()), ("POST", &*format!("/repos/acme/app/statuses/{SHA}")));
        assert_eq!(post.header("authorization"), Some(&*format!("Bearer {GITHUB_TOKEN}")));
        assert_eq!(post.body["context"], "buildkite/app");
    }
    let states: Vec<&Value> = posts.iter().map(|post| &post.body["state"]).collect();
    assert_eq!(states.last(), Some(&&json!("success")), "{states:?}");
    world.checked(&format!("the scheduled function posted {states:?} to GitHub"));
}

/// Events of KCIDB reach the subscribers with a matching filter, and no other events do.
pub async fn broadcasts(world: &mut World) {
    let wanted = "FROM outbox WHERE family = 'kcidb' AND attributes ->> 'status' = 'new'";
    let all = world.count("SELECT count(*) FROM outbox WHERE family IN ('kcidb', 'travis')").await;
    let expected = render::rows(&world.store, &format!("SELECT event || ' ' || key {wanted} ORDER BY 1")).await;
    assert!(!expected.is_empty() && all > expected.len() as i64, "{all} {expected:?}");
    let mut found: Vec<String> = Vec::new();
    let (aws, subscriber) = (&mut world.aws, world.subscriber.clone());
    until("the subscriber has all", async || {
        for message in aws.take(&subscriber) {
            let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let attribute = |name: &str| message["MessageAttributes"][name]["StringValue"].as_str().unwrap().to_owned();
            assert_eq!((&*attribute("source"), &*attribute("status")), ("kcidb", "new"));
            let kind = body["object_type"].as_str().unwrap();
            assert_eq!(attribute("object_type"), kind);
            found.push(format!("{} {kind} {}", attribute("event"), body["object"]["id"].as_str().unwrap()));
        }
        found.len() >= expected.len()
    })
    .await;
    found.sort();
    assert_eq!(found, expected);
    world.checked(&format!("{} of {all} broadcasts passed the filter of a subscriber, each once", found.len()));
}

/// An address of the HTTP API, by a path: its own host cannot be resolved here.
async fn api(world: &World, method: Method, path: &str, header: (&str, &str), body: &Value) -> (u16, Value) {
    let url = world.output("ApiUrl");
    let id = url.trim_start_matches("http://").split('.').next().unwrap();
    let url = format!("{}/_aws/execute-api/{id}/$default{path}", world.aws.endpoint);
    let request = client().request(method, url).header(header.0, header.1);
    let request = if body.is_null() { request } else { request.json_text(body) };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

trait JsonText {
    fn json_text(self, body: &Value) -> Self;
}

impl JsonText for reqwest::RequestBuilder {
    fn json_text(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }
}

fn client() -> reqwest::Client {
    hummingbird_status::platform::https::client().no_proxy().build().unwrap()
}

/// A client with the key gets leases for hosts behind a firewall.
pub async fn fetched(world: &mut World) {
    let none = Value::Null;
    let get = |key: &'static str| api(world, Method::GET, "/v1/deliveries?max=5&wait=0", ("x-api-key", key), &none);
    assert_eq!(get("wrong").await.0, 401);
    let mut lease = Value::Null;
    until("there is something to fetch", async || {
        let (status, answer) = get(PULL_KEY).await;
        assert_eq!(status, 200, "{answer}");
        lease = answer["deliveries"][0].clone();
        !lease.is_null()
    })
    .await;
    assert_eq!((&lease["repo"], &lease["state"]), (&json!("acme/app"), &json!("pending")), "{lease}");
    let path = format!("/v1/deliveries/{}", lease["lease"].as_str().unwrap());
    let (status, answer) = api(world, Method::DELETE, &path, ("x-api-key", PULL_KEY), &none).await;
    assert!((200..300).contains(&status), "{status} {answer}");
    let done = "SELECT count(*) FROM commit_statuses WHERE target = 'inside' AND state = 'delivered'";
    assert_eq!(world.count(done).await, 1);
    world.checked("a status was fetched with the key, over the HTTP API, and acknowledged");
}

/// Requests with a token become rows; requests without one do not.
pub async fn posted(world: &mut World) {
    let bearer = format!("Bearer {INTAKE_TOKEN}");
    let own = ("authorization", bearer.as_str());
    let submission = json!({
        "version": {"major": 5, "minor": 3},
        "checkouts": [{"id": "e2e:1", "origin": "e2e", "git_commit_hash": SHA}],
    });
    let wrong = ("authorization", "Bearer token-of-another-submitter");
    assert_eq!(api(world, Method::POST, "/submit", wrong, &submission).await.0, 401);
    let (status, answer) = api(world, Method::POST, "/submit", own, &submission).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(world.count("SELECT count(*) FROM kcidb_checkouts WHERE id = 'e2e:1'").await, 1);
    let path = format!("/status?id={}", answer["id"].as_str().unwrap());
    let (status, answer) = api(world, Method::GET, &path, own, &Value::Null).await;
    assert_eq!((status, &answer["status"]), (200, &json!("processed")), "{answer}");
    let beat = json!({"name": "e2e-bot", "status": "ok"});
    assert_eq!(api(world, Method::POST, "/bots", own, &beat).await.0, 200);
    assert_eq!(world.count("SELECT count(*) FROM bots WHERE name = 'e2e-bot'").await, 1);
    // No address of the web UI, and an address without any token.
    assert_eq!(api(world, Method::GET, "/mrs", own, &Value::Null).await.0, 404);
    assert_eq!(api(world, Method::PATCH, "/jobs/1/state", own, &json!({"new": "started"})).await.0, 404);
    world.checked("the HTTP API takes a submission and a heartbeat with a token, and leads nowhere else");
}

/// The pages by the function's URL, as `headers` open it.
async fn page(world: &World, path: &str, headers: &[(String, String)]) -> (u16, String) {
    let url = world.output("PageUrl");
    let host = url.trim_start_matches("https://").trim_end_matches('/');
    let mut request = client().get(format!("{}{path}", world.aws.endpoint)).header("host", host);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The web UI accepts signed requests; after an update of the stack, requests with the password.
pub async fn pages(world: &mut World) {
    assert_eq!(page(world, "/mrs", &[]).await.0, 403);
    let url = format!("{}mrs", world.output("PageUrl"));
    let request = Request { service: "lambda", region: "us-east-1", method: "GET", url: &url, headers: &[] };
    let credentials = Credentials::from_keys("test", "test", None);
    let signature = signed(&request, credentials, b"", SystemTime::now()).unwrap();
    let (status, text) = page(world, "/mrs", &signature).await;
    assert!(status == 200 && text.contains("redhat/hummingbird/rpms"), "{status} {text}");
    world.checked("the pages are for who signs: 403 without, 200 with");

    world.parameters["PageAccess"] = "basic".into();
    world.parameters["PageBasicAuth"] = PASSWORD.into();
    world.parameters["MigrationRevision"] = "2".into();
    world.outputs = world.aws.deploy(&world.parameters);
    let (status, text) = page(world, "/mrs", &[]).await;
    assert_eq!(status, 401, "{text}");
    let basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, PASSWORD));
    let (status, text) = page(world, "/api/v1/bots", &[("authorization".to_owned(), basic)]).await;
    assert!(status == 200 && text.contains("xcdchk"), "{status} {text}");
    world.checked("the stack was updated: the pages are for who knows the password");
}
