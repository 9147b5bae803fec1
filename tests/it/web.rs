//! The web UI over real HTTP: each address answers with the expected content, and escapes its input.

mod asked;
mod attention;
mod builds;
mod checkouts;
mod commits;
mod deliveries;
mod extremes;
mod feeds;
mod hostile;
pub mod lambda;
mod pipelines;
mod reader;
mod series;
mod trends;
mod verdicts;

use std::collections::BTreeMap;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::transport::Delivery;
use hummingbird_status::web::{Access, App, routes};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{self, Db, deadline, files};

/// The evening of the story in events/README.md.
const NOW: &str = "2026-03-10T13:00:00Z";

/// An answer.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// The web UI of a database, on loopback.
struct Site {
    base: String,
    client: reqwest::Client,
}

impl Site {
    async fn of(store: &Store, now: &str) -> Self {
        let now: Timestamp = now.parse().unwrap();
        Self::serving(App::new(store.clone()).at(move || now)).await
    }

    async fn serving(app: App) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, routes(app).into_router()).into_future());
        Self { base, client: hummingbird_status::platform::https::client().no_proxy().build().unwrap() }
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Answer { status, headers, body: String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

async fn take(store: &Store, deliveries: &[Delivery]) {
    let report = ingest(store, deliveries, &Settings::default(), deadline()).await;
    assert_eq!((report.error.as_ref(), report.counts().again), (None, 0));
}

/// A database with all fixtures.
async fn filled() -> Db {
    let db = support::database().await;
    for source in Source::ALL {
        let files = files(&format!("events/{source}"), ".json");
        let deliveries = files.into_iter().map(|(id, body)| Delivery { id, body, ..Delivery::default() });
        take(&db.store, &deliveries.collect::<Vec<_>>()).await;
    }
    let poison = Delivery { id: "poison".to_owned(), body: b"not json".to_vec(), ..Delivery::default() };
    take(&db.store, &[poison]).await;
    db
}

/// Addresses that a page leads to, on this site.
fn links(html: &str) -> Vec<String> {
    let unescape =
        |text: &str| text.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let starts = html.match_indices("=\"/").map(|(at, _)| at);
    let links = starts.filter(|at| html[..*at].ends_with("href") || html[..*at].ends_with("src"));
    links.map(|at| unescape(html[at + 2..].split('"').next().unwrap())).collect()
}

/// What kind of address this is: its path without the name of a thing, and the names of what it asks for.
fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (api, path) = path.strip_prefix("/api/v1").map_or(("", path), |path| ("api", path));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let place = match parts.as_slice() {
        [page] => (*page).to_owned(),
        [what, .., _] if parts.len() == 2 => format!("{what}/"),
        [what, of, ..] => format!("{what}/{of}/"),
        [] => String::new(),
    };
    let names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    format!("{api} {place}?{}", names.join("&"))
}

/// Addresses of each kind that are visited.
const OF_A_KIND: usize = 6;

/// The addresses of a site that can be reached from its first page, some of each kind, with their answers.
async fn crawl(site: &Site) -> BTreeMap<String, Answer> {
    let mut seen: BTreeMap<String, Answer> = BTreeMap::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut next = vec!["/".to_owned(), "/badge.svg".to_owned(), "/feed.atom".to_owned(), "/metrics".to_owned()];
    while let Some(path) = next.pop() {
        // A page in each order and filter leads to others of its kind: they only multiply what is seen.
        let number = kinds.entry(kind(&path)).or_default();
        if seen.contains_key(&path) || *number >= OF_A_KIND {
            continue;
        }
        *number += 1;
        let answer = site.get(&path).await;
        if answer.headers["content-type"].starts_with("text/html") {
            next.extend(links(&answer.body));
        }
        seen.insert(path, answer);
    }
    seen
}

/// The properties of every page.
fn problems(path: &str, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |right: bool, what: &str| {
        if !right {
            found.push(format!("{path}: {what}"));
        }
    };
    check(answer.status == 200, &format!("answers {}", answer.status));
    let csp = &answer.headers["content-security-policy"];
    check(csp.starts_with("default-src 'none'") && !csp.contains("unsafe"), "policy");
    check(answer.headers["x-content-type-options"] == "nosniff", "nosniff");
    check(answer.headers.contains_key("etag"), "no etag");
    if answer.headers["content-type"].starts_with("text/html") {
        let body = &answer.body;
        check(body.starts_with("<!DOCTYPE html><html lang=\"en\">"), "no doctype or language");
        check(!body.contains("<script") && !body.contains(" style=") && !body.contains("javascript:"), "a script");
        check(body.matches("<h1").count() == 1, "not one h1");
        check(body.matches("<th>").count() == 0, "a head without scope");
        check(body.matches("<main").count() == 1, "no main");
    }
    found
}

#[tokio::test]
async fn every_linked_page_exists() {
    let db = filled().await;
    // As in a function: a page that held one connection and wanted another would wait for ever.
    let site = Site::of(&support::store_of(&db.url, 1), NOW).await;
    let pages = crawl(&site).await;
    let others = ["/badge/builds/", "/api/v1/mr/", "/feed/bots/", "/badge/bots/"];
    for start in DETAILS.into_iter().chain(others) {
        assert!(pages.keys().any(|path| path.starts_with(start)), "no page of {start}: {:?}", pages.keys());
    }
    let found: Vec<String> = pages.iter().flat_map(|(path, answer)| problems(path, answer)).collect();
    assert!(found.is_empty(), "of {}:\n{}", pages.len(), found.join("\n"));
    println!("{} addresses", pages.len());
}

#[tokio::test]
async fn empty_databases_have_pages_too() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    let pages = crawl(&site).await;
    let found: Vec<String> = pages.iter().flat_map(|(path, answer)| problems(path, answer)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(pages["/"].body.contains("Nothing needs attention"));
    assert!(pages["/bots"].body.contains("No heartbeat has arrived yet"));
}

/// How the addresses of single things begin.
const DETAILS: [&str; 10] = [
    "/bots/",
    "/mr/",
    "/components/",
    "/commits/",
    "/releases/",
    "/builds/buildkite/",
    "/builds/travis/",
    "/checkouts/",
    "/kcidb/builds/",
    "/kcidb/tests/",
];

/// A name that is markup, an attribute's end, an entity, and a path.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;/../%2e%2f?x=#y";

#[tokio::test]
async fn hostile_names_are_escaped() {
    let db = support::database().await;
    let x = HOSTILE;
    let at = "2026-03-10T12:00:00Z";
    let git = json!({"source": {"git": {"url": format!("https://h/g/{x}"), "context": x}}, "application": x});
    let metadata = |kind: &str| {
        json!({"name": format!("{kind}{x}"), "uid": kind, "creationTimestamp": at, "namespace": x, "labels": {
            "appstudio.openshift.io/application": x, "appstudio.openshift.io/component": format!("c{x}"),
            "pipelines.appstudio.openshift.io/type": "build", "pipelinesascode.tekton.dev/sha": x,
        }, "annotations": {
            "build.appstudio.redhat.com/commit_sha": x, "pipelinesascode.tekton.dev/log-url": "javascript:alert(3)",
        }})
    };
    let failed = |kind: &str| json!([{"type": kind, "status": "False", "reason": x, "message": x}]);
    let messages = [
        json!({"name": x, "status": "failed", "comment": x, "meta": {x: x}, "ts": at}),
        json!({"name": x, "status": "ok", "interval": x, "ts": "2026-03-10T11:00:00Z"}),
        json!({"apiVersion": "appstudio.redhat.com/v1alpha1", "kind": "Component", "metadata": metadata("c"),
            "spec": git}),
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata("p"),
            "status": {"conditions": failed("Succeeded"), "completionTime": at}}),
        // Nothing else names its commit.
        json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "q", "uid": "q",
            "creationTimestamp": at,
            "labels": {"appstudio.openshift.io/component": format!("c{x}"),
            "pipelines.appstudio.openshift.io/type": "release",
                "pipelinesascode.tekton.dev/sha": format!("only {x}")}},
                "status": {"conditions": failed("Succeeded")}}),
        json!({"apiVersion": "appstudio.redhat.com/v1alpha1", "kind": "Release", "metadata": metadata("r"),
            "spec": {"snapshot": x, "releasePlan": x}, "status": {"conditions": failed("Released")}}),
        json!({"object_kind": "merge_request", "user": {"id": 1, "username": x}, "labels": [{"title": x}],
            "project": {"path_with_namespace": format!("g/{x}")},
            "object_attributes": {"iid": 7, "author_id": 1, "title": x, "state": "opened", "action": "open",
            "url": "javascript:alert(4)",
                "source_branch": x, "target_branch": x, "updated_at": at, "last_commit": {"id": x}}}),
        json!({"object_kind": "push", "ref": "refs/heads/main", "after": x, "before": x, "user_username": x,
            "project": {"path_with_namespace": format!("g/{x}"), "default_branch": "main"},
            "commits": [{"id": x, "title": x, "timestamp": at, "url": "javascript:alert(5)", "author": {"name": x},
            "added": [x]}]}),
        json!({"build": {"uuid": x, "number": 7, "state": "failed", "commit": x, "branch": x, "message": x, "source": x,
                "started_at": at, "finished_at": at},
            "pipeline": {"uuid": "p", "slug": x, "repo": format!("https://github.com/g/{x}.git")},
            "organization": {"uuid": "o", "slug": x}}),
        json!({"event": "build:create", "payload": {"id": 7, "number": x, "branch": x, "event_type": x,
            "created_at": at,
            "repository": {"id": 7, "owner_name": x, "name": x}, "commit": {"sha": x, "message": x},
            "stages": [{"id": 7, "number": 1, "name": x}],
            "jobs": [{"id": 70, "number": x, "queue": x, "stage": {"id": 7, "number": 1, "name": x}}]}}),
        json!({"version": {"major": 5, "minor": 3},
            "checkouts": [{"id": format!("o:{x}"), "origin": "o", "tree_name": x, "git_repository_branch": x,
            "comment": x,
                "git_commit_name": x, "start_time": at, "log_url": "http://h/%3Cscript%3E", "valid": true}],
            "builds": [{"id": format!("o:{x}"), "origin": "o", "checkout_id": format!("o:{x}"),
            "architecture": "x86_64", "compiler": x,
                "config_name": x, "command": x, "comment": x, "status": "FAIL", "log_excerpt": x}],
            "tests": [{"id": format!("o:{x}"), "origin": "o", "build_id": format!("o:{x}"), "path": "a.b", "comment": x,
                "status": "ERROR", "log_excerpt": x, "environment": {"comment": x}}],
            "issues": [{"id": format!("o:{x}"), "origin": "o", "version": 1, "comment": x, "report_subject": x,
                "report_url": "http://h/x"}],
            "incidents": [{"id": format!("o:{x}"), "origin": "o", "issue_id": format!("o:{x}"), "issue_version": 1,
                "test_id": format!("o:{x}"), "present": true}]}),
        json!({"name": x, "status": x}),
    ];
    let delivery = |(number, message): (usize, &Value)| Delivery {
        id: format!("{number}{x}"),
        body: message.to_string().into_bytes(),
        ..Delivery::default()
    };
    take(&db.store, &messages.iter().enumerate().map(delivery).collect::<Vec<_>>()).await;
    let site = Site::of(&db.store, NOW).await;
    let mut pages = crawl(&site).await;
    let asked = [
        ("q", x.replace(['%', '#', '&', '<', '>', '"'], "%3C")),
        ("project", "%00".to_owned()),
        ("author", "%3Cscript%3E".to_owned()),
        ("family", "%27".to_owned()),
    ];
    let addresses = asked::addresses(&site).await;
    for list in [
        "/bots",
        "/mrs",
        "/commits",
        "/components",
        "/releases",
        "/pipelines",
        "/environments",
        "/builds",
        "/checkouts",
        "/trends",
        "/deliveries",
        "/refused",
    ] {
        let (_, known) = addresses.iter().find(|(path, _)| path == list).unwrap();
        let values: Vec<String> = asked
            .iter()
            .filter(|(name, _)| known.contains(*name))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let path = format!("{list}?{}", values.join("&"));
        let answer = site.get(&path).await;
        pages.insert(path, answer);
    }
    let shown = |start: &str| pages.keys().any(|path| path.starts_with(start));
    for start in DETAILS {
        assert!(shown(start), "no page of {start}: {:?}", pages.keys());
    }
    let found: Vec<String> = pages.iter().flat_map(|(path, answer)| problems(path, answer)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (path, answer) in &pages {
        if !answer.headers["content-type"].starts_with("application/json") {
            for raw in ["<script", "<img src=x", "\"javascript:", "&amp;/../<"] {
                assert!(!answer.body.contains(raw), "{path}: {raw}");
            }
        }
    }
    let all: String = pages.values().map(|answer| answer.body.as_str()).collect();
    assert!(all.matches("&lt;script&gt;alert(1)").count() > 30);
}

#[tokio::test]
async fn a_silent_bot_is_shown_without_a_new_message() {
    let db = support::database().await;
    let body = br#"{"name":"b","status":"ok","interval":60,"ts":"2026-03-10T10:00:00Z"}"#.to_vec();
    take(&db.store, &[Delivery { id: "m".to_owned(), body, ..Delivery::default() }]).await;
    for (now, state) in [("10:00:59", "ok"), ("10:01:01", "late"), ("10:03:00", "late"), ("10:03:01", "stale")] {
        let site = Site::of(&db.store, &format!("2026-03-10T{now}Z")).await;
        assert_eq!(site.json("/api/v1/bots/b").await["effective"], state, "{now}");
        assert_eq!(site.json("/badge/bots/b.json").await["message"], state);
        assert_eq!(site.json("/api/v1/summary").await["bots"][state], 1);
    }
}

/// `web` of conformance/buildkite-bot/bot_status_updates.json, as far as it is to be kept.
#[tokio::test]
async fn the_board_speaks_as_that_of_opensuse() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let json = site.json("/?format=json").await;
    let accepted = site.get_with("/", &[("accept", "application/json")]).await;
    assert_eq!(serde_json::from_str::<Value>(&accepted.body).unwrap(), json);
    assert_eq!(json["time"], json!(1_773_147_600));
    let names: Vec<&str> =
        json["results"].as_array().unwrap().iter().map(|bot| bot["name"].as_str().unwrap()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(names, sorted);
    assert!(!names.contains(&"legal-auto"), "gone");
    let worker = json["results"].as_array().unwrap().iter().find(|bot| bot["name"] == "openqa-worker-3").unwrap();
    let expected = json!({"name": "openqa-worker-3", "status": "warning", "comment": "High memory usage",
        "meta": {"contact": "bots@example.com", "host": {"name": "w3", "load": [1.5, 2]}}, "updated": "1773133210"});
    assert_eq!(*worker, expected);
    for seconds in ["5", "3600"] {
        let body = site.get(&format!("/?refresh={seconds}")).await.body;
        assert!(body.contains(&format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">")), "{seconds}");
    }
    for wrong in ["1", "100000", "0;url=//evil"] {
        let answer = site.get(&format!("/?refresh={wrong}")).await;
        assert!(answer.status == 400 && !answer.body.contains("http-equiv"), "{wrong}");
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let db = support::database().await;
    let merge_request = |iid: usize| {
        let body = json!({"object_kind": "merge_request", "project": {"path_with_namespace": "g/p"},
            "object_attributes": {
            "iid": iid, "state": "opened", "title": format!("t{iid}"),
            "updated_at": format!("2026-03-01T00:{:02}:00Z", iid % 7)}});
        Delivery { id: format!("m{iid}"), body: body.to_string().into_bytes(), ..Delivery::default() }
    };
    take(&db.store, &(1..=120).map(merge_request).collect::<Vec<_>>()).await;
    let site = Site::of(&db.store, NOW).await;
    for sort in ["newest", "oldest"] {
        let (mut path, mut seen) = (format!("/mrs?sort={sort}"), Vec::new());
        let mut pages = 0;
        loop {
            let api = site.json(&path.replace("/mrs", "/api/v1/mrs")).await;
            seen.extend(api["results"].as_array().unwrap().iter().map(|row| row["iid"].as_i64().unwrap()));
            pages += 1;
            let body = site.get(&path).await.body;
            let next = links(&body).into_iter().find(|link| link.contains("after=") && !link.starts_with("/api/"));
            match next.filter(|_| api["next"].is_string()) {
                Some(next) => path = next,
                None => break,
            }
        }
        let mut numbers = seen.clone();
        numbers.sort_unstable();
        assert_eq!((pages, numbers), (3, (1..=120).collect::<Vec<i64>>()), "{sort}");
        assert_eq!(seen[0] % 7, if sort == "newest" { 6 } else { 0 });
    }
    let title = json!({"object_kind": "merge_request", "project": {"path_with_namespace": "g/p"}, "object_attributes": {
        "iid": 900, "state": "opened", "title": "ÜBER", "updated_at": "2026-03-01T08:00:00Z"}});
    take(&db.store, &[Delivery { id: "m900".to_owned(), body: title.to_string().into_bytes(), ..Delivery::default() }])
        .await;
    assert_eq!(site.json("/api/v1/mrs?q=%C3%9CBER").await["results"][0]["iid"], 900);
    assert_eq!(site.json("/api/v1/mrs?q=G/P!77").await["results"].as_array().unwrap().len(), 1);
    assert_eq!(site.json("/api/v1/mrs?stale=1&stale_days=9").await["results"].as_array().unwrap().len(), 50);
    assert_eq!(site.json("/api/v1/mrs?stale=1").await["results"].as_array().unwrap().len(), 0);
}

/// What is wrong with a value, given its schema in an `OpenAPI` document; no more of JSON Schema than that document
/// has.
fn misfits(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#'));
        return schema.map_or(vec![format!("{name} is not there")], |schema| misfits(document, schema, value, place));
    }
    let parts = |key: &str| schema[key].as_array().into_iter().flatten();
    if schema["oneOf"].is_array() {
        let all: Vec<_> = parts("oneOf").map(|part| misfits(document, part, value, place)).collect();
        return if all.iter().any(Vec::is_empty) { Vec::new() } else { all.concat() };
    }
    let mut found: Vec<String> = parts("allOf").flat_map(|part| misfits(document, part, value, place)).collect();
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut kinds = parts("type").chain(schema.get("type").filter(|kind| kind.is_string())).peekable();
    if kinds.peek().is_some() && !kinds.any(|said| said == kind || (said == "number" && kind == "integer")) {
        found.push(format!("{place}: {kind}, not {}", schema["type"]));
    }
    for name in parts("required").filter_map(Value::as_str).filter(|name| value.get(name).is_none()) {
        found.push(format!("{place}: no {name}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(misfits(document, &schema["items"], item, &format!("{place}[{index}]")));
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            found.extend(misfits(document, schema, value, &format!("{place}.{name}")));
        }
    }
    found
}

/// All `$ref` of a document, with their places.
fn references(value: &Value, place: &str) -> Vec<(String, String)> {
    let inside = |(name, value): (String, &Value)| references(value, &format!("{place}/{name}"));
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str).map(|name| (place.to_owned(), name.to_owned()));
            own.into_iter().chain(members.iter().map(|(name, value)| (name.clone(), value)).flat_map(inside)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).flat_map(inside).collect()
        }
        _ => Vec::new(),
    }
}

/// Rejected values of a filter are not in the document, and those of the document are accepted.
#[tokio::test]
async fn filters_accept_the_values_of_the_document() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    let document = site.json("/api/v1/openapi.json").await;
    let mut tried = 0;
    let lists = document["paths"].as_object().unwrap().iter();
    for (path, item) in lists.filter(|(path, _)| path.starts_with("/api/") && !path.contains('{')) {
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            // The verdict of a branch or a merge request needs a repository, and the other filters need one of them.
            let more = match (path.as_str(), name) {
                ("/api/v1/verdict", "branch" | "mr") => "&repo=acme/app",
                ("/api/v1/verdict", "required" | "wait") => "&sha=abcdef",
                _ => "",
            };
            let status = async |value: &str| site.get(&format!("{path}?{name}={value}{more}")).await.status;
            let pattern = parameter["schema"]["pattern"].as_str();
            let listed = pattern.map(|pattern| pattern.trim_start_matches("^(").trim_end_matches(")$").split('|'));
            let free = match name {
                "after" => 404,
                _ if listed.is_some() || parameter["schema"]["format"] == "int64" => 400,
                _ => 200,
            };
            assert_eq!(status("no-such-value").await, free, "{path}?{name}");
            for value in listed.into_iter().flatten() {
                assert_eq!(status(value).await, 200, "{path}?{name}={value}");
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "only {tried} values are listed");
}

#[tokio::test]
async fn the_api_is_as_its_document_says() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let document = site.json("/api/v1/openapi.json").await;
    let paths = document["paths"].as_object().unwrap().iter();
    let is_of_api = |path: &str| path.starts_with("/api/") && !path.ends_with("openapi.json");
    let templates: BTreeMap<&String, &Value> = paths.filter(|(path, _)| is_of_api(path)).collect();
    let mut used = BTreeMap::new();
    let mut found = Vec::new();
    for (path, answer) in crawl(&site).await {
        let bare = path.split('?').next().unwrap();
        if !is_of_api(bare) {
            continue;
        }
        let fits = |template: &&&String| match template.split_once('{') {
            Some((start, _)) => bare.starts_with(start),
            None => bare == **template,
        };
        let Some(template) = templates.keys().find(fits) else {
            found.push(format!("{path} is not in the document"));
            continue;
        };
        *used.entry(template).or_insert(0) += 1;
        let schema = &templates[template]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{template}");
        found.extend(misfits(&document, schema, &serde_json::from_str(&answer.body).unwrap(), &path));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(used.len(), templates.len(), "{used:?}");
    for (place, name) in references(&document, "") {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{place}: {name} is not there");
    }
    let wrong = json!({"at": 7, "bots": {}});
    assert!(!misfits(&document, &json!({"$ref": "#/components/schemas/Summary"}), &wrong, "").is_empty());
}

#[tokio::test]
async fn problems_are_reported() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    for (path, status, said) in [
        ("/nothing", 404, "no such page"),
        ("/bots/no-such-bot", 404, "no bot is named"),
        ("/mr/x", 404, "ends with its number"),
        ("/mrs?state=%3Cb%3E", 400, "state: expected one of opened"),
        ("/mrs?after=x", 404, "after: no such page"),
        ("/bots/%00", 404, "no bot is named"),
    ] {
        let answer = site.get_with(path, &[("accept", "text/html,*/*;q=0.8")]).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(
            answer.body.contains("role=\"alert\"")
                && answer.body.contains(said)
                && answer.headers.contains_key("content-security-policy"),
            "{path}"
        );
    }
    let json = site.get("/api/v1/bots/no-such-bot").await;
    assert_eq!((json.status, json.body.as_str()), (404, "{\"error\":\"no bot is named \\\"no-such-bot\\\"\"}"));
    let away = support::store_of("postgres://none:x@127.0.0.1:1/none?sslmode=disable", 1);
    let site = Site::of(&away, NOW).await;
    assert_eq!(
        (site.get("/").await.status, site.get("/readyz").await.status, site.get("/healthz").await.status),
        (503, 503, 200)
    );
}

#[tokio::test]
async fn a_password_is_required_on_all_pages() {
    let db = support::database().await;
    let access = Access::from_env(&|name| (name == "PAGE_BASIC_AUTH").then(|| "u:p".to_owned())).ok().unwrap();
    let site = Site::serving(App::new(db.store.clone()).with_access(access)).await;
    for path in ["/", "/api/v1/bots", "/badge.svg", "/feed.atom", "/metrics", "/style.css", "/nothing"] {
        let rejected = site.get(path).await;
        assert!(rejected.status == 401 && rejected.headers["www-authenticate"].starts_with("Basic "), "{path}");
    }
    assert_eq!(site.get("/healthz").await.status, 200);
    let basic = [("authorization", "Basic dTpw")];
    assert_eq!(site.get_with("/", &basic).await.status, 200);
}

#[tokio::test]
async fn answers_are_packed_and_remembered() {
    let db = filled().await;
    let site = Site::of(&db.store, NOW).await;
    let plain = site.get("/mrs").await;
    let packed = site.get_with("/mrs", &[("accept-encoding", "br, gzip;q=0.5")]).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(!plain.headers.contains_key("content-encoding") && packed.body.len() < plain.body.len() / 2);
    let again = site.get_with("/mrs", &[("if-none-match", &plain.headers["etag"])]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = site.get_with("/mrs", &[("if-none-match", "W/\"x\""), ("accept-encoding", "gzip;q=0")]).await;
    assert_eq!((other.status, other.headers.contains_key("content-encoding")), (200, false));
}
