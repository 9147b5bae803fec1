//! Graceful shutdown in Lambda. Lambda sends SIGTERM only to a function with a registered extension, so an internal one
//! is registered that subscribes to no events.
//!
//! Written with the client that `lambda_runtime` is built on. The feature `graceful-shutdown` of that crate does the
//! same with a crate for extensions of every kind, servers for logs and telemetry included, which adds 0.5 MB to a
//! program of 5; and it panics where no registration is possible. Protocol: Lambda Extensions API, 2020-01-01.

use std::future::pending;

use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{BoxError, PooledClient, build_request};
use tokio::signal::unix::{SignalKind, signal};

/// The header with the identifier of an extension.
const IDENTIFIER: &str = "Lambda-Extension-Identifier";

/// Registers the extension, and returns a future that is ready when the environment is about to shut down. To be called
/// before the first event is requested. Where registration fails, as in some emulators, the future is never ready.
pub async fn end() -> impl Future<Output = ()> {
    let registered = register().await;
    async {
        let ended = match registered {
            Ok((client, identifier)) => wait(&client, &identifier).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::warn!(error = &*error, "no extension registered: there will be no graceful shutdown");
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
    // This request is never answered, since no events are subscribed; but an extension has started only when it has
    // sent it.
    let next = build_request().uri("/2020-01-01/extension/event/next").header(IDENTIFIER, identifier);
    let asked = client.call(next.body(Body::empty())?);
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        () = async { drop(asked.await); pending().await } => Ok(()),
    }
}
