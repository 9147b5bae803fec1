//! Tables as text, to be compared and to be read.

use hummingbird_status::store::Store;

use super::deadline;

/// Columns that depend on when something was received, and so are left out.
const RECEIPT: &[(&str, &str)] = &[("travis_", "updated_at"), ("", "received_at")];

/// All tables that ingest writes, in one text: table by table, row by row in order of the key, JSON per row.
pub async fn all(store: &Store) -> String {
    let mut text = String::new();
    for table in [
        "components",
        "pipelineruns",
        "snapshots",
        "releases",
        "replaced",
        "gitlab_pushes",
        "gitlab_merge_requests",
        "gitlab_mr_versions",
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
        "refused",
    ] {
        text.push_str(&format!("== {table}\n"));
        let receipt = RECEIPT.iter().find(|(start, _)| table.starts_with(start)).map_or("", |(_, column)| column);
        let expression = match table {
            // Undated refusals carry the time of receipt as sent_at.
            "refused" => format!("(to_jsonb(t) - '{receipt}' - 'sent_at')::text"),
            _ => format!("(to_jsonb(t) - '{receipt}')::text"),
        };
        for row in rows(
            store,
            &format!("SELECT x FROM (SELECT {expression} FROM {table} AS t) AS s (x) ORDER BY x COLLATE \"C\""),
        )
        .await
        {
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
