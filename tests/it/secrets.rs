//! Secrets that are read at run time from a fake Secrets Manager, and read again after a change.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hummingbird_status::db::{Store, Tx};
use hummingbird_status::platform::aws::secrets::Secrets;
use serde_json::{Value, json};

use crate::support::runtime_api::Function;
use crate::support::{self, admin_store, deadline};

const ARN: &str = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:";

/// A fake Secrets Manager: secrets by ARN, and how often each was requested.
#[derive(Clone, Default)]
struct Manager {
    secrets: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    async fn start(&self) -> String {
        let this = self.clone();
        let answer = async move |headers: HeaderMap, body: String| this.answer(&headers, &body);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/", post(answer))).into_future());
        url
    }

    fn answer(&self, headers: &HeaderMap, body: &str) -> (StatusCode, String) {
        let header = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(header("x-amz-target"), "secretsmanager.GetSecretValue");
        assert!(header("authorization").contains("/eu-west-1/secretsmanager/aws4_request"), "{headers:?}");
        let ask: Value = serde_json::from_str(body).unwrap();
        let arn = ask["SecretId"].as_str().unwrap();
        self.asked.lock().unwrap().push(arn.trim_start_matches(ARN).to_owned());
        match self.secrets.lock().unwrap().get(arn) {
            Some(secret) => (StatusCode::OK, json!({"ARN": arn, "SecretString": secret}).to_string()),
            None => (StatusCode::BAD_REQUEST, json!({"__type": "ResourceNotFoundException"}).to_string()),
        }
    }

    fn set(&self, name: &str, secret: &str) {
        self.secrets.lock().unwrap().insert(format!("{ARN}{name}"), secret.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// The environment of a function, with more variables.
fn environment(url: &str, more: &[(&str, String)]) -> HashMap<String, String> {
    let fixed = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", url),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    fixed.into_iter().chain(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).collect()
}

async fn read(variables: HashMap<String, String>) -> Result<Arc<Secrets>, String> {
    let read = Secrets::read(move |name: &str| variables.get(name).cloned()).await;
    read.map_err(|error| error.to_string())
}

#[tokio::test]
async fn variables_come_from_secrets_and_errors_show_none() {
    let manager = Manager::default();
    let url = manager.start().await;
    manager.set("gitlab", "glpat-hunter2");
    let gitlab = ("GITLAB_TOKEN_SECRET_ARN", format!("{ARN}gitlab"));
    let secrets = read(environment(&url, &[gitlab.clone(), ("X", "y".to_owned())])).await.unwrap();
    assert_eq!(secrets.get("GITLAB_TOKEN").as_deref(), Some("glpat-hunter2"));
    assert_eq!((secrets.get("X").as_deref(), secrets.get("DATABASE_SECRET")), (Some("y"), None));
    // Fresh values are not requested again; changed ones are noticed at the next request.
    assert!(!secrets.renew_if_old().await);
    assert_eq!(manager.asked(), 1);
    manager.set("gitlab", "glpat-hunter3");
    assert!(secrets.renew().await.unwrap());
    assert_eq!(secrets.get("GITLAB_TOKEN").as_deref(), Some("glpat-hunter3"));
    assert!(!secrets.renew().await.unwrap());
    // A value that cannot be read again is kept.
    manager.secrets.lock().unwrap().clear();
    assert!(secrets.renew().await.is_err());
    assert_eq!(secrets.get("GITLAB_TOKEN").as_deref(), Some("glpat-hunter3"));

    let error = read(environment(&url, &[("DATABASE_SECRET_ARN", format!("{ARN}none"))])).await.err().unwrap();
    assert_eq!(error, "DATABASE_SECRET_ARN: Secrets Manager answers 400 (ResourceNotFoundException)");
    // Without a named secret, no request is sent.
    let before = manager.asked();
    read(environment(&url, &[])).await.unwrap();
    assert_eq!(manager.asked(), before);
}

/// A rotated password is noticed when the next connection is made.
#[tokio::test]
async fn a_rotated_password_is_read_again() {
    let db = support::database().await;
    let manager = Manager::default();
    let url = manager.start().await;
    let admin = admin_store();
    let password = async |password: &str| {
        let sql = format!("ALTER ROLE rotated PASSWORD '{password}'");
        admin.script(&sql, deadline()).await.unwrap();
    };
    let secret =
        |password: &str| manager.set("database", &json!({"username": "rotated", "password": password}).to_string());
    admin.script("CREATE ROLE rotated LOGIN", deadline()).await.unwrap();
    password("first-hunter2").await;
    secret("first-hunter2");
    let target = hummingbird_status::db::from_url(&db.url).unwrap().target;
    let variables = [
        ("DATABASE_SECRET_ARN", format!("{ARN}database")),
        ("DATABASE_HOST", target.host.clone()),
        ("DATABASE_PORT", target.port.to_string()),
        ("DATABASE_NAME", target.name.clone()),
    ];
    let secrets = read(environment(&url, &variables)).await.unwrap();
    let store = Store::open(&hummingbird_status::db::with_secrets(&secrets, hummingbird_status::db::database).unwrap())
        .unwrap();
    let look = async |tx: &mut Tx<'_>| tx.query("-- look\nSELECT 1", &[]).await.map(drop);
    let works = async || store.in_tx("look", deadline(), look).await;
    works().await.unwrap();

    let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usename = 'rotated'";
    for (new, asked) in [("second-hunter2", 2), ("third-hunter2", 3)] {
        password(new).await;
        secret(new);
        assert_eq!(support::render::rows(&db.store, end).await, ["true"]);
        support::until("a connection", async || works().await.is_ok()).await;
        assert_eq!(manager.asked(), asked, "one more, when the password was not taken");
    }
    // When the secret is still wrong, the error is returned.
    password("another").await;
    assert_eq!(support::render::rows(&db.store, end).await, ["true"]);
    support::until("a rejected login", async || works().await.is_err()).await;
}

/// The event of a function URL.
fn page(path: &str) -> Vec<u8> {
    let http =
        json!({"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "t"});
    let context = json!({"accountId": "anonymous", "apiId": "x", "domainName": "x.example.com", "domainPrefix": "x",
        "http": http, "requestId": "r", "routeKey": "$default", "stage": "$default", "time": "01/Jun/2026:08:00:00 \
            +0000",
        "timeEpoch": 1_780_301_101_000_u64});
    let event = json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": context, "isBase64Encoded": false});
    event.to_string().into_bytes()
}

/// Invalid tokens close the write endpoints, not the web UI.
#[tokio::test]
async fn an_invalid_document_closes_its_endpoints_and_no_page() {
    let db = support::database().await;
    let document = "token = [{name = 'ci', token = 'secret:ci', bots = ['*']}]".to_owned();
    let variables = HashMap::from([
        ("DATABASE_URL", db.url.clone()),
        ("PAGE_ACCESS", "public".to_owned()),
        ("INTAKE_TOKENS", document),
        ("INTAKE_SECRETS", "{}".to_owned()),
        ("DELIVERY_TARGETS", "target".to_owned()),
    ]);
    let mut function = Function::start(env!("CARGO_BIN_EXE_web"), &variables).await;
    let limit = Duration::from_secs(60);
    for (path, status) in [("/healthz", 200), ("/", 200), ("/bots", 200), ("/status", 503), ("/v1/deliveries", 503)] {
        let answer: Value = serde_json::from_str(&function.invoke_as(&page(path), "1", limit).await.unwrap()).unwrap();
        assert_eq!(answer["statusCode"], status, "{path}: {answer}");
    }
}
