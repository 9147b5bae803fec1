//! Markup and SQL injection: in every column of every table, and in every parameter of every address.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use serde_json::Value;

use super::{DETAILS, HOSTILE, NOW, Site, crawl, filled, links, problems};
use crate::support::{deadline, render, schema};

/// Puts the text to the end of every text, text of an array and text in a JSON document, column by column, where no
/// constraint forbids it; notes where one does. Keys that others refer to are changed with them, as the text is the
/// same.
const SPOIL: &str = "
CREATE TABLE spoilt (place text, held boolean);
DO $$
DECLARE
    c record;
    x text := '<script>alert(1)</script>\"''><img src=x onerror=alert(2)>&amp;/../%2e%2f?x=#y';
    j text := (to_jsonb(x)::text);
BEGIN
    FOR c IN
        SELECT a.attrelid::regclass::text AS t, quote_ident(a.attname) AS n, format_type(a.atttypid, NULL) AS k
        FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid
        WHERE r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p') AND NOT r.relispartition
            AND r.relname NOT IN ('schema_migrations', 'spoilt') AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attgenerated = '' AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'jsonb')
        ORDER BY r.relname, a.attnum
    LOOP
        BEGIN
            EXECUTE CASE c.k
                WHEN 'text' THEN format('UPDATE %s SET %s = %s || %L', c.t, c.n, c.n, x)
                WHEN 'text[]' THEN format('UPDATE %s SET %s = %s || %L::text', c.t, c.n, c.n, x)
                ELSE format('UPDATE %s SET %s = regexp_replace(%s::text, ''(: |\\[)\"([^\"\\\\]*)\"'', %L, \
                ''g'')::jsonb',
                    c.t, c.n, c.n, '\\1\"\\2' || replace(substr(j, 2, length(j) - 2), '\\', '\\\\') || '\"')
            END;
            INSERT INTO spoilt VALUES (c.t || '.' || c.n, true);
        EXCEPTION WHEN check_violation OR unique_violation OR invalid_text_representation OR not_null_violation THEN
            INSERT INTO spoilt VALUES (c.t || '.' || c.n, false);
        END;
    END LOOP;
END $$;";

/// More than a row for the tables that the fixtures leave empty.
const ROWS: &str = "
INSERT INTO delivery_targets (name, failures, trips, open_until, reason) VALUES ('forge', 5, 1, now() + interval '1 \
hour', '502');
INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, wanted_at, \
version_number,
    version_at, version_tie, outbox_id, state, attempts, reason)
SELECT 'forge', 'acme/app', 'sha' || n, 'ci', 'ci', 'failed', 'd', '2026-03-10T12:00:00Z', n, now(), '', n, \
'pending', 3, 'r'
FROM generate_series(1, 3) AS n;
INSERT INTO outbox (family, event, key, attributes, payload, created_at, note) OVERRIDING SYSTEM VALUE
VALUES ('buildkite', 'build:failed', 'k', '{}', '{\"a\": \"b\"}', '2026-03-10T12:00:00Z', 'unresolved_commit');
INSERT INTO deliveries (outbox_id, target, created_at, family, key, since, state, reason)
SELECT o.id, 'hook', o.created_at, o.family, o.key, o.created_at, 'dead', 'r' FROM outbox AS o WHERE o.note IS NOT \
NULL";

/// All addresses that the document of the API describes, with the parameters of their queries.
async fn described(site: &Site) -> Vec<(String, Vec<String>)> {
    let document = site.json("/api/v1/openapi.json").await;
    let of = |(path, methods): (&String, &Value)| {
        let parameters = methods["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let names = parameters.iter().filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str());
        (path.clone(), names.map(str::to_owned).collect())
    };
    document["paths"].as_object().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn every_column_may_hold_markup() {
    let db = filled().await;
    db.store.script(ROWS, deadline()).await.unwrap();
    db.store.script(SPOIL, deadline()).await.unwrap();
    let spoilt = render::rows(&db.store, "SELECT place FROM spoilt WHERE held ORDER BY place").await;
    let kept: BTreeSet<String> =
        render::rows(&db.store, "SELECT place FROM spoilt WHERE NOT held").await.into_iter().collect();
    assert!(spoilt.len() > 150, "only {} columns: {spoilt:?}", spoilt.len());
    println!("{} columns hold it; kept out of {} by their constraints: {kept:?}", spoilt.len(), kept.len());
    for page in [
        "bots.comment",
        "gitlab_merge_requests.title",
        "releases.message",
        "buildkite_builds.title",
        "refused.detail",
        "travis_builds.branch",
        "kcidb_tests.comment",
        "kcidb_issues.report_url",
        "deliveries.reason",
        "commit_statuses.repo",
    ] {
        assert!(spoilt.iter().any(|place| place == page), "{page} is not spoilt");
    }
    let site = Site::of(&db.store, NOW).await;
    let mut pages = crawl(&site).await;
    // The same for machines: each page of a thing has a badge, a feed and a document.
    let paths: Vec<String> = pages.keys().cloned().collect();
    let mut others: Vec<String> = Vec::new();
    for path in paths.iter().filter(|path| !path.starts_with("/api/")) {
        if let Some((_, project)) = path.split_once("?project=") {
            others.extend(
                ["/badge/projects/{}.svg", "/badge/projects/{}.json", "/feed/projects/{}"]
                    .map(|path| path.replace("{}", project)),
            );
        } else if path.matches('/').count() > 1 {
            others.extend([
                format!("/api/v1{path}"),
                format!("/badge{path}.svg"),
                format!("/badge{path}.json"),
                format!("/feed{path}"),
            ]);
        }
    }
    for path in others {
        if let Entry::Vacant(page) = pages.entry(path) {
            let answer = site.get(page.key()).await;
            assert!(answer.status < 500, "{}: {} {}", page.key(), answer.status, answer.body);
            if answer.status == 200 {
                page.insert(answer);
            }
        }
    }
    let others = [
        "/deliveries",
        "/trends",
        "/refused",
        "/badge/bots/",
        "/feed/bots/",
        "/badge/projects/",
        "/feed/projects/",
        "/feed.atom",
        "/api/v1/bots/",
        "/api/v1/builds/",
        "/api/v1/checkouts/",
    ];
    for start in DETAILS.into_iter().chain(others) {
        assert!(pages.keys().any(|path| path.starts_with(start)), "no answer of {start}");
    }
    let found: Vec<String> = pages.iter().flat_map(|(path, answer)| problems(path, answer)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let mut kinds = BTreeSet::new();
    for (path, answer) in &pages {
        let kind = answer.headers["content-type"].split(';').next().unwrap().to_owned();
        if kind == "application/json" {
            assert!(serde_json::from_str::<Value>(&answer.body).is_ok(), "{path}: no JSON");
        } else if kind != "text/plain" {
            // (Metrics are plain text, with `nosniff`.)
            for raw in ["<script", "<img src=x", "\"javascript:", "'javascript:", "&amp;/../<"] {
                assert!(!answer.body.contains(raw), "{path}: {raw}");
            }
            for link in links(&answer.body) {
                assert!(!link.starts_with("//"), "{path} leads away: {link}");
            }
        }
        kinds.insert(kind);
    }
    for kind in ["text/html", "application/json", "application/atom+xml", "image/svg+xml"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    assert!(HOSTILE.starts_with("<script>alert(1)"));
}

/// Each parameter of each address, with what would be SQL, a pattern or no text: nothing breaks, nothing is changed,
/// and no more is found than what holds it.
#[tokio::test]
async fn no_parameter_is_sql() {
    let db = filled().await;
    db.store.script(ROWS, deadline()).await.unwrap();
    let site = Site::of(&db.store, NOW).await;
    let tables = schema::tables(&db.store).await;
    let counts = async || {
        let of = |table: &String| {
            format!(
                "SELECT '{table} ' || count(*)::text || ' ' || coalesce(md5(string_agg(t::text, '' ORDER BY \
                    t::text)), '') FROM {table} AS t"
            )
        };
        render::rows(&db.store, &tables.iter().map(of).collect::<Vec<_>>().join(" UNION ALL ")).await
    };
    let before = counts().await;
    let mut asked = 0;
    for (path, names) in described(&site).await.into_iter().filter(|(path, _)| path.starts_with("/api/v1/")) {
        for value in [
            "%27%20OR%20%271%27=%271",
            "%27;DROP%20TABLE%20bots;--",
            "1);SELECT%20pg_sleep(5)--",
            "%5C",
            "%25",
            "%00",
            "%FF",
            "$1",
            "%7B%7D",
            "1e309",
            "-9223372036854775809",
            "%F0%9F%92%A9",
        ] {
            let key = path.find('{').map_or(path.clone(), |at| format!("{}{value}", &path[..at]));
            let mut addresses = vec![key.clone()];
            addresses.extend(names.iter().map(|name| format!("{key}?{name}={value}")));
            for address in addresses {
                let answer = site.get(&address).await;
                asked += 1;
                assert!(answer.status < 500, "{address}: {} {}", answer.status, answer.body);
                let html = site.get(address.trim_start_matches("/api/v1")).await;
                assert!(html.status < 500 && !html.body.contains("<script"), "{address}: {}", html.status);
                let is_search = address.contains("q=%27") && answer.status == 200;
                let found: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                if is_search && let Some(rows) = found["results"].as_array() {
                    assert!(rows.is_empty(), "{address} finds {} rows", rows.len());
                }
            }
        }
    }
    assert!(asked > 300, "only {asked} addresses");
    assert_eq!(counts().await, before);
}
