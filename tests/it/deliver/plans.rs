//! What leases and settles deliveries looks rows up, however many there are: a deliverer asks all the time.

use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::support::{self, deadline, files};

/// Rows that came to their end, and as many that wait.
const ROWS: &str = "
    INSERT INTO delivery_targets (name) VALUES ('t');
    INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, version_number, version_at,
        version_tie, outbox_id, state)
    SELECT 't', 'r', n::text, 'c', 'c', 'success', '', 1, now(), '', n, CASE WHEN n > 9900 THEN 'pending' ELSE 'delivered' END
    FROM generate_series(1, 10000) AS g (n);
    INSERT INTO outbox (id, family, event, key, attributes, payload, routed_at, created_at) OVERRIDING SYSTEM VALUE
    SELECT n, 'f', 'e', n::text, '{}', '{}', now(), now() FROM generate_series(1, 10000) AS g (n);
    INSERT INTO deliveries (outbox_id, target, created_at, family, key, state)
    SELECT id, 't', created_at, family, key, CASE WHEN id > 9900 THEN 'pending' ELSE 'delivered' END FROM outbox;
    ANALYZE commit_statuses; ANALYZE outbox; ANALYZE deliveries;";

/// Parameters of a claim, and of what is settled.
const CLAIM: &str = "'{t}', '{68}', '{0}', 90000";
const SETTLE: &str =
    "'{00000000-0000-0000-0000-000000000000}', '{delivered}', '{0}', '{f}', '{f}', '{t}', '{NULL}', '{9}', '{9}'";

#[tokio::test]
async fn deliveries_are_looked_up_however_many_there_are() {
    let db = support::database().await;
    db.store.script(ROWS, deadline()).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let statements = files("src", ".sql");
    for (name, params) in [
        ("claim_statuses", CLAIM),
        ("claim_deliveries", CLAIM),
        ("settle_statuses", SETTLE),
        ("settle_deliveries", SETTLE),
    ] {
        let (_, text) = statements.iter().find(|(path, _)| path.ends_with(&format!("/{name}.sql"))).unwrap();
        let text = String::from_utf8_lossy(text);
        // A plan for these parameters, and one for any.
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let prepare = format!("DEALLOCATE ALL; SET plan_cache_mode = {mode}; PREPARE p AS {text}");
            client.batch_execute(&prepare).await.unwrap();
            let plan = client.simple_query(&format!("EXPLAIN (COSTS OFF) EXECUTE p({params})")).await.unwrap();
            let lines = plan.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            let lines: Vec<String> = lines.collect();
            let reads_all = |line: &String| {
                ["commit_statuses", "deliveries", "outbox"]
                    .iter()
                    .any(|table| line.contains(&format!("Seq Scan on {table}")))
            };
            assert!(lines.len() > 5 && !lines.iter().any(reads_all), "{name}, {mode}:\n{}", lines.join("\n"));
        }
    }
}
