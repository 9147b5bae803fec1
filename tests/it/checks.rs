//! Checks that the sources derive of their rows, also of those from before checks existed, and verdicts of commits.

mod bots;
mod buildkite;
mod gitlab;
mod kcidb;
pub mod konflux;
pub mod scenarios;
mod size;
mod travis;
mod writers;

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::{Settings, Source, Task};
use hummingbird_status::transport::Delivery;

use crate::support::{self, deadline, files, render};

/// All checks, as JSON.
async fn all(store: &Store) -> Vec<String> {
    render::rows(store, "SELECT to_jsonb(c)::text FROM checks AS c ORDER BY c.system, c.kind, c.key").await
}

/// The fixtures of all sources, and what the projection of their rows is compared with: what ingest wrote.
#[tokio::test]
async fn old_rows_get_the_checks_that_ingest_writes() {
    let db = support::database().await;
    for source in Source::ALL {
        for (name, body) in files(&format!("events/{source}"), ".json") {
            let delivery = Delivery { id: name, body, ..Delivery::default() };
            let report = ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
            assert_eq!(report.error, None);
        }
    }
    let live = all(&db.store).await;
    let mut kinds = Vec::new();
    for table in Source::ALL.iter().flat_map(|source| source.check_tables()) {
        let of_table = format!("\"kind\": \"{table}\"");
        assert!(live.iter().any(|check| check.contains(&of_table)), "no check of {table}");
        kinds.push(format!("('{table}')"));
    }
    let forget = format!("DELETE FROM checks; INSERT INTO check_projections (kind) VALUES {}", kinds.join(", "));
    db.store.script(&forget, deadline()).await.unwrap();
    support::run_task(&db.store, Task::Checks).await;
    assert_eq!(all(&db.store).await, live);
    let unfinished = "SELECT kind FROM check_projections WHERE done_at IS NULL OR rows = 0";
    assert_eq!(render::rows(&db.store, unfinished).await, Vec::<String>::new());
}
