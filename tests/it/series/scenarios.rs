//! The series of the scenarios in the folder `verdict` of `CASES_DIR`, on PostgreSQL: after each step they are as
//! expected, and at the end as computed from scratch.

use std::collections::BTreeMap;
use std::path::Path;

use hummingbird_status::checks::failures::{TargetResult, failure};
use hummingbird_status::checks::store::{self, BranchDeletion, Derived};
use hummingbird_status::checks::{Check, Lane, Rules, Touched, slots};
use hummingbird_status::db::{Store, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{World, stored};
use crate::checks::scenarios::{Said, minute};
use crate::support::{self, deadline, render, schema};

const KIND: &str = "buildkite_builds";
const REPO: &str = "acme/app";

/// Writes what a step says, as the sources do.
async fn write(store: &Store, world: &mut World, step: &Value, said: &Said) {
    let mut checks = Vec::new();
    let mut pushes = BTreeMap::new();
    let mut deleted = Vec::new();
    // The rows of the sources keep the newest version of each check.
    for check in said.checks() {
        let key = format!("{} {} {}", check.host, check.repo, check.key);
        let check = Check { kind: KIND.to_owned(), key: key.clone(), ..check };
        world.checks.insert(format!("{} {key}", check.system), check.clone());
        checks.push(check);
    }
    let push = &step["push"];
    if push.is_object() {
        let text = |name: &str, default: &str| push[name].as_str().unwrap_or(default).to_owned();
        let (repo, branch, sha) = (text("repo", REPO), text("ref", "main"), text("sha", ""));
        let at = minute(&step["at"]);
        if push["deleted"] == true {
            world.deleted.insert((repo.clone(), branch.clone(), sha.clone()), at);
            deleted.push(BranchDeletion { repo, branch, before_sha: sha, deleted_at: at });
        } else {
            let known = world.pushes.entry((repo.clone(), branch.clone(), sha.clone())).or_insert(at);
            *known = at.max(*known);
            pushes.insert((repo, branch, sha), Some(*known));
        }
    }
    let deleted: Vec<&BranchDeletion> = deleted.iter().collect();
    let written = store.in_tx("series", deadline(), async |tx| {
        let mut touched = Touched::default();
        touched.add(KIND, checks.iter().map(|check| check.key.clone()));
        store::delete_branches(tx, &deleted, &mut touched).await?;
        let mut before = Vec::new();
        for system in ["buildkite", "github", "gitlab"] {
            before.extend(store::known(tx, |_| system, &touched).await?);
        }
        before.sort_by(|a: &Check, b| a.place().cmp(&b.place()));
        let derived = Derived { checks: checks.clone(), before, pushes: pushes.clone(), old: Vec::new() };
        store::write(tx, &touched, derived).await?;
        Ok::<_, StoreError>(())
    });
    written.await.unwrap();
}

/// How a series stands: `NAME@BRANCH`, or `NAME@BRANCH#LANE`.
async fn standing(store: &Store, key: &str) -> Value {
    let (name, rest) = key.split_once('@').unwrap_or((key, ""));
    let (branch, lane) = rest.split_once('#').unwrap_or((rest, "push"));
    let branch = if branch.is_empty() { "main" } else { branch };
    let sql = format!(
        "SELECT jsonb_build_object('state', CASE WHEN s.is_deleted THEN 'closed' WHEN s.newer >= 10 THEN 'absent' \
            ELSE s.outcome END, 'sha', s.point, 'since', CASE WHEN s.outcome = 'bad' THEN s.edge_point END, \
            'good', CASE WHEN s.outcome = 'bad' THEN s.before_point END, \
            'flaky', EXISTS (SELECT FROM series_results AS r WHERE r.series = s.id AND r.flaky))::text \
         FROM series_standing AS s \
         WHERE s.repo = '{REPO}' AND s.name = '{name}' AND s.branch = '{branch}' AND s.lane = '{lane}'"
    );
    let rows = render::rows(store, &sql).await;
    // The series of a deleted branch are gone.
    rows.first().map_or_else(|| json!({"state": "closed"}), |row| serde_json::from_str(row).unwrap())
}

/// What the failure of a check of a merge request is: `COMMIT/NAME`.
async fn class(store: &Store, said: &Said, key: &str, now: Timestamp) -> String {
    let (sha, name) = key.split_once('/').unwrap();
    let checks: Vec<Check> =
        said.of(REPO, sha).into_iter().filter(|check| check.name == name && check.lane == Lane::Mr).collect();
    let sql = format!(
        "SELECT extract(epoch FROM r.place)::bigint || ' ' || (r.outcome = 'ok') || ' ' || r.flaky \
         FROM series AS s JOIN series_results AS r ON r.series = s.id \
         WHERE s.repo = '{REPO}' AND s.branch = 'main' AND s.lane = 'push' AND s.name = '{name}' \
         ORDER BY r.place, r.point"
    );
    let results: Vec<TargetResult> = render::rows(store, &sql)
        .await
        .iter()
        .map(|row| {
            let parts: Vec<&str> = row.split(' ').collect();
            let place = Timestamp::from_second(parts[0].parse().unwrap()).unwrap();
            TargetResult { place, is_ok: parts[1] == "true", is_flaky: parts[2] == "true" }
        })
        .collect();
    let slots = slots(&checks, &Rules::default(), now);
    let found = slots.iter().find_map(|slot| failure(slot, &results, 0));
    json!(found).as_str().unwrap_or("-").replace('_', " ").replace("broken", "red")
}

async fn differences(store: &Store, scenario: &Value) -> (usize, Vec<String>) {
    schema::clear(store).await;
    let (mut said, mut world) = (Said::default(), World::default());
    let (mut compared, mut found) = (0, Vec::new());
    for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        said.take(step);
        write(store, &mut world, step, &said).await;
        for (key, expected) in step["expect"]["series"].as_object().into_iter().flatten() {
            let got = standing(store, key).await;
            for (name, value) in expected.as_object().unwrap() {
                compared += 1;
                if got[name] != *value {
                    found.push(format!("step {}: {key} {name}: expected {value}, got {got}", number + 1));
                }
            }
        }
        for (key, expected) in step["expect"]["class"].as_object().into_iter().flatten() {
            compared += 1;
            let got = class(store, &said, key, minute(&step["at"])).await;
            if *expected != got {
                found.push(format!("step {}: {key}: expected {expected}, got {got}", number + 1));
            }
        }
    }
    let (expected, got) = (world.expected_of(REPO), stored(store, REPO).await);
    if expected != got {
        found.push(format!("{:?}\n{:?}", expected.difference(&got), got.difference(&expected)));
    }
    (compared, found)
}

#[tokio::test]
async fn every_scenario_has_the_expected_series() {
    let Some(folder) = std::env::var_os("CASES_DIR") else {
        eprintln!("CASES_DIR is not set: no scenarios of series");
        return;
    };
    let db = support::database().await;
    let (mut compared, mut failures) = (0, Vec::new());
    for entry in std::fs::read_dir(Path::new(&folder).join("verdict")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let scenario: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let (number, found) = differences(&db.store, &scenario).await;
            compared += number;
            failures.extend(found.into_iter().map(|what| format!("{}: {what}", path.display())));
        }
    }
    assert!(compared > 20, "{compared} expectations compared");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
