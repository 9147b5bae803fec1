//! What attackers tried without success, and what no other test held.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use reqwest::Method;
use serde_json::json;
use sha2::{Sha256, Sha512};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::deliver::notices::take_builds;
use crate::deliver::{drain, read};
use crate::submit::{CRON, OPERATORS, Site, intake, open, serve, signed};
use crate::support::forge::{Forge, created};
use crate::support::{self, Db, deadline, render};

/// A token with such a header, signed with the key of the signer.
fn token(header: &str, claims: &str, is_512: bool) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = open("SIGNER").unwrap();
    let tag = if is_512 {
        Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap().chain_update(&message).finalize().into_bytes().to_vec()
    } else {
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(&message).finalize().into_bytes().to_vec()
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test]
async fn signed_tokens_in_any_other_form_are_rejected() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let (header, claims) = (r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"sub":"99"}"#);
    let ask =
        async |token: &str| site.call(Method::PATCH, "/jobs/99/state", token, r#"{"new":"started"}"#).await.status;
    let fine = token(header, claims, false);
    assert_eq!(ask(&fine).await, 404, "the token is taken, and there is no such job");
    for algorithm in ["none", "None", "NONE", "nOnE", "HS384", "RS256", "ES256", "hs256", ""] {
        assert_eq!(ask(&token(&json!({"alg": algorithm}).to_string(), claims, false)).await, 401, "{algorithm}");
    }
    for header in
        [r#"{"alg":"HS256","alg":"none"}"#, r#"{"alg":"HS256","crit":["exp"]}"#, r#"{"alg":["HS256"]}"#, "{}", "[]", ""]
    {
        assert_eq!(ask(&token(header, claims, false)).await, 401, "{header}");
    }
    for claims in [
        r#"{"sub":"99","sub":"99"}"#,
        r#"{"sub":"99","exp":1e400}"#,
        r#"{"sub":"99","nbf":1e308}"#,
        r#"{"sub":"99","exp":[]}"#,
        r#"{"sub":"99","exp":0}"#,
        r#"["sub"]"#,
        "",
    ] {
        assert_eq!(ask(&token(header, claims, false)).await, 401, "{claims}");
    }
    assert_eq!(ask(&token(r#"{"alg":"HS512"}"#, claims, true)).await, 401, "another hash");
    let (message, tag) = fine.rsplit_once('.').unwrap();
    for broken in [
        message.to_owned(),
        format!("{message}."),
        format!("{fine}.{tag}"),
        format!("{fine}="),
        format!("{fine} {fine}"),
        format!("{message}.{}", STANDARD.encode(URL_SAFE_NO_PAD.decode(tag).unwrap())),
        "x".repeat(60_000),
    ] {
        assert_eq!(ask(&broken).await, 401, "{}", &broken[..broken.len().min(80)]);
    }
    // A key that the token brings with it, or names, is none.
    let named = token(r#"{"alg":"HS256","kid":"../../dev/null","jwk":{"kty":"oct","k":""}}"#, claims, false);
    let empty = Hmac::<Sha256>::new_from_slice(b"").unwrap().chain_update(named.rsplit_once('.').unwrap().0).finalize();
    let forged = format!("{}.{}", named.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode(empty.into_bytes()));
    assert_eq!(ask(&forged).await, 401);
}

#[tokio::test]
async fn tokens_count_in_their_header_only_and_no_other_site_can_send_them() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let body = json!({"name": "nightly-a", "status": "ok"}).to_string();
    for query in ["token", "access_token", "authorization", "key"] {
        let path = format!("/bots?{query}={CRON}");
        assert_eq!(site.send(Method::POST, &path, &[], body.clone().into()).await.status, 401, "{query}");
    }
    for (name, value) in [("cookie", format!("token={CRON}")), ("x-api-key", CRON.to_owned())] {
        assert_eq!(
            site.send(Method::POST, "/bots", &[(name, &value)], body.clone().into()).await.status,
            401,
            "{name}"
        );
    }
    for (method, path) in [(Method::OPTIONS, "/bots"), (Method::OPTIONS, "/submit"), (Method::GET, "/api/v1/bots")] {
        let headers = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ];
        let answer = site.send(method, path, &headers, Vec::new()).await;
        let cors = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).count();
        assert_eq!(cors, 0, "{path}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn a_heartbeat_cannot_bring_another_bot_with_it() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let foreign = json!({"name": "other", "status": "failed"});
    let sns = json!({"Type": "Notification", "MessageId": "m", "Message": foreign.to_string(),
        "MessageAttributes": {"source": {"Type": "String", "Value": "bot"}}});
    let event = json!({"specversion": "1.0", "id": "e", "source": "x", "type": "bot", "data": foreign});
    let sqs = json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": foreign.to_string()}]});
    for body in [
        foreign.to_string(),
        sns.to_string(),
        event.to_string(),
        sqs.to_string(),
        json!([foreign]).to_string(),
        STANDARD.encode(foreign.to_string()),
        r#"{"name":"nightly-a","name":"other","status":"failed"}"#.to_owned(),
        r#"{"name":"other","status":"failed","name":"nightly-a"}"#.to_owned(),
        format!("{{\"name\":\"nightly-a\",\"status\":\"ok\"}}\n{foreign}"),
    ] {
        let answer = site.call(Method::POST, "/bots", CRON, body.clone()).await;
        assert!(matches!(answer.status, 400 | 403), "{body}: {answer:?}");
    }
    assert_eq!(render::rows(&db.store, "SELECT name FROM bots").await, [""; 0]);
}

#[tokio::test]
async fn the_password_of_the_pages_has_one_spelling_and_no_way_around() {
    let db = support::database().await;
    let lookup = |name: &str| (name == "PAGE_BASIC_AUTH").then(|| "u:p\u{e4}ss".to_owned());
    let site = serve(&db.store, intake(&db.store), &lookup).await;
    let basic = |secret: &[u8]| format!("Basic {}", STANDARD.encode(secret));
    let ask = async |path: &str, given: &str| {
        site.send(Method::GET, path, &[("authorization", given)], Vec::new()).await.status
    };
    assert_eq!(ask("/bots", &basic("u:p\u{e4}ss".as_bytes())).await, 200);
    for (what, given) in [
        ("NFD", basic("u:pa\u{308}ss".as_bytes())),
        ("Latin-1", basic(b"u:p\xe4ss")),
        ("NUL", basic("u:p\u{e4}ss\0".as_bytes())),
        ("no colon", basic(b"u")),
        ("nothing", basic(b"")),
        ("no base64", "Basic u:p".to_owned()),
        ("no secret", "Basic".to_owned()),
        ("another scheme", "Bearer u:p".to_owned()),
        ("an intake token", format!("Bearer {OPERATORS}")),
    ] {
        assert_eq!(ask("/bots", &given).await, 401, "{what}");
    }
    // Paths as they are: a client would tidy them up.
    let address = site.url.trim_start_matches("http://").to_owned();
    for path in
        ["//healthz", "/healthz/../bots", "/healthz;a", "/healthz/", "/HEALTHZ", "/healthz%2f..%2fbots", "/./healthz"]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let said = raw(&address, request.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 401"), "{path}: {said}");
    }
}

/// What a server says to bytes, to the end of the connection.
async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and hang up before it has read all.
    drop(stream.write_all(bytes).await);
    let mut said = Vec::new();
    let read = tokio::time::timeout(deadline().remaining(), stream.read_to_end(&mut said)).await;
    drop(read.expect("neither answer nor end"));
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn requests_that_two_servers_would_read_differently_are_rejected() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let address = site.url.trim_start_matches("http://").to_owned();
    let host = "Host: localhost\r\n";
    let inner = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    for (what, request) in [
        (
            "two lengths",
            format!("POST /bots HTTP/1.1\r\n{host}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}"),
        ),
        ("a length with a sign", format!("POST /bots HTTP/1.1\r\n{host}Content-Length: +2\r\n\r\n{{}}")),
        ("a negative length", format!("POST /bots HTTP/1.1\r\n{host}Content-Length: -2\r\n\r\n{{}}")),
        ("an odd coding", format!("POST /bots HTTP/1.1\r\n{host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
        ("a blank before the colon", format!("POST /bots HTTP/1.1\r\n{host}Content-Length : 2\r\n\r\n{{}}")),
        ("a folded line", format!("GET /healthz HTTP/1.1\r\n{host}X-A: a\r\n b\r\n\r\n")),
        ("many headers", format!("GET /healthz HTTP/1.1\r\n{host}{}\r\n", "X-A: a\r\n".repeat(200))),
        ("a large header", format!("GET /healthz HTTP/1.1\r\n{host}X-A: {}\r\n\r\n", "a".repeat(500_000))),
        ("a long path", format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(70_000))),
    ] {
        let said = raw(&address, request.as_bytes()).await;
        let status = said.split(' ').nth(1).unwrap_or_default();
        // None where it hung up before all had been read.
        assert!(matches!(status, "400" | "414" | "431" | ""), "{what}: {said}");
        assert!(said.matches("HTTP/1.1 ").count() <= 1, "{what}: two answers: {said}");
    }
    // Both: the length does not count, and what follows the last chunk is not read as its body.
    let both = format!(
        "POST /bots HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n{inner}"
    );
    let said = raw(&address, both.as_bytes()).await;
    assert!(said.matches("HTTP/1.1 ").count() <= 1 && !said.starts_with("HTTP/1.1 200"), "{said}");
    for method in ["TRACE", "PUT", "DELETE", "BREW"] {
        let request =
            format!("{method} /bots HTTP/1.1\r\n{host}X-HTTP-Method-Override: GET\r\nConnection: close\r\n\r\n");
        let said = raw(&address, request.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 405"), "{method}: {said}");
    }
}

#[tokio::test]
async fn every_answer_forbids_scripts_frames_and_guesses() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    for path in [
        "/",
        "/bots",
        "/feed.atom",
        "/badge.svg",
        "/badge/bots/x.svg",
        "/api/v1/bots",
        "/style.css",
        "/metrics",
        "/nothing",
        "/mr/x",
    ] {
        let answer = site.send(Method::GET, path, &[], Vec::new()).await;
        let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{path}: {policy}");
        let others = ["x-content-type-options", "x-frame-options", "cross-origin-opener-policy", "referrer-policy"];
        assert_eq!(others.map(header), ["nosniff", "DENY", "same-origin", "no-referrer"], "{path}");
    }
}

/// A command, its exit status and all that it said.
fn command(db: &Db, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    let output = command.args(words).env("DATABASE_URL", &db.url).output().unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_commands_are_no_sql() {
    let db = support::database().await;
    let bot = Delivery { id: "b".to_owned(), body: br#"{"name":"a","status":"ok"}"#.to_vec(), ..Delivery::default() };
    ingest(&db.store, &[bot], &Settings::default(), deadline()).await;
    for value in ["' OR '1'='1", "'; DROP TABLE bots; --", "a' || pg_sleep(1000) || '", "%", "a\\", "$1"] {
        for words in [
            &["explain", "bot", value][..],
            &["explain", "mr", value],
            &["bot-status", value],
            &["deliveries", "show", value],
            &["refused", "show", value],
            &["reconcile", "--no-sweep", "--dry-run", "--project", value],
        ] {
            let (status, said) = command(&db, words);
            let is_error = ["syntax", "22P02", "42601", "panicked"].iter().any(|word| said.contains(word));
            assert!(!is_error && (words[0] == "reconcile" || status != Some(0)), "{words:?}: {status:?} {said}");
        }
    }
    assert_eq!(render::rows(&db.store, "SELECT name FROM bots").await, ["a"]);
}

/// Shapes that parsers fail at: each is rejected or ignored by itself, and a good message beside it is kept.
#[tokio::test]
async fn shapes_of_json_do_no_harm_to_their_batch() {
    let db = support::database().await;
    let depth = 100_000;
    let many = |number: usize| (0..number).map(|key| format!("\"k{key}\":0")).collect::<Vec<_>>().join(",");
    let mut nested = r#"{"name":"x","status":"ok"}"#.to_owned();
    for _ in 0..12 {
        nested = serde_json::to_string(&nested).unwrap();
    }
    let mut coded = b"{}".to_vec();
    for _ in 0..20 {
        coded = STANDARD.encode(&coded).into_bytes();
    }
    let hostile: Vec<Vec<u8>> = vec![
        format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes(),
        format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes(),
        "[".repeat(depth).into_bytes(),
        format!("{{{}}}", many(300_000)).into_bytes(),
        format!("{{\"name\":\"x\",\"status\":\"ok\",\"interval\":{}}}", "9".repeat(10_000)).into_bytes(),
        br#"{"name":"\ud800","status":"\udfff"}"#.to_vec(),
        b"{\"name\":\"\\u0000\",\"status\":\"ok\"}".to_vec(),
        nested.into_bytes(),
        coded,
        vec![0; 1000],
        b"\xff\xfe{\x00}\x00".to_vec(),
    ];
    let batch: Vec<Delivery> = hostile
        .into_iter()
        .chain([br#"{"name":"good","status":"ok"}"#.to_vec()])
        .enumerate()
        .map(|(number, body)| Delivery { id: format!("m{number}"), body, ..Delivery::default() })
        .collect();
    let report = ingest(&db.store, &batch, &Settings::default(), deadline()).await;
    assert_eq!((report.error.as_ref(), report.counts().again), (None, 0), "{:?}", report.reasons);
    assert!(render::rows(&db.store, "SELECT name FROM bots").await.contains(&"good".to_owned()));
}

/// The resolver of the connection itself decides, so it does not matter how a host is written.
#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_private_host_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let hosts = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "\u{2460}\u{2461}\u{2466}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ];
    let document: String = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| {
            format!("[[target]]\nname = 'w{number}'\nkind = 'webhook'\nurl = 'https://{host}:{port}/'\nsecret = 'env:TOKEN'\n")
        })
        .collect();
    let db = support::database().await;
    let targets = read(&document);
    assert_eq!(targets.len(), hosts.len());
    take_builds(&db.store, &json!({})).await;
    drain(&db.store, &targets).await;
    let tried = render::rows(&db.store, "SELECT DISTINCT target || ' ' || coalesce(reason, '') FROM deliveries").await;
    for (number, host) in hosts.iter().enumerate() {
        let of: Vec<&String> = tried.iter().filter(|line| line.starts_with(&format!("w{number} "))).collect();
        // What a name has for addresses is the machine's; what it says of the first try is enough.
        let why = if host.eq_ignore_ascii_case("localhost") { ["error", "address"] } else { ["not public"; 2] };
        assert!(of.iter().any(|line| why.iter().any(|why| line.contains(why))), "{host}: {of:?}");
    }
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

/// A server that sends its answer byte by byte and never ends it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_ends_and_holds_up_no_other_target() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                // An answer that comes before its request is an error of HTTP.
                if !socket.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                    return;
                }
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.ok();
                // Until the client closes the connection.
                while socket.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
    });
    let forge = Forge::start(|_| created()).await;
    let hook = |name: &str, url: &str| {
        format!(
            "[[target]]\nname = '{name}'\nkind = 'webhook'\nurl = '{url}'\nsecret = 'env:TOKEN'\nallow_private = true\n"
        )
    };
    let db = support::database().await;
    let targets = read(&[hook("drips", &format!("http://127.0.0.1:{port}/")), hook("fine", &forge.url)].concat());
    take_builds(&db.store, &json!({})).await;
    drain(&db.store, &targets).await;
    let states = "SELECT target || ' ' || state || coalesce(' ' || reason, '') FROM deliveries WHERE attempts > 0 \
                  OR state <> 'pending'";
    let states = render::rows(&db.store, states).await;
    let of = |name: &str| states.iter().filter(|state| state.starts_with(name)).collect::<Vec<_>>();
    let is_late = |state: &&String| *state == "drips pending no answer within 10 s";
    assert!(!of("drips").is_empty() && of("drips").iter().all(is_late), "{states:?}");
    assert!(!of("fine").is_empty() && of("fine").iter().all(|state| *state == "fine delivered"), "{states:?}");
}

/// The PostgreSQL of laptops and tests: only this machine reaches it, by one port, and each connection proves who it
/// is.
#[tokio::test]
async fn the_private_database_is_for_its_owner() {
    let db = support::database().await;
    let setting =
        async |name: &str| render::rows(&db.store, &format!("SELECT current_setting('{name}')")).await.concat();
    assert_eq!(setting("listen_addresses").await, "127.0.0.1");
    assert_eq!(setting("unix_socket_directories").await, "");
    let mode = u32::from_str_radix(&setting("data_directory_mode").await, 8).unwrap();
    assert_eq!(mode, 0o700);
    let ways = "SELECT DISTINCT auth_method FROM pg_hba_file_rules";
    assert_eq!(render::rows(&support::admin_store(), ways).await, ["scram-sha-256"]);
    let wrong = support::store_of(&db.url.replacen("://hummingbird:", "://hummingbird:wrong", 1), 1);
    let refused = wrong.script("SELECT 1", deadline()).await;
    assert!(refused.is_err(), "another password is taken");
}

/// What a job's own token cannot change.
#[tokio::test]
async fn a_token_of_a_job_is_no_token_of_anything_else() {
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let token = signed(&json!({"sub": "11"}));
    for (method, path) in [(Method::POST, "/bots"), (Method::POST, "/submit"), (Method::GET, "/status?id=a")] {
        let body = r#"{"name":"nightly-a","status":"ok"}"#;
        let answer = site.call(method, path, &token, body).await;
        assert!(matches!(answer.status, 401 | 403), "{path}: {answer:?}");
    }
    for path in ["/jobs/12/state", "/jobs/%31%32/state", "/jobs/11%2f..%2f12/state"] {
        let answer = site.call(Method::PATCH, path, &token, r#"{"new":"started"}"#).await;
        assert!(matches!(answer.status, 403 | 404), "{path}: {answer:?}");
    }
}
