//! What statements read of many checks: never all rows of the table, whatever a filter asks for, with custom and with
//! generic plans, before and after statistics are taken.

use hummingbird_status::checks::Outcome;
use serde_json::Value;

use crate::support::{self, Db, deadline, project};

/// As many as the text says, in proportions that are hard for filters: the newest are all of one source and have
/// passed; one commit has 500 checks; few are blocked; one system is only among the oldest.
const FILL: &str = "SET statement_timeout = 0; SET synchronous_commit = off;
    ALTER TABLE checks SET (autovacuum_enabled = off);
    INSERT INTO checks (system, kind, key, stage, name, host, repo, sha, branch, mr, lane, run, attempt,
        attempt_is_whole, seq, state, original, warn, optional, created_at, finished_at, changed_at, stuck_since)
    SELECT c.system, c.kind, i::text, 'build', 'build/c' || i % 50, 'gitlab.com', 'acme/r' || i % 20,
        CASE WHEN i <= 500 THEN repeat('5', 40) ELSE md5((i / 20)::text) || '01234567' END,
        CASE WHEN i % 3 > 0 THEN 'b' || i % 7 END, CASE WHEN i % 3 = 0 THEN i / 60 END,
        CASE WHEN i % 3 = 0 THEN 'mr' ELSE 'push' END, i::text, 1, false, i, c.state, c.state, false, false,
        at, at, at, CASE WHEN c.state IN ('running', 'pending') THEN at + interval '6 hours' END
    FROM generate_series(1, ROWS) AS i
    CROSS JOIN LATERAL (SELECT timestamptz '2026-03-01' + i * interval '400 days' / ROWS AS at,
        CASE WHEN i < 100 THEN 'travis' WHEN i % 10 = 1 THEN 'buildkite' ELSE 'konflux' END AS system,
        CASE WHEN i < 100 THEN 'travis_builds' WHEN i % 10 = 1 THEN 'buildkite_builds'
            WHEN i % 10 = 2 THEN 'releases' ELSE 'pipelineruns' END AS kind,
        CASE WHEN i > ROWS * 9 / 10 THEN 'passed' WHEN i % 20 = 0 THEN 'failed' WHEN i % 1000 = 7 THEN 'running'
            WHEN i % 10000 = 9 THEN 'blocked' ELSE 'passed' END AS state) AS c
    ON CONFLICT DO NOTHING;";

const NOW: &str = "'2027-04-05T00:00:00Z'";
const DAY_BEFORE: &str = "'2027-04-04T00:00:00Z'";
const BAD: &str = "'{failing,failed,errored,blocked_failed}'";
const OPEN: &str = "'{pending,running,canceling,unknown,failing}'";
const TABLES: &str = "'{pipelineruns,releases,buildkite_builds,travis_builds}'";
const ALL: &str = "'{pending,running,canceling,failing,passed,failed,errored,blocked,blocked_failed,canceled,\
                   superseded,skipped,not_run,unknown}'";
/// The commit with 500 checks.
const SHA: &str = "'5555555555555555555555555555555555555555'";

/// A statement, what is asked for, its parameters, and the most rows that it may read of `checks`.
type Asked = (&'static str, &'static str, String, u64);

/// A list with its further conditions.
fn list(name: &'static str, what: &'static str, others: &str, indexed: &str, most: u64) -> [Asked; 2] {
    let after = "'2026-12-24T00:00:00Z', 'konflux', 'releases', '1'";
    let list = |after: &str| (name, what, format!("{after}, 51, {others}, {indexed}"), most);
    [list("NULL, NULL, NULL, NULL"), list(after)]
}

fn asked() -> Vec<Asked> {
    const NONE: &str = "NULL, NULL, NULL, NULL";
    // Of a commit or a branch: all checks, or the newest and the first of each of their commits.
    let mut all: Vec<Asked> = vec![
        ("checks_of_commit", "500 checks", format!("{SHA}, NULL, 5000"), 500),
        ("checks_of_commit", "of one repository", format!("{SHA}, 'acme/r1', 5000"), 500),
        ("commit_heads", "heads of the commit", SHA.to_owned(), 0),
        ("head_of_branch", "", "'acme/r1', 'b1'".to_owned(), 12_000),
        ("head_of_merge_request", "", "'acme/r0', 300".to_owned(), 1_000),
        ("default_branch", "", "'acme/r1'".to_owned(), 1),
        ("failed_checks", "in a day", format!("{TABLES}, {BAD}, {DAY_BEFORE}, 10"), 160),
        ("stuck_checks", "", format!("{TABLES}, {OPEN}, {NOW}, 10"), 1_000),
        ("checks_by_key", "", "'{konflux,konflux}', '{pipelineruns,pipelineruns}', '{503,504}'".to_owned(), 2),
    ];
    // As many as there are of a day, and as are unfinished and stuck.
    let counts = format!("{TABLES}, {BAD}, '{{passed}}', {OPEN}, {ALL}, {DAY_BEFORE}, {NOW}");
    all.push(("count_checks", "", counts, 8_000));
    all.extend(list("list_checks", "all", NONE, "NULL", 100));
    all.extend(list("list_checks", "blocked", "'{blocked}', NULL, NULL, NULL", "NULL", 10_001));
    all.extend(list("list_checks", "a rare system", "NULL, 'travis', NULL, NULL", "NULL", 10_001));
    all.extend(list("list_checks", "no such name", "NULL, NULL, NULL, 'none'", "NULL", 10_001));
    all.extend(list("list_checks", "no such branch", NONE, "'none'", 10_001));
    all.extend(list("list_bad_checks", "all", NONE, "NULL", 100));
    all.extend(list("list_bad_checks", "errored", "'{errored}', NULL, NULL, NULL", "NULL", 10_001));
    all.extend(list("list_checks_of_repository", "all", NONE, "'acme/r1'", 100));
    all.extend(list("list_checks_of_repository", "no such", NONE, "'none'", 0));
    all.extend(list("list_checks_of_repository", "blocked", "'{blocked}', NULL, NULL, NULL", "'acme/r1'", 10_001));
    all.extend(list("list_checks_of_branch", "all", NONE, "'acme/r1', 'b1'", 100));
    all.extend(list("list_checks_of_branch", "no such", NONE, "'acme/r1', 'none'", 0));
    all.extend(list("list_checks_of_branch", "blocked", "'{blocked}', NULL, NULL, NULL", "'acme/r1', 'b1'", 10_001));
    all
}

/// The text of a statement.
fn statement(name: &str) -> String {
    let path = |folder: &str| project(&format!("src/{folder}/sql/{name}.sql"));
    std::fs::read_to_string(path("checks/store")).or_else(|_| std::fs::read_to_string(path("reports"))).unwrap()
}

/// The nodes of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    std::iter::once(plan).chain(below).collect()
}

/// Rows of checks that a plan has read, and the problems of the plan.
fn rows_read(plan: &Value) -> (u64, Vec<String>) {
    let number = |node: &Value, name: &str| node[name].as_f64().unwrap_or(0.0);
    let of_checks = nodes(plan).into_iter().filter(|node| node["Relation Name"] == "checks");
    let (mut rows, mut problems) = (0.0, Vec::new());
    for node in of_checks {
        let removed = number(node, "Rows Removed by Filter") + number(node, "Rows Removed by Index Recheck");
        rows += (number(node, "Actual Rows") + removed) * number(node, "Actual Loops");
        if node["Node Type"] == "Seq Scan" {
            problems.push("a sequential scan".to_owned());
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of rows")]
    (rows.round() as u64, problems)
}

/// Explains all statements and prints what they read; returns what is wrong.
async fn explain_all(db: &Db, is_analyzed: bool, is_large: bool) -> Vec<String> {
    let when = if is_analyzed { "after ANALYZE" } else { "before ANALYZE" };
    let (client, connection) = tokio_postgres::connect(&db.url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let reading = "SET statement_timeout = 0; SET max_parallel_workers_per_gather = 0; SET jit = off";
    client.batch_execute(reading).await.unwrap();
    let mut found = Vec::new();
    for (name, what, params, most) in asked() {
        let sql = statement(name);
        for mode in ["custom", "generic"] {
            let script = format!("SET plan_cache_mode = force_{mode}_plan; PREPARE asked AS {sql}");
            client.batch_execute(&script).await.unwrap();
            let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({params})");
            let explained: Value = {
                let messages = client.simple_query(&explain).await.unwrap();
                let text: String = messages
                    .iter()
                    .filter_map(|message| match message {
                        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
                        _ => None,
                    })
                    .collect();
                serde_json::from_str(&text).unwrap()
            };
            client.batch_execute("DEALLOCATE asked").await.unwrap();
            let plan = &explained[0]["Plan"];
            let (rows, problems) = rows_read(plan);
            let buffers = ["Shared Hit Blocks", "Shared Read Blocks"].map(|name| plan[name].as_u64().unwrap_or(0));
            let time = explained[0]["Execution Time"].as_f64().unwrap_or(0.0);
            println!(
                "{when} | {mode} | {name} {what} | {rows} rows | {} buffers | {time:.2} ms",
                buffers.iter().sum::<u64>()
            );
            let label = format!("{when}, {mode} plan, {name}, {what}");
            // Without statistics PostgreSQL reads a table of a few MB rather than an index.
            if is_analyzed || is_large {
                found.extend(problems.into_iter().map(|problem| format!("{label}: {problem}")));
            }
            // The pages read lists with custom plans: a generic one does not know how rare a value is, or how short a
            // list is.
            let is_list = name.starts_with("list_");
            if (is_analyzed && mode == "custom" || !is_list) && rows > most {
                found.push(format!("{label}: {rows} rows, more than {most}"));
            }
        }
    }
    drop(client);
    connection.await.unwrap().unwrap();
    found
}

async fn reads_are_bounded(rows: u64) {
    let db = support::database().await;
    db.store.script(&FILL.replace("ROWS", &rows.to_string()), deadline()).await.unwrap();
    let is_large = rows > 100_000;
    let mut found = explain_all(&db, false, is_large).await;
    db.store.script("SET statement_timeout = 0; ANALYZE checks", deadline()).await.unwrap();
    found.extend(explain_all(&db, true, is_large).await);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn no_statement_reads_all_checks() {
    reads_are_bounded(30_000).await;
}

#[tokio::test]
#[ignore = "takes minutes: a million checks"]
async fn no_statement_reads_a_million_checks() {
    reads_are_bounded(1_000_000).await;
}

/// The index of bad checks and the list that uses it name the states, as a partial index has to.
#[tokio::test]
async fn the_states_of_the_index_of_bad_checks_are_all_bad_ones() {
    let db = support::database().await;
    let predicate = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indexrelid = 'checks_bad'::regclass";
    let predicate = support::render::rows(&db.store, predicate).await.concat();
    let mut expected = Outcome::Bad.states();
    expected.sort_unstable();
    for text in
        [predicate, statement("list_bad_checks").lines().find(|line| line.contains(" IN (")).unwrap().to_owned()]
    {
        let mut states: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
        states.sort_unstable();
        assert_eq!(states, expected, "{text}");
    }
}
