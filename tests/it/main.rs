//! The only integration test binary: tests that need PostgreSQL, the files of the project, or several modules.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a test module offers to the others")]

mod architecture;
mod archive;
mod bot_status;
mod buildkite;
mod cases;
mod chaos;
mod checks;
mod commands;
mod conformance;
mod contention;
#[path = "../bench/proxy.rs"]
mod counting;
mod deliver;
mod details;
mod e2e;
mod explain;
mod faults;
mod fixtures;
mod gitlab_ci;
mod hostile;
mod identity;
mod ingest;
mod kcidb;
mod konflux;
mod maintenance;
mod migrations;
mod readme;
mod reconcile;
mod redeliver;
mod rejected;
mod replay;
mod routes;
mod sam;
mod secrets;
mod series;
mod sql;
mod submit;
mod support;
mod tls;
mod transports;
mod travis;
mod trips;
mod wait;
mod web;
mod words;
mod worker;
