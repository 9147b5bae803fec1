//! Every stored value can be displayed: records at every extreme that `decode` accepts, and columns at every extreme
//! that PostgreSQL holds. Then every page, JSON answer, badge, feed, metric, explanation and payload is read by a
//! strict parser.

mod generate;
mod strict;

use std::collections::{BTreeMap, BTreeSet};

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::reports::{EXPLAINED, explain};
use hummingbird_status::sources::Settings;

use super::{Answer, DETAILS, NOW, Site, filled, links};
use crate::support::{Db, deadline, render};

/// Pages of single things of a kind that are looked at: the first and the last of those that are linked, and some
/// between.
const OF_A_KIND: usize = 12;

/// What an address is a page of.
fn kind(path: &str) -> String {
    let bare = path.split('?').next().unwrap_or_default();
    let start = DETAILS.iter().find(|start| bare.starts_with(**start));
    start.map_or_else(|| bare.to_owned(), |start| (*start).to_owned())
}

/// All answers of a site: lists to their third page, single things each as page, JSON, feed and badge.
async fn answers(site: &Site) -> BTreeMap<String, Answer> {
    let mut seen: BTreeMap<String, Answer> = BTreeMap::new();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut next: Vec<String> =
        ["/", "/feed.atom", "/badge.svg", "/metrics", "/api/v1/summary", "/?format=json"].map(str::to_owned).to_vec();
    let mut pages: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(path) = next.pop() {
        if seen.contains_key(&path) {
            continue;
        }
        let answer = site.get(&path).await;
        if answer.headers["content-type"].starts_with("text/html") {
            for link in links(&answer.body) {
                let kind = kind(&link);
                if DETAILS.contains(&kind.as_str()) {
                    found.entry(kind).or_default().insert(link.split('?').next().unwrap_or_default().to_owned());
                } else {
                    let of_kind = pages.entry(kind).or_default();
                    *of_kind += 1;
                    // Filters and places of a list only repeat it.
                    if *of_kind <= 12 {
                        next.push(link);
                    }
                }
            }
        }
        seen.insert(path, answer);
    }
    let mut asked: BTreeSet<String> = BTreeSet::new();
    // What is linked from single things alone comes in a second round.
    for _ in 0..3 {
        let known: BTreeSet<String> = found.keys().cloned().collect();
        let mut chosen: Vec<String> = Vec::new();
        for links in found.values() {
            let new: Vec<&String> = links.iter().filter(|link| !asked.contains(*link)).collect();
            let step = (new.len() / OF_A_KIND).max(1);
            chosen.extend(new.into_iter().step_by(step).cloned());
        }
        for link in chosen {
            asked.insert(link.clone());
            for path in [
                link.clone(),
                format!("/api/v1{link}"),
                format!("/feed{link}"),
                format!("/badge{link}.svg"),
                format!("/badge{link}.json"),
            ] {
                let answer = site.get(&path).await;
                // Not everything has a feed or a badge.
                let has_none = answer.status == 404 && (path.starts_with("/feed") || path.starts_with("/badge"));
                if answer.headers["content-type"].starts_with("text/html") {
                    for link in links(&answer.body) {
                        let kind = kind(&link);
                        let link = link.split('?').next().unwrap_or_default().to_owned();
                        if DETAILS.contains(&kind.as_str()) && !known.contains(&kind) {
                            found.entry(kind).or_default().insert(link);
                        }
                    }
                }
                if !has_none {
                    seen.insert(path, answer);
                }
            }
        }
    }
    seen
}

/// The problems of an answer.
fn problem(path: &str, answer: &Answer, written_by_us: bool) -> Option<String> {
    let kind = answer.headers["content-type"].split(';').next().unwrap_or_default();
    let checked = match kind {
        // A reference that was spoilt leads nowhere.
        _ if answer.status == 404 && !written_by_us => return None,
        _ if answer.status != 200 => {
            Err(format!("answers {}: {}", answer.status, answer.body.chars().take(400).collect::<String>()))
        }
        "text/html" => strict::html(&answer.body),
        "application/json" => strict::json(&answer.body),
        "application/atom+xml" => strict::atom(&answer.body),
        "image/svg+xml" => strict::xml(&answer.body).map(drop),
        "text/plain" if path == "/metrics" => strict::prometheus(&answer.body),
        "text/css" => Ok(()),
        other => Err(format!("is {other}")),
    };
    checked.err().map(|what| format!("{path}: {what}"))
}

/// Keys of what can be explained.
const KEYS: &[(&str, &str)] = &[
    ("mr", "SELECT project || '!' || iid FROM gitlab_merge_requests"),
    ("commit", "SELECT sha FROM gitlab_pushes"),
    ("component", "SELECT name FROM components"),
    ("pipelinerun", "SELECT name FROM pipelineruns"),
    ("snapshot", "SELECT name FROM snapshots"),
    ("release", "SELECT name FROM releases"),
    ("build", "SELECT id FROM buildkite_builds"),
    ("travis-build", "SELECT id::text FROM travis_builds"),
    ("travis-job", "SELECT id::text FROM travis_jobs"),
    ("checkout", "SELECT id FROM kcidb_checkouts"),
    ("kcidb-build", "SELECT id FROM kcidb_builds"),
    ("kcidb-test", "SELECT id FROM kcidb_tests"),
    ("issue", "SELECT id FROM kcidb_issues"),
    ("pipeline", "SELECT host || '/' || id FROM gitlab_pipelines"),
    ("job", "SELECT host || '/' || id FROM gitlab_jobs"),
    ("deployment", "SELECT host || '/' || id FROM gitlab_deployments"),
    ("bot", "SELECT name FROM bots"),
    ("delivery", "SELECT 'e' || id FROM outbox"),
];

/// The problems of explanations of all objects.
async fn explained(store: &Store) -> Vec<String> {
    let mut problems = Vec::new();
    for thing in EXPLAINED {
        let (_, keys) =
            KEYS.iter().find(|(name, _)| *name == thing.name).unwrap_or_else(|| panic!("{} has no keys", thing.name));
        let keys =
            render::rows(store, &format!("SELECT k FROM ({keys}) AS q (k) ORDER BY md5(k) LIMIT {OF_A_KIND}")).await;
        assert!(!keys.is_empty(), "there is no {}", thing.name);
        for key in keys {
            match store.in_tx("explain", deadline(), async |tx| explain(tx, thing, &key).await).await {
                Ok(parts) => problems.extend(
                    strict::json(&serde_json::to_string(&parts).unwrap())
                        .err()
                        .map(|what| format!("explain {} {key}: {what}", thing.name)),
                ),
                Err(error) => problems.push(format!("explain {} {key}: {error:?}", thing.name)),
            }
        }
    }
    problems
}

/// The problems of the payloads of events.
async fn payloads(store: &Store) -> Vec<String> {
    let rows = render::rows(
        store,
        "SELECT event || E'\\n' || attributes::text || E'\\n' || payload::text FROM outbox ORDER BY id",
    )
    .await;
    let check = |row: &String| {
        let (event, rest) = row.split_once('\n')?;
        let (attributes, payload) = rest.split_once('\n')?;
        strict::json(attributes).and_then(|()| strict::json(payload)).err().map(|what| format!("{event}: {what}"))
    };
    rows.iter().filter_map(check).collect()
}

/// All that is wrong. Rows that are explained are shown as PostgreSQL writes them, so that their times are only those
/// of RFC 3339 where ours are.
async fn all_problems(db: &Db, written_by_us: bool) -> (usize, Vec<String>) {
    let site = Site::of(&db.store, NOW).await;
    let answers = answers(&site).await;
    let mut problems: Vec<String> =
        answers.iter().filter_map(|(path, answer)| problem(path, answer, written_by_us)).collect();
    for start in DETAILS.iter().filter(|start| !answers.keys().any(|path| path.starts_with(**start))) {
        problems.push(format!("no page of {start}"));
    }
    let rows = explained(&db.store).await;
    problems.extend(rows.into_iter().filter(|what| written_by_us || !what.contains(" is \"")));
    problems.extend(payloads(&db.store).await);
    (answers.len(), problems)
}

#[tokio::test]
async fn records_at_every_extreme_can_be_displayed() {
    let db = filled().await;
    let messages = generate::messages();
    let mut kept = 0;
    let mut database = Vec::new();
    for batch in messages.chunks(200) {
        let report = ingest(&db.store, batch, &Settings::default(), deadline()).await;
        assert_eq!((report.error.as_ref(), report.counts().again), (None, 0));
        kept += report.counts().kept;
        if report.reasons.contains_key("refused: database") {
            // A key that is too long for its index is no detail.
            let sql = "SELECT id || ' ' || detail FROM refused WHERE reason = 'database' AND detail NOT LIKE \
                '%maximum 2704 for index \"%_pkey\"%'";
            database = render::rows(&db.store, sql).await;
        }
    }
    assert!(kept > messages.len() as u64 / 2, "{kept} of {} changed anything", messages.len());
    assert!(database.is_empty(), "PostgreSQL does not take what `decode` accepts:\n{}", database.join("\n"));
    let (pages, problems) = all_problems(&db, true).await;
    println!("{} messages, {kept} of them kept, {pages} answers", messages.len());
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Puts an extreme into each column of a type that can hold it, where no constraint forbids it.
const SPOIL: &str = "
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT a.attrelid::regclass::text AS t, quote_ident(a.attname) AS n
        FROM pg_attribute AS a JOIN pg_class AS r ON r.oid = a.attrelid
        WHERE r.relnamespace = 'public'::regnamespace AND r.relkind = 'r' AND r.relname <> 'schema_migrations'
            AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = '' AND \
            format_type(a.atttypid, NULL) = 'TYPE'
            AND NOT EXISTS (
                SELECT FROM pg_constraint AS k WHERE k.conrelid = r.oid AND k.contype IN ('p', 'u') AND a.attnum = \
                ANY (k.conkey)
            )
            AND (r.relname, a.attname) NOT IN (SELECT 'outbox_default', 'created_at')
    LOOP
        BEGIN
            EXECUTE format('UPDATE %s SET %s = %L', c.t, c.n, 'VALUE');
        EXCEPTION WHEN check_violation OR unique_violation OR not_null_violation THEN NULL;
        END;
    END LOOP;
END $$;";

/// What no program of ours writes, but an earlier release or a person with SQL has written. Infinite times are not
/// among it: no statement of ours writes one, and PostgreSQL itself does not subtract them before version 17.
#[tokio::test]
async fn columns_at_every_extreme_can_be_displayed() {
    let deep = format!(
        "{{\"a\": {}{}, \"b\": 1e400, \"c\": 123456789012345678901234567890}}",
        "[".repeat(300),
        "]".repeat(300)
    );
    let sets: [&[(&str, &str)]; 3] = [
        &[
            ("timestamp with time zone", "294276-12-31 23:59:59.999999+00"),
            ("bigint", "9223372036854775807"),
            ("integer", "2147483647"),
            ("double precision", "1.7976931348623157e308"),
        ],
        &[
            ("timestamp with time zone", "4713-01-01 00:00:00+00 BC"),
            ("bigint", "-9223372036854775808"),
            ("integer", "-2147483648"),
            ("double precision", "NaN"),
            ("jsonb", &deep),
        ],
        &[("timestamp with time zone", "10000-01-01 00:00:00+00"), ("double precision", "-Infinity")],
    ];
    for set in sets {
        let db = filled().await;
        for (types, value) in set {
            db.store.script(&SPOIL.replace("TYPE", types).replace("VALUE", value), deadline()).await.unwrap();
        }
        let (_, problems) = all_problems(&db, false).await;
        assert!(problems.is_empty(), "{set:?}: {} problems:\n{}", problems.len(), problems.join("\n"));
    }
}

/// The parsers themselves are strict.
#[test]
fn invalid_documents_are_found() {
    for (right, wrong) in
        [("\u{e000}\u{1f600}", "\u{fffe}"), ("a", "\u{ffff}"), ("\t\n", "\u{b}"), ("&lt;", "<"), ("&amp;", "&")]
    {
        let html = |text: &str| {
            format!(
                "<!DOCTYPE html><html lang=\"en\"><head><meta \
                    charset=\"utf-8\"></head><body><p>{text}</p></body></html>"
            )
        };
        assert!(strict::html(&html(right)).is_ok() && strict::html(&html(wrong)).is_err(), "{wrong:?}");
        let xml = |text: &str| format!("<a b=\"{text}\">{text}</a>");
        assert!(strict::xml(&xml(right)).is_ok() && strict::xml(&xml(wrong)).is_err(), "{wrong:?}");
    }
    for wrong in ["<p></q>", "<p>", "<p a=b></p>", "<p a=\"<\"></p>", "<!DOCTYPE html><p></p>x</p>"] {
        assert!(strict::html(wrong).is_err(), "{wrong}");
    }
    for (right, wrong) in [
        (r#"{"at":"9999-12-30T22:00:00Z"}"#, r#"{"at":"10000-01-01T00:00:00Z"}"#),
        (r#"{"start_time":null}"#, r#"{"start_time":"-000044-03-15T00:00:00Z"}"#),
        (r#"{"misc":{"at":"never"}}"#, r#"{"x":{"created_at":"never"}}"#),
        ("[1]", "[1,]"),
        ("1e308", "NaN"),
    ] {
        assert!(strict::json(right).is_ok() && strict::json(wrong).is_err(), "{wrong}");
    }
    let right = "# HELP a b\n# TYPE a gauge\na{x=\"y\\n\\\"\"} 1\na 2\n";
    assert!(strict::prometheus(right).is_ok());
    for wrong in ["a{x=\"y} 1\n", "a{x=y} 1\n", "a b\n", "a 1", "9a 1\n"] {
        assert!(strict::prometheus(wrong).is_err(), "{wrong}");
    }
}
