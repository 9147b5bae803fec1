//! `explain`: for each kind of object, the messages that led to its state, its notifications and rejections.

use std::process::Command;

use hummingbird_status::ingest::ingest;
use hummingbird_status::reports::{EXPLAINED, Part, explain};
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::support::{self, Db, deadline, files, render};

/// A database with all fixtures, and some deliveries.
async fn filled() -> Db {
    let db = support::database().await;
    let samples = files("events", ".json").into_iter().filter(|(name, _)| !name.starts_with("envelope/"));
    let samples: Vec<_> = samples.map(|(id, body)| Delivery { id, body, ..Delivery::default() }).collect();
    let report = ingest(&db.store, &samples, &Settings::default(), deadline()).await;
    assert_eq!(report.error, None);
    let delivered = "UPDATE outbox SET routed_at = now();
        INSERT INTO deliveries (outbox_id, target, created_at, family, key, state, attempts, reason)
            SELECT id, 'hook', created_at, family, key, 'dead', 3, '410 Gone' FROM outbox;
        INSERT INTO delivery_targets (name) VALUES ('hook'), ('ghe');
        INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, \
        version_number, version_at,
            version_tie, outbox_id, state, reason)
            SELECT DISTINCT ON (b.repo_path, b.commit) 'ghe', b.repo_path, b.commit, 'c', 'c', 'success', 'd', 1, \
            now(), '', o.id,
                'pending', '401 Bad credentials'
            FROM buildkite_builds AS b JOIN outbox AS o ON o.key = b.id
            WHERE b.repo_path IS NOT NULL AND b.commit IS NOT NULL";
    db.store.script(delivered, deadline()).await.unwrap();
    db
}

async fn explained(db: &Db, kind: &str, key: &str) -> Vec<Part> {
    let thing = EXPLAINED.iter().find(|thing| thing.name == kind).unwrap();
    db.store.in_tx("explain", deadline(), async |tx| explain(tx, thing, key).await).await.unwrap()
}

fn parts(parts: &[Part]) -> String {
    let mut names: Vec<&str> = parts.iter().map(|part| part.part.as_str()).collect();
    let first = names.first().copied().unwrap_or("-").to_owned();
    names.sort_unstable();
    names.dedup();
    format!("{first}: {}", names.join(", "))
}

/// For each kind a query for the key of the object with the longest explanation.
const KEYS: &[(&str, &str)] = &[
    (
        "mr",
        "SELECT v.project || '!' || v.iid FROM gitlab_mr_versions AS v LEFT JOIN pipelineruns AS r USING (sha, project)
        GROUP BY v.project, v.iid ORDER BY count(r.name) DESC, 1 LIMIT 1",
    ),
    ("commit", "SELECT commit FROM buildkite_builds JOIN commit_statuses ON sha = commit ORDER BY 1 LIMIT 1"),
    (
        "component",
        "SELECT component FROM pipelineruns JOIN components ON components.name = component ORDER BY 1 LIMIT 1",
    ),
    (
        "pipelinerun",
        "SELECT source_plr FROM snapshots JOIN pipelineruns ON pipelineruns.name = source_plr ORDER BY 1 LIMIT 1",
    ),
    ("snapshot", "SELECT snapshot FROM releases JOIN snapshots ON snapshots.name = snapshot ORDER BY 1 LIMIT 1"),
    ("release", "SELECT name FROM releases ORDER BY (release_plr IS NULL), name LIMIT 1"),
    (
        "build",
        "SELECT pipeline || '/' || number FROM buildkite_builds JOIN commit_statuses ON sha = commit ORDER BY 1 LIMIT \
            1",
    ),
    ("travis-build", "SELECT build_id::text FROM travis_jobs GROUP BY build_id ORDER BY count(*) DESC, 1 LIMIT 1"),
    ("travis-job", "SELECT id::text FROM travis_jobs ORDER BY attempt DESC, id LIMIT 1"),
    (
        "checkout",
        "SELECT checkout_id FROM kcidb_builds JOIN kcidb_checkouts AS c ON c.id = checkout_id ORDER BY 1 LIMIT 1",
    ),
    ("kcidb-build", "SELECT build_id FROM kcidb_tests JOIN kcidb_builds AS b ON b.id = build_id ORDER BY 1 LIMIT 1"),
    ("kcidb-test", "SELECT t.id FROM kcidb_tests AS t JOIN kcidb_builds AS b ON b.id = build_id ORDER BY 1 LIMIT 1"),
    ("issue", "SELECT id FROM kcidb_issues ORDER BY 1 LIMIT 1"),
    (
        "pipeline",
        "SELECT host || '/' || parent_id FROM gitlab_pipelines WHERE source = 'parent_pipeline' ORDER BY 1 LIMIT 1",
    ),
    (
        "job",
        "SELECT j.host || '/' || max(j.id) FROM gitlab_jobs AS j JOIN gitlab_deployments AS d ON d.job_id = j.id
        GROUP BY j.host LIMIT 1",
    ),
    (
        "deployment",
        "SELECT d.host || '/' || d.id FROM gitlab_deployments AS d JOIN gitlab_jobs AS j ON d.job_id = j.id
        ORDER BY 1 LIMIT 1",
    ),
    ("bot", "SELECT name FROM bot_beats GROUP BY name ORDER BY count(*) DESC, 1 LIMIT 1"),
    ("delivery", "SELECT 's' || min(id) FROM commit_statuses"),
    ("delivery", "SELECT 'e' || min(outbox_id) FROM deliveries"),
];

#[tokio::test]
async fn each_kind_of_thing_is_explained() {
    let db = filled().await;
    let mut text = String::new();
    for (kind, sql) in KEYS {
        let key = render::rows(&db.store, sql).await.concat();
        assert!(!key.is_empty(), "no sample for {kind}");
        text += &format!("{kind}: {}\n", parts(&explained(&db, kind, &key).await));
    }
    for thing in EXPLAINED {
        assert!(KEYS.iter().any(|(kind, _)| *kind == thing.name), "{} is not tried", thing.name);
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn answers_and_rejections_are_part_of_an_explanation() {
    let db = filled().await;
    let key = render::rows(&db.store, KEYS[6].1).await.concat();
    let said: Vec<String> = explained(&db, "build", &key)
        .await
        .into_iter()
        .filter_map(|part| Some(format!("{}: {}", part.part, part.what?)))
        .collect();
    assert!(
        said.iter().any(|line| line.starts_with("delivery: ") && line.ends_with("dead, 3 attempts, 410 Gone")),
        "{said:?}"
    );
    assert!(said.iter().any(|line| line.ends_with("success: pending, 401 Bad credentials")), "{said:?}");

    // A rejected message of an otherwise unknown bot.
    let wrong = br#"{"name": "unknown-bot", "status": "splendid"}"#.to_vec();
    let delivery = Delivery { id: "wrong".to_owned(), body: wrong, ..Delivery::default() };
    ingest(&db.store, &[delivery], &Settings::default(), deadline()).await;
    let found = explained(&db, "bot", "unknown-bot").await;
    assert_eq!(parts(&found), "refused: refused");
    assert!(found[0].what.as_deref().unwrap().starts_with("wrong bad-field: "), "{found:?}");
    assert!(explained(&db, "bot", "another-bot").await.is_empty());
}

#[tokio::test]
async fn the_command_prints_the_explanation_or_fails() {
    let db = filled().await;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("explain").args(arguments).env("DATABASE_URL", &db.url).output().unwrap()
    };
    let bot = render::rows(&db.store, KEYS.iter().find(|(kind, _)| *kind == "bot").unwrap().1).await.concat();
    let output = run(&["bot", &bot]);
    assert!(output.status.success(), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found[0]["part"], &found[0]["row"]["name"]), (&"bot".into(), &bot.as_str().into()));
    let none = run(&["mr", "g/p!1"]);
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(!none.status.success() && said.contains("nothing is known of the mr g/p!1"), "{said}");
    assert!(!run(&["moon", "x"]).status.success());
}
