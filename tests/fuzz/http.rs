//! The HTTP routes, called as the server calls them: pages with hostile addresses, and write endpoints with hostile
//! bodies, over a database with all documents of `events/`.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, Uri};
use hummingbird_status::db::Store;
use hummingbird_status::deliver::pull as facade;
use hummingbird_status::deliver::targets;
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::routing::Routes;
use hummingbird_status::platform::serving::{self, Hosts};
use hummingbird_status::sources::{Settings, Source};
use hummingbird_status::submit::Intake;
use hummingbird_status::transport::Delivery;
use hummingbird_status::web::{self, App};
use serde_json::Value;
use tower_service::Service;

use crate::corpus::documents;
use crate::drive::Target;
use crate::hostile::PARTS;
use crate::pure::settings;
use crate::rows::set_up;
use crate::support::deadline;

/// The largest size of an answer in bytes.
const ANSWER: usize = 4 << 20;

/// The answer.
struct Answer {
    status: u16,
    kind: String,
    body: String,
}

async fn call(routes: &Router, request: Request<Body>) -> Answer {
    let mut routes = routes.clone();
    let response = Service::call(&mut routes, request).await.unwrap();
    let status = response.status().as_u16();
    let kind =
        response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let body = to_bytes(response.into_body(), ANSWER).await.unwrap();
    Answer { status, kind, body: String::from_utf8_lossy(&body).into_owned() }
}

async fn fill(store: &Store) {
    for source in Source::ALL {
        let deliveries: Vec<Delivery> = documents(source.name())
            .into_iter()
            .enumerate()
            .map(|(number, body)| Delivery { id: format!("{source}{number}"), body, ..Delivery::default() })
            .collect();
        let report = ingest(store, &deliveries, &Settings::default(), deadline()).await;
        assert_eq!(report.error, None);
    }
}

/// Addresses on this site that a page links to.
fn links(html: &str) -> Vec<String> {
    html.split("=\"/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|link| format!("/{}", link.replace("&amp;", "&")))
        .collect()
}

/// Known addresses: those that pages link to, and those of the `OpenAPI` document with each parameter.
async fn addresses(routes: &Router) -> Vec<String> {
    let get = async |path: &str| call(routes, Request::get(path).body(Body::empty()).unwrap()).await;
    let document: Value = serde_json::from_str(&get("/api/v1/openapi.json").await.body).unwrap();
    let mut found: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let parameters = methods["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let names = parameters.iter().filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str());
        let query: Vec<String> = names.map(|name| format!("{name}=1")).collect();
        found.push(format!("{path}?{}", query.join("&")));
        found.push(format!("{}?{}", path.trim_start_matches("/api/v1"), query.join("&")));
    }
    let first = get("/").await.body;
    // The navigation links to all pages.
    for path in links(first.split("</header>").next().unwrap_or_default()) {
        found.extend(links(&get(&path).await.body).into_iter().take(30));
    }
    for kind in ["bots", "components", "mr", "builds/buildkite", "builds/travis", "projects"] {
        found.extend([
            format!("/badge/{kind}/x.svg"),
            format!("/badge/{kind}/x.json?branch=1"),
            format!("/feed/{kind}/x"),
        ]);
    }
    found.extend(["/badge.svg", "/feed.atom", "/?format=json&refresh=1", "/metrics", "/readyz"].map(str::to_owned));
    found.retain(|path| path.parse::<Uri>().is_ok());
    found.sort();
    found.dedup();
    found
}

/// Makes an address of bytes: bytes that no client can send are percent-encoded, and some parts are replaced.
fn address(input: &[u8]) -> Option<Uri> {
    let mut text = String::from("/");
    for &byte in input.strip_prefix(b"/").unwrap_or(input).iter().take(2000) {
        match byte {
            b'!'..=b'~' => text.push(byte as char),
            _ => text += &format!("%{byte:02x}"),
        }
    }
    let sum: usize = input.iter().map(|byte| usize::from(*byte)).sum();
    // Parts of a query rather than of a path: most changed paths do not exist.
    let is_mark: &[char] = if text.contains('=') && !sum.is_multiple_of(5) { &['='] } else { &['=', '/'] };
    let places: Vec<usize> = text.match_indices(is_mark).map(|(at, _)| at + 1).collect();
    if !sum.is_multiple_of(3) {
        let at = places[sum % places.len()];
        let end = text[at..].find(['&', '/', '?']).map_or(text.len(), |end| at + end);
        text.replace_range(at..end, PARTS[(sum / 7) % PARTS.len()]);
    }
    text.parse().ok()
}

/// All pages and documents that may be read.
pub fn pages() -> Target {
    let (runtime, db) = set_up();
    let now: jiff::Timestamp = "2026-03-10T13:00:00Z".parse().unwrap();
    let routes = web::routes(App::new(db.store.clone()).at(move || now)).into_router();
    let corpus = runtime.block_on(async {
        fill(&db.store).await;
        addresses(&routes).await
    });
    let run = move |input: &[u8]| {
        let _held = &db;
        let Some(uri) = address(input) else { return Ok("no address".to_owned()) };
        let said = uri.to_string();
        let answer = runtime.block_on(call(&routes, Request::get(uri).body(Body::empty()).unwrap()));
        if answer.status >= 500 {
            return Err(format!("{said}: {} {}", answer.status, answer.body.chars().take(300).collect::<String>()));
        }
        if answer.kind.starts_with("text/html")
            && (answer.body.contains("<script") || answer.body.contains("=\"javascript:"))
        {
            return Err(format!("{said}: a script"));
        }
        if answer.kind.contains("json") && serde_json::from_str::<Value>(&answer.body).is_err() {
            return Err(format!("{said}: no JSON"));
        }
        Ok(answer.status.to_string())
    };
    let corpus = corpus.into_iter().map(String::into_bytes).collect();
    Target { corpus, packs: false, memory: 48 << 20, twice: true, run: Box::new(run) }
}

/// The `Host` of a request, and other headers: a server on loopback answers requests for this machine only.
pub fn hosts() -> Target {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let routes = Routes::new().get("/", async || "ours");
    let routes = serving::for_hosts(routes, true, &Hosts::new(["ci.acme.example"])).into_router();
    let corpus = [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:80",
        "[::1]:8080",
        "ci.acme.example:443",
        "evil.example",
        "localhost.evil.example",
        "user@localhost",
        "localhost@evil.example",
        "127.0.0.1\\@evil.example",
        "127.1",
        "0x7f.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "localhost:",
        ":80",
        "",
        "*",
        "a b",
        "localhost, evil.example",
        "localhost#@evil.example",
        "localhost/evil.example",
    ];
    let run = move |input: &[u8]| {
        let Ok(host) = HeaderValue::from_bytes(&input[..input.len().min(300)]) else {
            return Ok("no header".to_owned());
        };
        let absolute = std::str::from_utf8(input).ok().and_then(|text| format!("http://{text}/").parse::<Uri>().ok());
        let mut said = String::new();
        let mut requests = vec![
            Request::get("/").header("host", &host),
            Request::get("/").header("host", "localhost").header("host", &host),
            Request::get("/").header("host", "localhost").header("accept", &host).header("if-none-match", &host),
        ];
        requests.extend(absolute.map(|uri| Request::get(uri).header("host", "localhost")));
        for (number, request) in requests.into_iter().enumerate() {
            let request = request.body(Body::empty()).unwrap();
            let name = match number {
                0 => host.to_str().unwrap_or("?").to_owned(),
                3 => request.uri().authority().map(ToString::to_string).unwrap_or_default(),
                _ => "localhost".to_owned(),
            };
            let status = runtime.block_on(call(&routes, request)).status;
            let bare = name
                .rsplit_once(':')
                .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
                .map_or(&*name, |(host, _)| host);
            let bare = bare.trim_matches(['[', ']']).to_ascii_lowercase();
            let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
            let is_ours = bare == "localhost" || bare == "ci.acme.example" || is_loopback;
            let fits = match status {
                200 => is_ours && number != 1,
                // Headers that name another path on the same host.
                404 => is_ours && number == 3,
                400 | 421 => number == 1 || !is_ours,
                _ => false,
            };
            if !fits {
                return Err(format!("request {number} for `{name}`: {status}"));
            }
            said += &format!("{status} ");
        }
        Ok(said)
    };
    let corpus = corpus.map(|host| host.as_bytes().to_vec()).into();
    Target { corpus, packs: false, memory: 8 << 20, twice: true, run: Box::new(run) }
}

const TOKENS: &str = r#"
[[token]]
name = "all"
token = "env:ALL"
origins = ["*"]
bots = ["*"]
jobs = true

[[token]]
name = "board"
algorithm = "HS256"
key = "env:SIGNER"
jobs = true
submit = true
"#;

fn open(name: &str) -> Option<String> {
    let value = match name {
        "INTAKE_TOKENS" => TOKENS,
        "ALL" => "all-hunter2-hunter2",
        "SIGNER" => "signer-hunter2-hunter2-hunter2-hunter2",
        "DELIVERY_TARGETS" => {
            let target = |number| {
                format!(
                    "[[target]]\nname = 'p{number}'\nkind = 'github'\nhosts = ['h.example']\napi_key = \
                        'env:KEY{number}'\n"
                )
            };
            return Some((0..KEYS).map(target).collect());
        }
        _ => return name.strip_prefix("KEY").map(|number| format!("hunter2-hunter2-{number}")),
    };
    Some(value.to_owned())
}

/// Keys of several clients, used in turn, so that none exceeds its rate limit.
const KEYS: usize = 100;

/// The write endpoints and `/v1/deliveries`, with a token that has all rights, or one from the input.
pub fn intake() -> Target {
    let (runtime, db) = set_up();
    let intake = Intake::new(db.store.clone(), settings(), &open).unwrap();
    let pulled = targets::pulled(&open).unwrap();
    let pull = facade::routes(db.store.clone(), &pulled, targets::registrations(&open).unwrap());
    let routes = intake.routes().merge(pull).into_router();
    runtime.block_on(fill(&db.store));
    let jobs =
        ["{\"new\":\"started\"}", "{\"new\":\"passed\",\"cur\":\"started\",\"finished_at\":\"2026-03-10T12:00:00Z\"}"];
    let mut corpus = [documents("kcidb"), documents("bots")].concat();
    corpus.extend(jobs.map(|body| body.as_bytes().to_vec()));
    let mut turn = 0;
    let run = move |input: &[u8]| {
        let mut said = String::new();
        turn = (turn + 1) % KEYS;
        let key = format!("hunter2-hunter2-{turn}");
        for (method, path, is_packed) in [
            (Method::POST, "/submit".to_owned(), false),
            (Method::POST, "/submit".to_owned(), true),
            (Method::POST, "/bots".to_owned(), false),
            (Method::PATCH, format!("/jobs/{}/state", input.len() % 50), false),
            (Method::GET, format!("/status?id={}", fragment(input)), false),
            (Method::POST, format!("/v1/deliveries/{}", fragment(input)), false),
            (Method::DELETE, format!("/v1/deliveries/{}", fragment(input)), false),
        ] {
            let mut request = Request::builder().method(method.clone()).uri(&path).header("x-api-key", &key);
            request = match input.len() % 5 {
                0 => match HeaderValue::from_bytes(&[b"Bearer ", &input[..input.len().min(200)]].concat()) {
                    Ok(token) => request.header("authorization", token),
                    Err(_) => request,
                },
                _ => request.header("authorization", "Bearer all-hunter2-hunter2"),
            };
            if is_packed {
                request = request.header("content-encoding", "gzip");
            }
            let answer = runtime.block_on(call(&routes, request.body(Body::from(input.to_vec())).unwrap()));
            if answer.status >= 500 {
                return Err(format!("{method} {path}: {} {}", answer.status, answer.body));
            }
            let is_said = (answer.status < 400) || answer.body.len() > 5;
            if !is_said || answer.body.contains("hunter2") {
                return Err(format!("{method} {path}: {} `{}`", answer.status, answer.body));
            }
            said += &format!("{} ", answer.status);
        }
        Ok(said)
    };
    Target { corpus, packs: true, memory: 64 << 20, twice: false, run: Box::new(run) }
}

/// A part of an address.
fn fragment(input: &[u8]) -> String {
    input.iter().rev().take(40).map(|byte| format!("%{byte:02x}")).collect()
}
