//! Tables as text, for comparisons and snapshots.

use std::sync::LazyLock;

use hummingbird_status::db::Store;

use super::deadline;

/// Columns that depend on when something was received, and so are left out.
const RECEIPT: &[(&str, &str)] = &[("travis_", "updated_at"), ("", "received_at")];

/// Tables that ingest writes.
const TABLES: &[&str] = &[
    "components",
    "pipelineruns",
    "snapshots",
    "releases",
    "replaced",
    "gitlab_pushes",
    "gitlab_merge_requests",
    "gitlab_mr_versions",
    "gitlab_pipelines",
    "gitlab_jobs",
    "gitlab_deployments",
    "kcidb_checkouts",
    "kcidb_builds",
    "kcidb_tests",
    "kcidb_issues",
    "kcidb_incidents",
    "kcidb_log_excerpts",
    "kcidb_occurrences",
    "kcidb_issue_regexes",
    "buildkite_builds",
    "travis_repositories",
    "travis_builds",
    "travis_stages",
    "travis_jobs",
    "travis_job_versions",
    "travis_queueable_jobs",
    "travis_pending",
    "bots",
    "bot_beats",
    "checks",
    "repositories",
    "commit_places",
    "branch_deletions",
    "series",
    "series_results",
    "check_transitions",
    "refused",
];

/// All tables that ingest writes, in one text: table by table, row by row in order of the key, JSON per row. One
/// statement, as properties ask for it again and again.
pub async fn all(store: &Store) -> String {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let row = |(number, table): (usize, &&str)| {
            let receipt = RECEIPT.iter().find(|(start, _)| table.starts_with(start)).map_or("", |(_, column)| column);
            // Rejected messages without a date have the time of receipt as sent_at.
            let dated = if *table == "refused" { " - 'sent_at'" } else { "" };
            format!("SELECT {number}, (to_jsonb(t) - '{receipt}'{dated})::text FROM {table} AS t")
        };
        let rows: Vec<String> = TABLES.iter().enumerate().map(row).collect();
        let rows = rows.join(" UNION ALL ");
        format!(
            "-- test\nSELECT array_agg(n ORDER BY n, x COLLATE \"C\"), array_agg(x ORDER BY n, x COLLATE \"C\") \
             FROM ({rows}) AS r (n, x)"
        )
    });
    let row = store.in_tx("test", deadline(), async |tx| tx.query(&SQL, &[]).await).await.unwrap().remove(0);
    let numbers = row.get::<_, Option<Vec<i32>>>(0).unwrap_or_default();
    let rows = row.get::<_, Option<Vec<String>>>(1).unwrap_or_default();
    let mut rows = numbers.into_iter().zip(rows).peekable();
    let mut text = String::new();
    for (number, table) in (0..).zip(TABLES) {
        text.push_str(&format!("== {table}\n"));
        while let Some((_, row)) = rows.next_if(|(of, _)| *of == number) {
            text.push_str(&row);
            text.push('\n');
        }
    }
    text
}

/// The first column of each row as text.
pub async fn rows(store: &Store, sql: &str) -> Vec<String> {
    let sql: &'static str = Box::leak(format!("-- test\nSELECT array_agg(x) FROM ({sql}) AS q (x)").into_boxed_str());
    let rows = store.in_tx("test", deadline(), async |tx| tx.query(sql, &[]).await).await.unwrap();
    rows[0].get::<_, Option<Vec<String>>>(0).unwrap_or_default()
}

/// The columns of each row, separated by ` | `, `-` for null.
pub async fn table(store: &Store, columns: &[&str], rest: &str) -> String {
    let cells: Vec<_> = columns.iter().map(|column| format!("coalesce(({column})::text, '-')")).collect();
    rows(store, &format!("SELECT {} {rest}", cells.join(" || ' | ' || "))).await.join("\n")
}
