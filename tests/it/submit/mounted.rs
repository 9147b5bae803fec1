//! Web UI, write endpoints and pull API together: closed by default, and independent of each other.

use std::process::Command;

use hummingbird_status::sources::Settings;
use hummingbird_status::submit::Intake;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ALL, CRON, MAESTRO, OPERATORS, Site, intake, open, serve};
use crate::support::{self, render};

const ADDRESSES: [(Method, &str); 4] = [
    (Method::POST, "/submit"),
    (Method::GET, "/status?id=a"),
    (Method::PATCH, "/jobs/1/state"),
    (Method::POST, "/bots"),
];

#[tokio::test]
async fn everything_is_closed_by_default() {
    let db = support::database().await;
    let none = |_: &str| None;
    let closed = Intake::new(db.store.clone(), Settings::default(), &none).unwrap();
    assert!(!closed.is_open() && intake(&db.store).is_open());
    let site = serve(&db.store, closed, &none).await;
    let keyed = site.send(Method::GET, "/v1/deliveries", &[("x-api-key", "")], Vec::new()).await;
    assert_eq!(keyed.status, 401);
    for (method, path) in ADDRESSES {
        let answer = site.call(method.clone(), path, ALL, "{}").await;
        assert_eq!((answer.status, &answer.body["reason"]), (404, &json!("closed")), "{path}");
    }
    // Open for bots is not open for jobs.
    let bots = |name: &str| match name {
        "INTAKE_TOKENS" => Some("[[token]]\nname = 'a'\ntoken = 'secret:cron'\nbots = ['*']".to_owned()),
        "INTAKE_SECRETS" => Some(json!({"cron": CRON}).to_string()),
        _ => None,
    };
    let site = serve(&db.store, Intake::new(db.store.clone(), Settings::default(), &bots).unwrap(), &bots).await;
    let answers = futures_util::future::join_all(ADDRESSES.map(|(method, path)| {
        let site = &site;
        async move { site.call(method, path, CRON, r#"{"name":"a","status":"ok"}"#).await.status }
    }));
    assert_eq!(answers.await, [404, 404, 404, 200]);
    assert_eq!(site.call(Method::POST, "/bots", ALL, "{}").await.status, 401);
}

#[tokio::test]
async fn tokens_and_the_password_of_the_pages_do_not_meet() {
    let db = support::database().await;
    let lookup = |name: &str| match name {
        "PAGE_BASIC_AUTH" => Some("u:p".to_owned()),
        "DELIVERY_TARGETS" => Some(
            "[[target]]\nname='in'\nkind='github'\nhosts=['h.example']\napi_key='env:KEY'\n\
             [[target]]\nname='out'\nkind='github'\nhosts=['o.example']\ntoken='env:NOT_HERE'"
                .to_owned(),
        ),
        "KEY" => Some("key-hunter2-hunter2".to_owned()),
        name => open(name),
    };
    let site = serve(&db.store, intake(&db.store), &lookup).await;
    let status = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let body = br#"{"name":"nightly-a","status":"ok"}"#.to_vec();
        site.send(method, path, headers, body).await.status
    };
    let (basic, bearer) = (("authorization", "Basic dTpw"), format!("Bearer {CRON}"));
    let bearer = ("authorization", bearer.as_str());
    for (method, path, headers, expected) in [
        (Method::GET, "/bots", &[][..], 401),
        (Method::GET, "/bots", &[bearer], 401),
        (Method::GET, "/bots", &[basic], 200),
        (Method::POST, "/bots", &[basic], 401),
        (Method::POST, "/bots", &[bearer], 200),
        (Method::GET, "/v1/deliveries", &[("x-api-key", "key-hunter2-hunter2")], 200),
        (Method::GET, "/v1/deliveries", &[basic], 401),
        (Method::GET, "/v1/deliveries", &[bearer], 401),
        (Method::GET, "/nothing", &[basic], 404),
        (Method::GET, "/nothing", &[], 401),
        (Method::GET, "/submit", &[basic], 405),
    ] {
        assert_eq!(status(method.clone(), path, headers).await, expected, "{method} {path} {headers:?}");
    }
}

/// Every address of the document is served, and answers errors in the form that the document has for them.
#[tokio::test]
async fn the_document_describes_what_is_served() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let document = site.get("/api/v1/openapi.json", "").await.body;
    let schemes: Vec<_> = document["components"]["securitySchemes"].as_object().unwrap().keys().collect();
    assert_eq!(schemes, ["job", "key", "token"]);
    let text = document.to_string();
    for (at, _) in text.match_indices(r##""$ref":"#"##) {
        let pointer = text[at + 9..].split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is nowhere");
    }
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(_, one)| !one["security"].is_null()) {
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let concrete = path.replace("{id}", "1").replace("{lease}", "x");
            let answer = site.send(name, &concrete, &[], Vec::new()).await;
            let content = &operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"];
            let schema = content.as_str().unwrap().replace('#', "");
            let properties = document.pointer(&format!("{schema}/properties")).unwrap().as_object().unwrap();
            let members: Vec<_> = answer.body.as_object().unwrap().keys().collect();
            assert!(members.iter().all(|member| properties.contains_key(*member)), "{path}: {members:?}");
            assert_eq!(answer.status, 401, "{method} {path}");
            found.push(format!("{method} {path}"));
        }
    }
    let expected = [
        "post /bots",
        "patch /jobs/{id}/state",
        "get /authtest",
        "get /status",
        "post /submit",
        "get /v1/deliveries",
        "delete /v1/deliveries/{lease}",
        "post /v1/deliveries/{lease}",
    ];
    found.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
}

/// Tokens of all kinds, valid and invalid, are in no row and in no log line, also at level trace.
#[tokio::test]
async fn tokens_are_in_no_row_and_no_log() {
    let db = support::database().await;
    let mut program = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    program.args(["web", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", &db.url).env("RUST_LOG", "trace");
    for name in ["INTAKE_TOKENS", "MAESTRO", "ALL", "CRON", "OPERATORS", "SIGNER"] {
        program.env(name, open(name).unwrap());
    }
    let mut program =
        program.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut stderr = program.stderr.take().unwrap();
    let log = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap());
    let mut stdout = std::io::BufReader::new(program.stdout.take().unwrap());
    let (mut said, mut line) = (String::new(), String::new());
    while !said.contains("http://") || !said.contains("Posting") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stdout, &mut line).unwrap() > 0, "ended: {said}");
        said.push_str(&line);
    }
    assert!(said.contains("Posting messages is enabled for clients with a token"), "{said}");
    let url = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    let client = hummingbird_status::platform::https::client().no_proxy().build().unwrap();
    let wrong = "wrong-hunter2-hunter2";
    let body =
        json!({"version": {"major": 5, "minor": 3}, "checkouts": [{"id": "redhat:1", "origin": "redhat", "x": 1}]});
    for token in [MAESTRO, ALL, CRON, OPERATORS, wrong] {
        for (method, path) in ADDRESSES {
            let request = client.request(method, format!("{url}{path}")).bearer_auth(token);
            request.body(body.to_string()).send().await.unwrap();
        }
    }
    program.kill().unwrap();
    program.wait().unwrap();
    let rows = "SELECT t::text FROM kcidb_receipts AS t UNION ALL SELECT t::text FROM outbox AS t \
                UNION ALL SELECT concat(id, attributes, detail, convert_from(body, 'UTF8')) FROM refused";
    let rows = render::rows(&db.store, rows).await.join("\n");
    let log = log.join().unwrap();
    assert!(log.contains("batch") && rows.contains("redhat:1"), "{log}");
    assert!(!log.contains("hunter2") && !rows.contains("hunter2"));
}

/// A function URL or HTTP API gives bodies that are no text in base64.
#[tokio::test]
async fn the_function_takes_submissions() {
    let db = support::database().await;
    let body = json!({"version": {"major": 5, "minor": 3}, "checkouts": [{"id": "maestro:1", "origin": "maestro"}]});
    let asked = |method: &str, path: &str, token: &str, body: &[u8]| {
        use base64::Engine;
        let mut event =
            crate::web::lambda::asked(path, "", &json!({"authorization": format!("Bearer {token}"), "host": "h"}));
        event["requestContext"]["http"]["method"] = json!(method);
        event["body"] = json!(base64::engine::general_purpose::STANDARD.encode(body));
        event["isBase64Encoded"] = json!(true);
        event
    };
    let packed = super::gzip(body.to_string().as_bytes());
    let heartbeat = br#"{"name":"nightly-a","status":"ok"}"#;
    let waiting = vec![
        asked("POST", "/submit", MAESTRO, &packed),
        asked("POST", "/submit", "x", &packed),
        asked("POST", "/bots", CRON, heartbeat),
        asked("GET", "/v1/deliveries", "x", b""),
        asked("GET", "/bots", "x", b""),
    ];
    let names = ["INTAKE_TOKENS", "MAESTRO", "ALL", "CRON", "OPERATORS", "SIGNER"];
    let variables = names.map(|name| (name, open(name).unwrap()));
    let answers = crate::web::lambda::answers(&db, waiting, &variables).await;
    let status: Vec<&Value> = answers.iter().map(|answer| &answer["statusCode"]).collect();
    assert_eq!(status, [200, 401, 200, 401, 200], "{answers:?}");
    let rows = "SELECT id FROM kcidb_checkouts UNION ALL SELECT name FROM bots";
    assert_eq!(render::rows(&db.store, rows).await, ["maestro:1", "nightly-a"]);
}
