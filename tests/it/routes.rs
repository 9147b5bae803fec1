//! Every answer that is neither a success nor 304 has a reason: invalid requests are generated from the table of
//! routes.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use hummingbird_status::db::Store;
use hummingbird_status::platform::routing::Routes;
use hummingbird_status::sources::Settings;
use hummingbird_status::submit::Intake;
use hummingbird_status::worker::{Health, metrics};
use serde_json::{Value, json};
use tower_service::Service;

use crate::submit::{ALL, routes};
use crate::support;

/// Bodies may be so long here.
const BODY: usize = 4096;
const KEY: &str = "key-hunter2-hunter2";
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];

/// A deployment with a token, a key, and a password of the pages where one is asked for.
fn deployment(password: bool) -> impl Fn(&str) -> Option<String> {
    move |name| match name {
        "PAGE_BASIC_AUTH" => password.then(|| "u:p".to_owned()),
        "DELIVERY_TARGETS" => {
            Some("[[target]]\nname = 'in'\nkind = 'github'\nhosts = ['h.example']\napi_key = 'env:KEY'".to_owned())
        }
        "KEY" => Some(KEY.to_owned()),
        name => crate::submit::open(name),
    }
}

fn site(store: &Store, password: bool) -> Routes {
    let lookup = deployment(password);
    let mut settings = Settings::default();
    settings.limits.decoded_bytes = BODY;
    routes(store, Intake::new(store.clone(), settings, &lookup).unwrap(), &lookup)
}

/// A worker without tasks.
fn worker() -> Routes {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let health = Health::default();
    health.failed("database", "away");
    metrics::routes(recorder.handle(), health)
}

/// Paths that differ slightly from one of the table.
fn mutations(template: &str) -> BTreeSet<String> {
    let filled = |value: &str| {
        let pieces = template.split('/').map(|piece| if piece.starts_with('{') { value } else { piece });
        pieces.collect::<Vec<_>>().join("/")
    };
    let path = filled("x");
    let mut found: BTreeSet<String> =
        ["", "1", "%ff", "%00", "..", "%2e%2e", "a%2Fb", "%", &"x".repeat(3000)].into_iter().map(filled).collect();
    found.extend([format!("{path}/"), format!("{path}/more"), format!("/{path}"), path.to_uppercase()]);
    for query in ["a=1&a=2", "=&&", "%ff=%zz", "after=%00", "max=x&wait=-1&id=", "format=json", "status=%3Cb%3E&days=x"]
    {
        found.insert(format!("{path}?{query}"));
    }
    // Below each prefix, and without the last letter.
    let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    found.extend(ends.map(|end| format!("{}/no-such-address", &path[..end])));
    found.insert(path[..path.len() - 1].to_owned());
    found.insert(path);
    found.retain(|path| path.starts_with('/'));
    found
}

type Headers = Vec<(&'static str, String)>;

/// Headers and a body, of which each request has one combination.
fn requests() -> Vec<(Headers, Vec<u8>)> {
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let accept = |kinds: &str| ("accept", kinds.to_owned());
    vec![
        (vec![], vec![]),
        (vec![bearer(ALL), ("x-api-key", KEY.to_owned())], b"{}".to_vec()),
        (vec![accept("text/html,*/*;q=0.8")], b"not json".to_vec()),
        (vec![bearer("wrong"), ("x-api-key", "wrong".to_owned()), accept("application/json")], vec![0xff; 10]),
        (vec![bearer(ALL), ("content-encoding", "br".to_owned())], b"{}".to_vec()),
        (vec![bearer(ALL), ("content-type", "text/plain".to_owned())], vec![b' '; 2 * BODY]),
        (vec![("authorization", "Basic dTpw".to_owned())], b"[]".to_vec()),
    ]
}

/// The problem of an answer, if there is one.
async fn wrong(routes: &Router, method: &str, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Option<String> {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::from(body)).ok()?;
    let response = Service::call(&mut routes.clone(), request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap_or_default();
    let header = |name: &str| parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = parts.status.as_u16();
    let said = format!("{method} {path:.80} {headers:?}: {status} {} `{body:.200}`", header("content-type"));
    if (200..300).contains(&status) || status == 304 {
        return None;
    }
    if status == 405 && (header("allow").is_empty() || header("allow").split(',').any(|one| one == method)) {
        return Some(format!("Allow is `{}`: {said}", header("allow")));
    }
    if status == 401 && header("www-authenticate").is_empty() && !path.starts_with("/v1/") {
        return Some(format!("no challenge: {said}"));
    }
    // Of `HEAD` the headers alone.
    (method != "HEAD" && reason(&header("content-type"), &body).is_none()).then(|| format!("no reason: {said}"))
}

/// The sentence in the document of a problem.
fn reason(kind: &str, body: &str) -> Option<String> {
    let text = match kind.split(';').next()? {
        "application/json" => {
            let document: Value = serde_json::from_str(body).ok()?;
            ["error", "message"].iter().find_map(|member| document[*member].as_str()).map(str::to_owned)?
        }
        "text/html" => body.split_once("role=\"alert\">")?.1.split_once('<')?.0.to_owned(),
        _ => return None,
    };
    (text.len() > 5).then_some(text)
}

/// Every mutated path with every method, and the requests in turn.
async fn all_wrong(routes: Routes) -> (usize, Vec<String>) {
    let paths: BTreeSet<String> = routes.addresses().iter().flat_map(|address| mutations(&address.path)).collect();
    let routes = routes.into_router();
    let requests = requests();
    let (mut asked, mut found) = (0, Vec::new());
    for path in &paths {
        for method in METHODS {
            let (headers, body) = &requests[asked % requests.len()];
            asked += 1;
            found.extend(wrong(&routes, method, path, headers, body.clone()).await);
        }
    }
    (asked, found)
}

#[tokio::test]
async fn every_error_answer_has_a_reason() {
    let db = support::database().await;
    let mut asked = 0;
    for routes in [site(&db.store, false), site(&db.store, true), worker()] {
        let (number, found) = all_wrong(routes).await;
        assert!(found.is_empty(), "{} of {number}:\n{}", found.len(), found.join("\n"));
        asked += number;
    }
    assert!(asked > 5000, "{asked}");
    // A body that is larger than axum takes where nothing else is said.
    let lease = "/v1/deliveries/00000000-0000-0000-0000-000000000000";
    let routes = site(&db.store, false).into_router();
    let key = [("x-api-key", KEY.to_owned())];
    assert_eq!(wrong(&routes, "POST", lease, &key, vec![b' '; 3 << 20]).await, None);
}

/// The same when no database answers.
#[tokio::test]
async fn an_unavailable_database_is_a_reason() {
    let store = support::store_of("postgres://none:x@127.0.0.1:1/none?sslmode=disable", 1);
    let routes = site(&store, false);
    let addresses = routes.addresses().to_vec();
    let routes = routes.into_router();
    let requests = requests();
    for (number, address) in addresses.iter().enumerate() {
        let path = address.path.replace(['{', '}', '*'], "");
        for turn in 0..2 {
            let (headers, body) = &requests[(number + turn) % requests.len()];
            assert_eq!(wrong(&routes, address.method, &path, headers, body.clone()).await, None);
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_reason_is_found() {
    let bare = || async { axum::http::StatusCode::CONFLICT };
    let explained = Routes::new().get("/x", bare).into_router();
    assert_eq!(wrong(&explained, "GET", "/x", &[], Vec::new()).await, None);
    let raw = Router::new().route("/x", axum::routing::get(bare));
    for (method, path) in [("GET", "/x"), ("POST", "/x"), ("GET", "/y")] {
        assert!(wrong(&raw, method, path, &[], Vec::new()).await.is_some(), "{method} {path}");
    }
}

/// Addresses that are served and not in the document, or the other way round.
fn undocumented(routes: &Routes, document: &Value) -> Vec<String> {
    let served: BTreeSet<String> = routes
        .addresses()
        .iter()
        .map(|address| format!("{} {}", address.method.to_lowercase(), address.path.replace("{*", "{")))
        .collect();
    let methods = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap().keys().map(|method| format!("{method} {path}"));
        item.collect::<Vec<_>>()
    };
    let documented: BTreeSet<String> = document["paths"].as_object().unwrap().iter().flat_map(methods).collect();
    served.symmetric_difference(&documented).cloned().collect()
}

#[tokio::test]
async fn the_document_has_every_address() {
    let store = support::store_of("postgres://none:x@127.0.0.1:1/none?sslmode=disable", 1);
    let routes = site(&store, false);
    let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
    let response = Service::call(&mut site(&store, false).into_router(), request).await.unwrap();
    let document = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let mut document: Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(undocumented(&routes, &document), Vec::<String>::new());
    let planted = routes.get("/planted/{*name}", || async { "x" });
    assert_eq!(undocumented(&planted, &document), ["get /planted/{name}"]);
    document["paths"].as_object_mut().unwrap().remove("/submit");
    assert_eq!(undocumented(&site(&store, false), &document), ["post /submit"]);
}

/// The same through the program of the function.
#[tokio::test]
async fn the_function_answers_with_a_reason() {
    let db = support::database().await;
    let asked = |method: &str, path: &str, headers: Value, body: &str| {
        let mut event = crate::web::lambda::asked(path, "", &headers);
        event["requestContext"]["http"]["method"] = json!(method);
        event["body"] = json!(body);
        event
    };
    let token = || json!({"authorization": format!("Bearer {ALL}"), "x-api-key": KEY});
    let large = "x".repeat(2 * BODY);
    let events = [
        (404, asked("GET", "/nothing", json!({"accept": "text/html"}), "")),
        (404, asked("POST", "/v1/deliveries/", token(), "")),
        (405, asked("DELETE", "/submit", token(), "")),
        (405, asked("POST", "/api/v1/bots", json!({}), "")),
        (401, asked("POST", "/submit", json!({}), "{}")),
        (413, asked("POST", "/submit", token(), &large)),
        (400, asked("PATCH", "/jobs/%ff/state", token(), "{}")),
    ];
    let lookup = deployment(false);
    let names = ["INTAKE_TOKENS", "MAESTRO", "ALL", "CRON", "OPERATORS", "SIGNER", "DELIVERY_TARGETS", "KEY"];
    let mut variables: Vec<_> = names.iter().map(|name| (*name, lookup(name).unwrap())).collect();
    variables.push(("MAX_DECODED_BYTES", BODY.to_string()));
    let expected: Vec<u64> = events.iter().map(|(status, _)| *status).collect();
    let events = events.into_iter().map(|(_, event)| event).collect();
    let answers = crate::web::lambda::answers(&db, events, &variables).await;
    let status: Vec<u64> = answers.iter().map(|answer| answer["statusCode"].as_u64().unwrap()).collect();
    assert_eq!(status, expected, "{answers:?}");
    for answer in &answers {
        let header = |name: &str| answer["headers"][name].as_str().unwrap_or_default();
        let text = answer["body"].as_str().unwrap();
        assert!(reason(header("content-type"), text).is_some(), "{answer}");
        assert_eq!(header("allow").is_empty(), answer["statusCode"] != 405, "{answer}");
    }
}
