//! The HTTP client of the AWS SDK, built on reqwest.
//!
//! The default client of the SDK brings a second TLS library, in C, and HTTP/2, which cargo then builds into the
//! smallest function too: 0.4 MB of a program of 5.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::Body;
use reqwest::redirect::Policy;

use crate::platform::https;
use crate::platform::secret::Mask;

/// The default of the SDK's own client.
const CONNECT: Duration = Duration::from_millis(3100);

/// Headers of requests that hold secrets: the signature, and the token of a session.
const SECRET: [&str; 3] = ["authorization", "x-amz-s3session-token", "x-amz-security-token"];
/// Bytes that are read of an answer that may repeat its request.
const ANSWER: usize = 1 << 20;

/// The settings of a connector: timeouts for connecting and for reading.
type Timeouts = (Option<Duration>, Option<Duration>);

/// Connectors, each with its pool of connections, by their settings.
#[derive(Debug, Default)]
pub(super) struct Connectors(Mutex<BTreeMap<Timeouts, SharedHttpConnector>>);

impl HttpClient for Connectors {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(timeouts).or_insert_with(|| SharedHttpConnector::new(Connector::new(timeouts))).clone()
    }
}

/// A client, or the error of building it: the SDK accepts no error before the first request.
#[derive(Debug)]
struct Connector(Result<reqwest::Client, Arc<reqwest::Error>>);

impl Connector {
    fn new((connect, read): Timeouts) -> Self {
        let client = https::client().redirect(Policy::none()).connect_timeout(connect.unwrap_or(CONNECT));
        let client = match read {
            Some(read) => client.read_timeout(read),
            None => client,
        };
        Self(client.build().map_err(Arc::new))
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let client = client.map_err(|error| ConnectorError::user(Box::new(error)))?;
            send(&client, request).await
        })
    }
}

async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let mut mask = Mask::default();
    SECRET.iter().filter_map(|name| request.headers().get(*name)).for_each(|value| mask.add_header(value));
    // The query protocol (SNS) has errors of single entries in an answer that is none. Answers of the others hold data
    // then.
    let kind = request.headers().get("content-type").unwrap_or_default();
    let is_query = kind.starts_with("application/x-www-form-urlencoded");
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| match body.bytes() {
        Some(bytes) => Body::from(bytes.to_vec()),
        None => Body::wrap(body),
    });
    let answer = client.execute(request.try_into().map_err(failure)?).await.map_err(failure)?;
    let answer = match answer.status().is_success() && !is_query {
        true => http::Response::<Body>::from(answer).map(SdkBody::from_body_1_x),
        false => masked(answer, &mask).await?,
    };
    answer.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))
}

/// A response that may repeat the request, with the secrets of the request masked: for the errors of every service.
async fn masked(mut answer: reqwest::Response, mask: &Mask) -> Result<http::Response<SdkBody>, ConnectorError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failure)? {
        body.extend_from_slice(&chunk);
        if body.len() >= ANSWER {
            body.truncate(ANSWER);
            break;
        }
    }
    let body = SdkBody::from(mask.masked(&String::from_utf8_lossy(&body)));
    let mut shown = http::Response::new(body);
    *shown.status_mut() = answer.status();
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH) {
        let value = http::HeaderValue::from_str(&mask.masked(&String::from_utf8_lossy(value.as_bytes())));
        shown.headers_mut().extend(value.ok().map(|value| (name.clone(), value)));
    }
    Ok(shown)
}

/// The SDK decides by the kind of the error whether to retry.
fn failure(error: reqwest::Error) -> ConnectorError {
    // A signed address is a credential.
    let error = error.without_url();
    match () {
        () if error.is_timeout() => ConnectorError::timeout(error.into()),
        () if error.is_builder() => ConnectorError::user(error.into()),
        () => ConnectorError::io(error.into()),
    }
}
