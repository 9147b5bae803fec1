//! The cost of a message as the table grows, and the throughput of concurrent writers.
//!
//! `cargo bench --bench scale` for all, `.. -- writers`, `.. -- growth`, `.. -- growth 1000000` with fewer rows than
//! ten million, which take 8 GB of disk and, on two quiet cores, a quarter of an hour.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may panic")]
#![expect(unreachable_pub, reason = "`pub` says what a module offers to the others")]

mod growth;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod measure;
#[allow(dead_code, reason = "shared with the other benchmarks, which need more of it")]
mod payload;
mod processor;
mod server;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "made for the tests; a benchmark needs little of it")]
mod support;
mod writers;

use server::Server;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let [writer, url, number, large] = &*arguments
        && writer == writers::WRITER
    {
        return writers::write(url, number.parse().unwrap(), large.parse().unwrap());
    }
    let most = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10_000_000);
    let wanted: Vec<_> = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|wanted| *wanted == section);
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("writers") {
            writers::run(&server).await;
        }
        if wants("growth") {
            growth::run(&server, most).await;
        }
    });
}
