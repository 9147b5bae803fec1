//! The table `checks`.

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::{Settings, Task};
use hummingbird_status::transport::Delivery;

use super::{deadline, render};

/// Takes messages in, in batches of a size; none of them is rejected.
pub async fn take_in(store: &Store, deliveries: &[Delivery], size: usize) {
    for batch in deliveries.chunks(size) {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert_eq!((&report.error, report.counts().refused), (&None, 0), "{:?}", report.reasons);
    }
}

/// Columns of all checks, by key.
pub async fn checks(store: &Store, columns: &[&str]) -> Vec<String> {
    let text = render::table(store, columns, "FROM checks ORDER BY system, kind, key").await;
    text.lines().map(str::to_owned).collect()
}

/// All columns of all checks, by key.
pub async fn whole(store: &Store) -> String {
    checks(store, &["to_jsonb(checks)"]).await.join("\n")
}

/// Removes the checks, as if the rows of a table were from before checks existed, and derives them anew.
pub async fn project_again(store: &Store, table: &str) {
    let script = format!("DELETE FROM checks; INSERT INTO check_projections (kind) VALUES ('{table}')");
    store.script(&script, deadline()).await.unwrap();
    super::run_task(store, Task::Checks).await;
    let done = render::table(store, &["kind", "done_at IS NOT NULL"], "FROM check_projections").await;
    assert_eq!(done, format!("{table} | true"));
}
