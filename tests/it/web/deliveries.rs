//! The page of deliveries: pending and dead ones, targets with an open circuit breaker; never a payload.

use serde_json::json;

use super::{NOW, Site};
use crate::support::{self, deadline};

/// Two targets, one closed off: 70 statuses that wait, 40 that were given up, 30 deliveries of an event that wait, an
/// event that leads nowhere, and one that is not routed yet.
const ROWS: &str = "
INSERT INTO delivery_targets (name, failures, trips, open_until, reason) VALUES
    ('forge', 5, 1, now() + interval '1 hour', '502 Bad Gateway'), ('hook', 0, 0, NULL, NULL);
INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, wanted_at, \
version_number,
    version_at, version_tie, outbox_id, state, attempts, reason)
SELECT 'forge', 'acme/app', 'sha' || n, 'ci', 'ci', 'failed', 'hunter2', '2026-03-10T12:00:00Z'::timestamptz + (n % \
5) * interval '1 s',
    n, now(), '', n, CASE WHEN n <= 70 THEN 'pending' ELSE 'dead' END, 3, CASE WHEN n > 70 THEN '422 no such commit' END
FROM generate_series(1, 110) AS n;
INSERT INTO outbox (family, event, key, attributes, payload, created_at, routed_at, note) OVERRIDING SYSTEM VALUE
SELECT 'buildkite', 'build:failed', 'key' || n, '{}', '{\"token\": \"hunter2\"}', '2026-03-10T12:00:00Z',
    CASE WHEN n <> 32 THEN now() END, CASE WHEN n = 31 THEN 'unresolved_commit' END
FROM generate_series(1, 32) AS n;
INSERT INTO deliveries (outbox_id, target, created_at, family, key, since)
SELECT o.id, 'hook', o.created_at, o.family, o.key, o.created_at FROM outbox AS o WHERE o.note IS NULL AND \
o.routed_at IS NOT NULL";

#[tokio::test]
async fn waiting_deliveries_are_shown_without_payload() {
    let db = support::database().await;
    let site = Site::of(&db.store, NOW).await;
    assert!(site.get("/deliveries").await.body.contains("No undelivered commit statuses or events"));
    db.store.script(ROWS, deadline()).await.unwrap();
    let mut orders = Vec::new();
    for sort in ["oldest", "newest"] {
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let path = format!("/deliveries?sort={sort}&after={after}");
            let list = site.json(&format!("/api/v1{path}")).await;
            seen.extend(list["results"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            assert!(!list.to_string().contains("hunter2") && !site.get(&path).await.body.contains("hunter2"));
            assert_eq!(list["targets"].as_array().unwrap().is_empty(), !after.is_empty());
            let Some(next) = list["next"].as_str() else { break };
            after = next.to_owned();
        }
        orders.push(seen);
    }
    orders[1].reverse();
    assert_eq!(orders[0], orders[1]);
    orders[0].sort();
    orders[0].dedup();
    assert_eq!(orders[0].len(), 70 + 40 + 30);
    for (query, number) in [
        ("state=dead", 40),
        ("state=undeliverable", 1),
        ("state=unrouted", 1),
        ("state=pending&target=hook", 30),
        ("q=NO+SUCH", 40),
        ("q=key7", 1),
    ] {
        let found = site.json(&format!("/api/v1/deliveries?{query}")).await;
        assert_eq!(found["results"].as_array().unwrap().len(), number, "{query}");
    }
    let page = site.get("/deliveries").await.body;
    assert!(page.contains("open, next attempt") && page.contains("502 Bad Gateway") && page.contains("works"));
    let overview = site.get("/").await.body;
    assert!(overview.contains("Targets that need attention") && overview.contains("40 dead"));
    let targets = &site.json("/api/v1/summary").await["targets"];
    assert_eq!(
        (&targets[0]["dead"], &targets[0]["pending"], &targets[1]["pending"]),
        (&json!(40), &json!(70), &json!(30))
    );
    let metrics = site.get("/metrics").await.body;
    assert!(metrics.contains("hummingbird_deliveries_dead{target=\"forge\"} 40"), "{metrics}");
}

/// A scraper drops all metrics if one line is invalid.
#[tokio::test]
async fn no_name_breaks_the_metrics() {
    let db = support::database().await;
    let rows = r#"INSERT INTO delivery_targets (name) VALUES (E'a"b\\c\nd{e="f",} 7');
        INSERT INTO refused (id, sent_at, family, reason, detail, attributes, body)
        VALUES ('x', now(), E'k"\\', E'bad\n# TYPE x gauge', 'd', '{}', 'x')"#;
    db.store.script(rows, deadline()).await.unwrap();
    let metrics = Site::of(&db.store, &jiff::Timestamp::now().to_string()).await.get("/metrics").await.body;
    let label = r#"\w+="(?:[^"\\]|\\[\\"n])*""#;
    let line =
        format!(r"^(?:# (?:HELP|TYPE) hummingbird_\w+ .+|hummingbird_\w+(?:\{{{label}(?:,{label})*\}})? -?\d+)$");
    let line = regex::Regex::new(&line).unwrap();
    let wrong: Vec<&str> = metrics.lines().filter(|text| !line.is_match(text)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(metrics.contains(r#"hummingbird_deliveries_pending{target="a\"b\\c\nd{e=\"f\",} 7"} 0"#), "{metrics}");
    assert!(metrics.contains(r#"{family="k\"\\",reason="bad\n# TYPE x gauge"} 1"#), "{metrics}");
}
