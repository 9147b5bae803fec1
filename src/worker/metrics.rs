//! Prometheus metrics and health over HTTP.
//!
//! The metrics are those of [`crate::ingest::record`] and the counters of the loops: `sqs_receive_errors`,
//! `sqs_not_deleted`, `files_failed`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::{Health, Stop, WorkerError, whole};
use crate::platform::environment::{ConfigError, Lookup};
use crate::platform::routing::Routes;
use crate::platform::serving::{self, Limits};

/// Bounds of the histograms in milliseconds: from one small statement to an hour of lag.
const BUCKETS: [f64; 15] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 6e4, 3.6e6];
/// How often recorded values are added to the histograms; without it they would take memory until the next scrape.
const FOLD_EVERY: Duration = Duration::from_secs(5);

/// `METRICS_PORT`: 9090 by default, `None` for 0.
///
/// # Errors
/// When it is not a port.
pub fn port(lookup: Lookup<'_>) -> Result<Option<u16>, ConfigError> {
    let port = whole(lookup, "METRICS_PORT", (9090, 0, u16::MAX), "a port, or 0 for none")?;
    Ok(Some(port).filter(|port| *port != 0))
}

/// Installs the recorder of metrics of this process; the handle renders them.
///
/// # Errors
/// When another recorder is installed.
pub fn install() -> Result<PrometheusHandle, WorkerError> {
    Ok(PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?)
}

/// The routes `/metrics` and `/healthz`.
pub fn routes(metrics: PrometheusHandle, health: Health) -> Routes {
    let render = move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()) };
    Routes::new().get("/metrics", render).get("/healthz", move || async move { answer(&health) })
}

/// 200 while all parts work, else 503 with the reasons.
fn answer(health: &Health) -> (StatusCode, String) {
    match health.check(Instant::now()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// Serves the routes until the worker is stopped.
///
/// # Errors
/// When the process cannot listen on the address.
pub async fn serve(
    address: SocketAddr,
    metrics: PrometheusHandle,
    health: Health,
    stop: Stop,
) -> Result<(), WorkerError> {
    let failed = |source| WorkerError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
    tracing::info!(address = %listener.local_addr().unwrap_or(address), "metrics on /metrics, health on /healthz");
    let fold = async {
        loop {
            tokio::time::sleep(FOLD_EVERY).await;
            metrics.run_upkeep();
        }
    };
    let server = serving::serve(listener, routes(metrics.clone(), health), Limits::default());
    tokio::select! {
        served = server => served.map(drop).map_err(failed),
        // A scrape may be cut off by the stop.
        () = stop.wait() => Ok(()),
        () = fold => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_off() {
        let read = |text: Option<&'static str>| port(&move |_: &str| text.map(str::to_owned));
        assert_eq!(read(None).ok(), Some(Some(9090)));
        assert_eq!(read(Some("0")).ok(), Some(None));
        assert!(read(Some("65536")).is_err());
    }

    #[tokio::test]
    async fn both_routes_are_served() {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || metrics::counter!("kept").increment(3));
        let health = Health::default();
        assert_eq!(answer(&health).0, StatusCode::OK);
        health.failed("database", "away");
        assert_eq!(answer(&health).0, StatusCode::SERVICE_UNAVAILABLE);

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, routes(recorder.handle(), health).into_router()).into_future());
        assert!(ask(address, "/metrics").await.contains("\nkept 3\n"));
        assert!(ask(address, "/healthz").await.ends_with("\r\n\r\n{\"error\":\"database: away\"}"));
    }

    /// The answer to a GET, without an HTTP client.
    async fn ask(address: SocketAddr, path: &'static str) -> String {
        let ask = move || -> std::io::Result<String> {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address)?;
            write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        tokio::task::spawn_blocking(ask).await.expect("no panic").expect("an answer")
    }
}
