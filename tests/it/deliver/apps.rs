//! GitHub Apps: installation tokens that are valid for an hour, from a fake GitHub that checks the signed request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hummingbird_status::db::Store;
use hummingbird_status::deliver::Deliverer;
use hummingbird_status::deliver::targets::{Target, targets};
use jiff::{SignedDuration, Timestamp};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey, EncodeRsaPublicKey, LineEnding};
use rsa::pkcs8::DecodePrivateKey;
use serde_json::{Value, json};

use super::notices::{CheckRuns, create, deliveries, finish, start, take_in};
use super::{drain, later, run};
use crate::support::forge::{Forge, Post, Reply, answer, created};
use crate::support::{self, render};

/// The key of the app, PKCS #8.
pub const KEY: &str = include_str!("hook-key.pem");
/// The path where its installation gets tokens.
pub const TOKENS: &str = "/api/v3/app/installations/77/access_tokens";

/// A document with a target that uses the app; the key is at `env:KEY`.
pub fn app(kind: &str, forge: &Forge, more: &str) -> String {
    format!(
        "[[target]]\nname = '{kind}'\nkind = '{kind}'\nhosts = ['ghe.acme.example']\napi = '{}/api/v3'\n\
         pages = 'https://ci.acme.example'\napp_id = 4711\ninstallation_id = 77\nkey = 'env:KEY'\n{more}\n",
        forge.url
    )
}

fn read(document: &str, pem: &str) -> Vec<Target> {
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.to_owned()),
        "KEY" => Some(pem.to_owned()),
        _ => None,
    };
    targets(&lookup).unwrap()
}

fn deliverer(store: &Store, targets: &[Target]) -> Deliverer {
    Deliverer::new(store.clone(), targets.to_vec(), None).unwrap()
}

/// A fake GitHub, as far as an app uses it.
struct GitHub {
    /// The lifetime of a token in seconds.
    life: i64,
    /// The seconds by which its clock is ahead.
    ahead: i64,
    /// The tokens that it issued; the last one is valid until the given time.
    made: Vec<String>,
    until: Timestamp,
    /// Whether it accepts the last token.
    knows: bool,
    runs: CheckRuns,
}

impl GitHub {
    fn new() -> Self {
        Self { life: 3600, ahead: 0, made: Vec::new(), until: Timestamp::MAX, knows: true, runs: CheckRuns::default() }
    }

    fn reply(&mut self, post: &Post) -> Reply {
        if post.path == TOKENS {
            return self.make(post);
        }
        let bearer = post.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
        let ended = Timestamp::now() + SignedDuration::from_secs(self.ahead) >= self.until;
        if ended || !self.knows || self.made.last().is_none_or(|token| token != bearer) {
            return answer(401, &[], r#"{"message":"Bad credentials"}"#);
        }
        match post.path.contains("/statuses/") {
            true => created(),
            false => self.runs.take(&post.method, &post.path, &post.body),
        }
    }

    fn make(&mut self, post: &Post) -> Reply {
        let now = Timestamp::now() + SignedDuration::from_secs(self.ahead);
        assert_eq!(claims(post, now.as_second())["iss"], 4711);
        self.made.push(format!("ghs_hunter{}x", self.made.len()));
        self.until = now + SignedDuration::from_secs(self.life);
        let expires_at = self.until.to_string();
        let body = json!({"token": self.made.last(), "expires_at": expires_at, "permissions": {"checks": "write"}});
        let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        Reply::Late(Duration::from_millis(300), Box::new(answer(201, &[("date", &date)], &body.to_string())))
    }
}

/// The claims of a JWT, checked as GitHub does.
fn claims(post: &Post, now: i64) -> Value {
    let bearer = post.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    let [head, body, signature] = bearer.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let key = RsaPrivateKey::from_pkcs8_pem(KEY).unwrap().to_public_key().to_pkcs1_der().unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_bytes());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verify(format!("{head}.{body}").as_bytes(), &signature).expect("the signature of the app");
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(json(head)["alg"], "RS256");
    let claims = json(body);
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((now - 120..=now).contains(&iat), "issued {} s from now", iat - now);
    assert!(exp > now && exp <= now + 600 && exp - iat <= 600, "expires {} s from now", exp - now);
    claims
}

async fn github(github: GitHub) -> (Arc<Mutex<GitHub>>, Forge) {
    let github = Arc::new(Mutex::new(github));
    let server = Arc::clone(&github);
    let forge = Forge::start(move |post| server.lock().unwrap().reply(post)).await;
    (github, forge)
}

fn asked(forge: &Forge) -> usize {
    forge.posts().iter().filter(|post| post.path == TOKENS).count()
}

/// New builds, from the first number to the last.
async fn builds(store: &Store, ids: std::ops::RangeInclusive<i64>) {
    let quiet = json!({"email": false});
    let made: Vec<_> = ids.map(|id| create(id, &quiet)).collect();
    take_in(store, &made).await;
}

#[tokio::test]
async fn one_token_serves_all_targets_at_once() {
    let db = support::database().await;
    let pkcs1 = RsaPrivateKey::from_pkcs8_pem(KEY).unwrap().to_pkcs1_pem(LineEnding::LF).unwrap();
    for (round, pem) in [KEY, &pkcs1].into_iter().enumerate() {
        let (github, forge) = github(GitHub::new()).await;
        let document = app("check_run", &forge, "concurrency = 8") + &app("github", &forge, "beside_check_runs = true");
        let deliverer = deliverer(&db.store, &read(&document, pem));
        let first = 10 * round as i64 + 1;
        builds(&db.store, first..=first + 7).await;
        run(&deliverer).await;
        assert_eq!(asked(&forge), 1, "requests for a token by 8 check runs and 8 statuses at once");
        assert_eq!(github.lock().unwrap().runs.runs.len(), 8);
        let statuses = forge.posts().iter().filter(|post| post.path.contains("/statuses/")).count();
        assert!(statuses >= 1, "one commit has the statuses of all builds");
        // And later events.
        take_in(&db.store, &[start(first), finish(first, "failed")]).await;
        run(&deliverer).await;
        assert_eq!(asked(&forge), 1);
        assert_eq!(github.lock().unwrap().runs.runs[0]["conclusion"], "failure");
        assert!(forge.posts().iter().all(|post| post.path == TOKENS || post.taken));
    }
    assert!(deliveries(&db.store).await.iter().all(|line| line.contains("delivered 1")));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let db = support::database().await;
    // The lifetime in seconds, half of which is used (the server's clock counts whole seconds).
    let (github, forge) = github(GitHub { life: 12, ..GitHub::new() }).await;
    let deliverer = deliverer(&db.store, &read(&app("check_run", &forge, ""), KEY));
    builds(&db.store, 1..=1).await;
    run(&deliverer).await;
    let (before, until) = (asked(&forge), github.lock().unwrap().until);
    support::until("the last half of its life", async || Timestamp::now() > until - SignedDuration::from_secs(5)).await;
    builds(&db.store, 2..=2).await;
    run(&deliverer).await;
    assert!(asked(&forge) > before, "{before} tokens");
    assert_eq!(github.lock().unwrap().runs.runs.len(), 2);
    assert!(forge.posts().iter().all(|post| post.taken), "none was used after its end");
}

#[tokio::test]
async fn the_expiry_of_a_token_follows_the_servers_clock() {
    let db = support::database().await;
    // The server's clock is so late that its tokens have expired by ours.
    let (_, forge) = github(GitHub { ahead: -50, life: 40, ..GitHub::new() }).await;
    let deliverer = deliverer(&db.store, &read(&app("check_run", &forge, ""), KEY));
    for id in 1..=3 {
        builds(&db.store, id..=id).await;
        run(&deliverer).await;
    }
    assert_eq!(asked(&forge), 1);
    assert!(forge.posts().iter().all(|post| post.taken));
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    let db = support::database().await;
    let (github, forge) = github(GitHub::new()).await;
    let deliverer = deliverer(&db.store, &read(&app("check_run", &forge, "concurrency = 4"), KEY));
    builds(&db.store, 1..=1).await;
    run(&deliverer).await;
    github.lock().unwrap().made.push("ghs_another".to_owned());
    builds(&db.store, 2..=5).await;
    run(&deliverer).await;
    assert_eq!((asked(&forge), github.lock().unwrap().runs.runs.len()), (2, 5));
    let states = deliveries(&db.store).await;
    assert!(states.iter().all(|line| line == "notify:host delivered 1"), "{states:?}");
}

#[tokio::test]
async fn a_new_token_that_is_unknown_for_a_moment_is_retried() {
    let db = support::database().await;
    let (github, forge) = github(GitHub { knows: false, ..GitHub::new() }).await;
    let deliverer = deliverer(&db.store, &read(&app("check_run", &forge, "interval_ms = 600000"), KEY));
    builds(&db.store, 1..=1).await;
    run(&deliverer).await;
    let said = deliveries(&db.store).await.concat();
    assert!(said.starts_with("notify:host pending 1 the token is new"), "{said}");
    github.lock().unwrap().knows = true;
    later(&db.store).await;
    run(&deliverer).await;
    assert_eq!(asked(&forge), 1, "the same token, once it is known");
    assert!(deliveries(&db.store).await.concat().starts_with("notify:host delivered 2"));
}

/// The circuit breaker of a target opens when new tokens of the app are rejected, too; the reason is stored.
#[tokio::test]
async fn repeatedly_rejected_tokens_close_the_target() {
    let db = support::database().await;
    let (_, forge) = github(GitHub { knows: false, ..GitHub::new() }).await;
    let deliverer = deliverer(&db.store, &read(&app("check_run", &forge, "interval_ms = 600000"), KEY));
    builds(&db.store, 1..=1).await;
    for _ in 0..5 {
        run(&deliverer).await;
        later(&db.store).await;
    }
    let said = deliveries(&db.store).await.concat();
    assert!(said.starts_with("notify:host pending 3 the token is wrong or has expired: 401"), "{said}");
    // (Two on a busy machine, where the token is no longer new.)
    assert!(asked(&forge) <= 2, "a token is not made for each attempt");
}

#[tokio::test]
async fn a_missing_token_is_no_fault_of_the_delivery() {
    let db = support::database().await;
    let message = |text: &str| json!({"message": text}).to_string();
    let date = |ahead: i64| {
        let then = Timestamp::now() + SignedDuration::from_secs(ahead);
        jiff::fmt::rfc2822::to_string(&then.to_zoned(jiff::tz::TimeZone::UTC)).unwrap()
    };
    let bad = message("A JSON web token could not be decoded");
    let cases: Vec<(&str, Reply, &str, bool)> = vec![
        (
            "wrong key",
            answer(401, &[], &bad),
            "pending 0 no token for the installation: app_id and key do not match",
            true,
        ),
        (
            "clock",
            answer(401, &[("date", &date(-300))], &message("'Issued at' claim ('iat') must be in the past")),
            "pending 0 no token for the installation: this machine's clock is 30",
            true,
        ),
        (
            "suspended",
            answer(403, &[], &message("This installation has been suspended")),
            "pending 0 no token for the installation: it may be suspended: 403",
            true,
        ),
        (
            "gone",
            answer(404, &[], &message("Not Found")),
            "pending 0 no token for the installation: the app has no installation",
            true,
        ),
        ("limit", answer(429, &[("retry-after", "7000")], ""), "pending 0 rate limit: 429", true),
        (
            "limit, without time",
            answer(403, &[], &message("API rate limit exceeded")),
            "pending 0 secondary rate limit",
            true,
        ),
        ("redirect", answer(301, &[("location", "http://127.0.0.2/")], ""), "pending 0 no token", true),
        ("error", answer(500, &[], ""), "pending 1 no token for the installation: 500", false),
        ("away", answer(503, &[("retry-after", "120")], ""), "pending 1 no token for the installation: 503", false),
        ("garbage", answer(201, &[], "{\"token\":7}"), "pending 1 no token for the installation: an answer", false),
        ("cut", Reply::Cut, "pending 1 no token for the installation: ", false),
    ];
    for (name, habit, expected, closed) in cases {
        support::schema::clear(&db.store).await;
        let forge = Forge::start(move |_| habit.clone()).await;
        // A random wait may be zero, which gives two attempts.
        let pace = if closed { "concurrency = 3" } else { "interval_ms = 600000" };
        let targets = read(&app("check_run", &forge, pace), KEY);
        builds(&db.store, 1..=3).await;
        drain(&db.store, &targets).await;
        let said = deliveries(&db.store).await;
        assert!(!said.is_empty() && said.iter().all(|line| line.contains("pending")), "{name}: {said:?}");
        assert!(said.iter().any(|line| line.contains(expected)), "{name}: {said:?}");
        assert!(forge.posts().iter().all(|post| post.path == TOKENS), "{name}: asked without a token");
        let is_closed = render::rows(&db.store, "SELECT name FROM delivery_targets WHERE open_until > now()").await;
        assert_eq!(!is_closed.is_empty(), closed, "{name}");
        if closed {
            assert_eq!(forge.count(), 1, "{name}: what failed is everybody's for a moment");
        }
    }
}

#[test]
fn errors_of_the_document_are_reported() {
    let said = |members: &str, kind: &str| {
        let document = format!(
            "[[target]]\nname = 'x'\nkind = '{kind}'\nhosts = ['h']\npages = 'https://ci.acme.example'\n{members}"
        );
        let lookup = |name: &str| match name {
            "DELIVERY_TARGETS" => Some(document.clone()),
            "KEY" => Some(KEY.to_owned()),
            "TOKEN" => Some("hunter2".to_owned()),
            _ => None,
        };
        targets(&lookup).map_or_else(|error| error.to_string(), |targets| format!("{targets:?}"))
    };
    for (members, expected) in [
        ("app_id = 1\ninstallation_id = 2\nkey = 'env:KEY'", "App(1, installation 2)"),
        ("app_id = 'Iv23liAbCd'\ninstallation_id = 2\nkey = 'env:KEY'", "App(Iv23liAbCd, installation 2)"),
        ("app_id = 1\nkey = 'env:KEY'", "installation_id: missing"),
        ("installation_id = 2\nkey = 'env:KEY'", "app_id: missing"),
        ("app_id = ''\ninstallation_id = 2\nkey = 'env:KEY'", "app_id: missing"),
        ("app_id = 1\ninstallation_id = 2", "key: missing"),
        ("app_id = 1\ninstallation_id = 2\nkey = 'env:TOKEN'", "key: the key is no private key in PEM"),
        ("app_id = 1\ninstallation_id = 2\nkey = 'env:NONE'", "key: the variable NONE is not set"),
        ("app_id = 1\ninstallation_id = 2\nkey = 'env:KEY'\ntoken = 'env:TOKEN'", "token: either a token"),
        ("app_id = 1\ninstallation_id = -2\nkey = 'env:KEY'", "DELIVERY_TARGETS: line"),
        ("", "token: missing"),
    ] {
        for kind in ["check_run", "github"] {
            let said = said(members, kind);
            assert!(said.contains(expected) && !said.contains("hunter2"), "{kind} {members}: {said}");
            assert!(!said.contains(&KEY[40..60]), "{said}");
        }
    }
    let said = said("app_id = 1\ninstallation_id = 2\nkey = 'env:KEY'", "gitlab");
    assert!(said.contains("app_id: only GitHub has apps"), "{said}");
}
