//! A word before the end: Lambda sends SIGTERM to a function only if it has an extension, so an internal one is
//! registered, which wants no events.
//!
//! By hand, with the client that `lambda_runtime` is built on. Its feature `graceful-shutdown` does the same with a crate
//! for extensions of every kind, servers for logs and telemetry included, which makes 0.5 MB of a program of 5; and it
//! panics where there is nobody to register with. Protocol: Lambda Extensions API, 2020-01-01.

use std::future::pending;

use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{BoxError, PooledClient, build_request};
use tokio::signal::unix::{SignalKind, signal};

/// The header in which the service names an extension, and the extension itself.
const IDENTIFIER: &str = "Lambda-Extension-Identifier";

/// Registers the extension, and returns what becomes ready when the environment is about to end. To be called before
/// the first event is asked for. Where nobody takes a registration, as in some emulators, it never becomes ready.
pub async fn end() -> impl Future<Output = ()> {
    let registered = register().await;
    async {
        let ended = match registered {
            Ok((client, identifier)) => wait(&client, &identifier).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::warn!(error = &*error, "there will be no word before the end");
            pending::<()>().await;
        }
        tracing::info!("shutting down");
    }
}

async fn register() -> Result<(PooledClient, String), BoxError> {
    let client = PooledClient::builder().build();
    let request = build_request()
        .method("POST")
        .uri("/2020-01-01/extension/register")
        .header("Lambda-Extension-Name", "graceful-end")
        .header("Content-Type", "application/json")
        .body(Body::from(r#"{"events":[]}"#))?;
    let answer = client.call(request).await?;
    let identifier = answer.headers().get(IDENTIFIER);
    let identifier = identifier.ok_or_else(|| format!("a registration answered by {}", answer.status()))?;
    Ok((client, identifier.to_str()?.to_owned()))
}

async fn wait(client: &PooledClient, identifier: &str) -> Result<(), BoxError> {
    let mut terminate = signal(SignalKind::terminate())?;
    // Never answered, as no events are wanted; but the start of an extension has ended only when it has asked.
    let next = build_request().uri("/2020-01-01/extension/event/next").header(IDENTIFIER, identifier);
    let asked = client.call(next.body(Body::empty())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        () = async { drop(asked.await); pending().await } => Ok(()),
    }
}
