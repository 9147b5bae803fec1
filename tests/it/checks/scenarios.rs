//! Scenarios of verdicts: checks and pushes in the order of their arrival, and the expected verdict after each step.
//! They are in the folder `verdict` of `CASES_DIR`; the times are minutes.

use std::collections::BTreeMap;
use std::path::Path;

use hummingbird_status::checks::{Check, Head, Lane, Rules, verdict};
use hummingbird_status::outbox::State;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub fn minute(minutes: &Value) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + 60 * minutes.as_i64().unwrap()).unwrap()
}

fn text<'v>(value: &'v Value, name: &str, default: &'v str) -> &'v str {
    value[name].as_str().unwrap_or(default)
}

/// Host, repository and name of a branch.
type Branch = (String, String, String);
/// Minute and commit of a push, and whether it deleted the branch.
type Push = (i64, String, bool);

/// What was said so far.
#[derive(Default)]
pub struct Said {
    /// The newest state of each check, with its version.
    checks: BTreeMap<String, ((i64, i64), Check)>,
    /// Pushes of each branch: minute, commit, and whether the branch was deleted.
    pushes: BTreeMap<Branch, Vec<Push>>,
}

impl Said {
    pub fn take(&mut self, step: &Value) {
        let said = &step["check"];
        if said.is_object() {
            let field =
                |name: &str, default: &Value| if said[name].is_null() { default.clone() } else { said[name].clone() };
            let (changed, created) = (field("changed", &step["at"]), field("created", &step["at"]));
            let (name, state, run) = (text(said, "name", ""), text(said, "state", ""), text(said, "run", ""));
            let attempt = said["attempt"].as_i64().unwrap_or(1);
            let check = Check {
                system: text(said, "system", "gitlab").to_owned(),
                kind: "checks".to_owned(),
                key: format!("{run} {attempt} {name}"),
                stage: String::new(),
                name: name.to_owned(),
                host: text(said, "host", "h").to_owned(),
                repo: text(said, "repo", "acme/app").to_owned(),
                sha: Some(text(said, "sha", "").to_owned()),
                branch: Some(text(said, "ref", "main").to_owned()),
                mr: said["mr"].as_i64(),
                lane: *Lane::ALL.iter().find(|lane| lane.name() == text(said, "lane", "push")).unwrap(),
                run: run.to_owned(),
                attempt: i32::try_from(attempt).unwrap(),
                attempt_is_whole: said["group"] == "attempt",
                seq: field("order", &created).as_i64().unwrap(),
                state: *State::ALL.iter().find(|known| known.name() == state).unwrap(),
                original: state.to_owned(),
                warn: said["warn"] == true,
                optional: said["optional"] == true,
                ever_bad: None,
                waived_by: None,
                url: None,
                log_url: None,
                created_at: minute(&created),
                started_at: None,
                finished_at: None,
                changed_at: minute(&changed),
                stuck_since: None,
            };
            let version = (said["v"].as_i64().unwrap_or(0), changed.as_i64().unwrap());
            let key = format!("{} {} {} {}", check.system, check.host, check.repo, check.key);
            let is_newer = self.checks.get(&key).is_none_or(|(known, _)| *known < version);
            if is_newer {
                self.checks.insert(key, (version, check));
            }
        }
        let push = &step["push"];
        if push.is_object() {
            let branch = (text(push, "host", "h"), text(push, "repo", "acme/app"), text(push, "ref", "main"));
            let branch = (branch.0.to_owned(), branch.1.to_owned(), branch.2.to_owned());
            let entry = (step["at"].as_i64().unwrap(), text(push, "sha", "").to_owned(), push["deleted"] == true);
            self.pushes.entry(branch).or_default().push(entry);
        }
    }

    fn head(&self, repo: &str, sha: &str) -> Head {
        let of_repo =
            || self.pushes.iter().filter(|((host, name, _), _)| (host.as_str(), name.as_str()) == ("h", repo));
        let pushed = of_repo().flat_map(|(_, pushes)| pushes).filter(|(_, of, _)| of == sha).map(|(at, ..)| *at).min();
        let is_replaced = |pushes: &[Push]| {
            let newest = pushes.iter().max().unwrap();
            pushes.iter().any(|(_, of, _)| of == sha) && (newest.1 != sha || newest.2)
        };
        Head {
            pushed_at: pushed.map(|at| minute(&at.into())),
            is_superseded: of_repo().any(|(_, pushes)| is_replaced(pushes)),
        }
    }

    /// The newest state of all checks.
    pub fn checks(&self) -> impl Iterator<Item = Check> {
        self.checks.values().map(|(_, check)| check.clone())
    }

    pub fn of(&self, repo: &str, sha: &str) -> Vec<Check> {
        let all = self.checks.values().map(|(_, check)| check);
        all.filter(|c| c.host == "h" && c.repo == repo && c.sha.as_deref() == Some(sha)).cloned().collect()
    }
}

fn rules(scenario: &Value) -> Rules {
    let rule = &scenario["rule"];
    let patterns =
        |name: &str| rule[name].as_array().into_iter().flatten().map(|p| p.as_str().unwrap().to_owned().into());
    let minutes = |name: &str, default| SignedDuration::from_mins(rule[name].as_i64().unwrap_or(default));
    Rules {
        required: patterns("required").collect(),
        optional: patterns("optional").collect(),
        settle: minutes("settle", 2),
        missing_after: minutes("missing_after", 120),
        ..Rules::default()
    }
}

/// The differences between expected and computed verdicts of a scenario, and how many verdicts were compared.
fn differences(scenario: &Value) -> (usize, Vec<String>) {
    let (mut said, rules) = (Said::default(), rules(scenario));
    let (mut compared, mut found) = (0, Vec::new());
    for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        said.take(step);
        for (commit, expected) in step["expect"]["verdict"].as_object().into_iter().flatten() {
            let (repo, sha) = commit.rsplit_once('@').unwrap_or(("acme/app", commit));
            let got = verdict(&said.of(repo, sha), said.head(repo, sha), &rules, minute(&step["at"]));
            let why = got.reasons.first().map_or_else(String::new, |reason| serde_json::json!(reason.why).to_string());
            let got = serde_json::json!({
                "verdict": got.verdict,
                // The verdicts `failed` and `running` of the scenarios name no other reason.
                "why": if got.reasons.is_empty() || why == "\"failed\"" { "" } else { why.trim_matches('"') },
                "settled": got.settled,
            });
            let expected =
                if expected.is_string() { serde_json::json!({"verdict": expected}) } else { expected.clone() };
            for (name, value) in expected.as_object().unwrap() {
                compared += 1;
                if got[name] != *value {
                    found.push(format!("step {}: {commit} {name}: expected {value}, got {got}", number + 1));
                }
            }
        }
    }
    (compared, found)
}

#[test]
fn every_scenario_has_the_expected_verdicts() {
    let Some(folder) = std::env::var_os("CASES_DIR") else {
        eprintln!("CASES_DIR is not set: no scenarios of verdicts");
        return;
    };
    let mut compared = 0;
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(Path::new(&folder).join("verdict")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let scenario: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let (number, found) = differences(&scenario);
            compared += number;
            failures.extend(found.into_iter().map(|what| format!("{}: {what}", path.display())));
        }
    }
    assert!(compared > 60, "{compared} verdicts compared");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
