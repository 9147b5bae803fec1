//! The write endpoints, served beside the web UI, over real HTTP, into a real database.

mod bots;
mod jobs;
mod kcidb;
mod mounted;
mod pull;
mod sizes;

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hmac::{Hmac, KeyInit, Mac};
use hummingbird_status::db::Store;
use hummingbird_status::deliver::{pull as facade, targets};
use hummingbird_status::platform::routing::Routes;
use hummingbird_status::sources::Settings;
use hummingbird_status::submit::{self, Intake};
use hummingbird_status::web::{self, Access, App};
use reqwest::Method;
use serde_json::Value;
use sha2::Sha256;

/// The tokens of these tests and their rights.
pub const TOKENS: &str = r#"
[[token]]
name = "maestro"
token = "env:MAESTRO"
origins = ["maestro"]
own_ids = true

[[token]]
name = "all"
token = "env:ALL"
origins = ["*"]

[[token]]
name = "cron"
token = "env:CRON"
bots = ["nightly-*"]

[[token]]
name = "operators"
token = "env:OPERATORS"
jobs = true

[[token]]
name = "job-board"
algorithm = "HS256"
key = "env:SIGNER"
jobs = true
submit = true
"#;
pub const MAESTRO: &str = "maestro-hunter2-hunter2";
pub const ALL: &str = "all-hunter2-hunter2";
pub const CRON: &str = "cron-hunter2-hunter2";
pub const OPERATORS: &str = "operators-hunter2-hunter2";
const SIGNER: &str = "signer-hunter2-hunter2-hunter2-hunter2";

/// The environment of a deployment with open endpoints.
pub fn open(name: &str) -> Option<String> {
    let value = match name {
        "INTAKE_TOKENS" => TOKENS,
        "MAESTRO" => MAESTRO,
        "ALL" => ALL,
        "CRON" => CRON,
        "OPERATORS" => OPERATORS,
        "SIGNER" => SIGNER,
        _ => return None,
    };
    Some(value.to_owned())
}

/// A token that the signer signed.
pub fn signed(claims: &Value) -> String {
    let message = [r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), claims.to_string()];
    let message = message.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNER.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The endpoints with the default tokens.
pub fn intake(store: &Store) -> Intake {
    Intake::new(store.clone(), Settings::default(), &open).unwrap()
}

/// All routes: web UI, write endpoints, pull API; combined as in the programs.
pub fn routes(store: &Store, intake: Intake, lookup: &dyn Fn(&str) -> Option<String>) -> Routes {
    let app = App::new(store.clone()).with_access(Access::from_env(lookup).ok().unwrap());
    let app = app.with_documents([submit::document(), facade::document()]);
    let pulled = targets::pulled(lookup).unwrap();
    web::routes(app).merge(intake.routes()).merge(facade::routes(
        store.clone(),
        &pulled,
        targets::registrations(lookup).unwrap(),
    ))
}

/// The same, served on a port.
pub async fn serve(store: &Store, intake: Intake, lookup: &dyn Fn(&str) -> Option<String>) -> Site {
    let routes = routes(store, intake, lookup).into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, routes).into_future());
    Site { url, client: hummingbird_status::platform::https::client().no_proxy().build().unwrap() }
}

/// A running server.
pub struct Site {
    pub url: String,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Site {
    /// A site with the default tokens.
    pub async fn open(store: &Store) -> Self {
        serve(store, intake(store), &open).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        Answer { status, headers, body }
    }

    /// With a bearer token.
    pub async fn call(&self, method: Method, path: &str, token: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))], body.into()).await
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, token, body.to_string()).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, Vec::new()).await
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
