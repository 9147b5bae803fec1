//! Throughput from messages to rows, beside other implementations, on one PostgreSQL that waits for its disk.
//!
//! `cargo bench --bench pipeline` for all, `cargo bench --bench pipeline -- throughput` for one section. The results
//! are the ratios: both sides of each are measured in turn in the same run, and the median of the rounds is shown.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

mod builds;
mod decode;
mod hot;
mod measure;
mod payload;
mod proxy;
mod rows;
mod server;
mod states;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;
mod throughput;
mod travis;
mod trips;

use server::Server;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == section);
    // One thread, as in the function.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if wants("decode") {
        decode::run();
    }
    let server = Server::start();
    runtime.block_on(async {
        if wants("throughput") {
            throughput::run(&server).await;
        }
        if wants("states") {
            states::run(&server).await;
        }
        if wants("builds") {
            builds::run(&server).await;
        }
        if wants("trips") {
            trips::run(&server).await;
        }
        if wants("travis") {
            travis::run(&server).await;
        }
        if wants("hot") {
            hot::run(&server).await;
        }
    });
}
