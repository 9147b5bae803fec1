//! Tables of decisions, each row by itself.

use hummingbird_status::db::Store;
use hummingbird_status::deliver::route;
use hummingbird_status::sources::travis::State;
use hummingbird_status::sources::travis::rules::notify::{self, About, Addon, On};
use hummingbird_status::sources::travis::rules::{matrix, startable};
use serde_json::{Value, json};

use super::{Tally, notify as rendered, pure};
use crate::support::{deadline, render};

pub async fn run(store: &Store, name: &str, file: &Value, tally: &mut Tally) {
    let group = file["group"].as_str().unwrap_or_default();
    for row in file["rows"].as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        let found = match group {
            "matrix" => matrix_row(row),
            "stage_gating" => gating(store, row).await,
            "notify_decision" => pair(&row["send"], json!(notify::sends(addon(row), &row["config"], about(row)))),
            "addon_config" => addon_config(row),
            "addon_handles" => handles(row),
            "webhook_targets" => pair(&row["targets"], json!(notify::targets(Addon::Webhooks, &row["config"]))),
            "email_recipients" => recipients(row),
            "result_message" => words(row),
            "event_names" => event_names(row),
            "check_run" => rendered::check_run(row),
            "email_subject" => rendered::email_subject(row),
            "github_status" => rendered::github_status(row),
            "slack_message" => rendered::slack_message(row),
            "slack_target" => rendered::slack_target(row),
            "subscriptions" => rendered::subscriptions(row),
            "templates" => rendered::templates(row),
            "webhook_payload" => rendered::webhook_payload(row),
            _ => {
                tally.failed.push(format!("{name}: a table that is not known"));
                return;
            }
        };
        match found {
            Found::Same => tally.passed += 1,
            Found::Deviates(why) => tally.deviating.entry(why.to_owned()).or_default().push(id.to_owned()),
            Found::Other(found) => tally.failed.push(format!("{id}: {found} for {row}")),
        }
    }
}

pub enum Found {
    Same,
    Deviates(&'static str),
    Other(Value),
}

pub fn pair(expected: &Value, found: Value) -> Found {
    if *expected == found { Found::Same } else { Found::Other(found) }
}

fn matrix_row(row: &Value) -> Found {
    let jobs: Vec<_> = row["jobs"].as_array().unwrap().iter().map(pure::job).collect();
    let jobs: Vec<_> = jobs.iter().collect();
    let fast = row["fast_finish"] == json!(true);
    let state = matrix::state(&jobs).map_or("error:invalid_matrix_state", State::name);
    let found = json!({
        "finished": matrix::is_finished(&jobs, fast), "state": state, "duration": matrix::duration(&jobs, fast),
    });
    pair(&row["expected"], found)
}

/// Checks the rule and the statement.
async fn gating(store: &Store, row: &Value) -> Found {
    let list =
        |name: &str| row[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (numbers, started, finished) = (list("stage_numbers"), list("started"), list("finished"));
    let waits = |number: &&String| !started.contains(number) && !finished.contains(number);
    let blocked =
        |number: &&String| numbers.iter().any(|other| !finished.contains(other) && startable::waits_for(number, other));
    let by_rule: Vec<_> = numbers.iter().filter(waits).filter(|number| !blocked(number)).cloned().collect();

    let mut script = String::from(
        "DELETE FROM travis_builds; DELETE FROM travis_jobs; DELETE FROM travis_queueable_jobs; \
         INSERT INTO travis_builds (id, repository_id, state, message_id, message_at) VALUES (1, 1, 'started', 'm', \
         now());",
    );
    for (id, number) in numbers.iter().enumerate() {
        let state = match () {
            () if finished.contains(number) => "passed",
            () if started.contains(number) => "started",
            () => "created",
        };
        script += &format!(
            "INSERT INTO travis_jobs (id, build_id, repository_id, stage_number, state, message_id, message_at) \
             VALUES ({id} + 1, 1, 1, '{number}', '{state}', 'm', now()); \
             INSERT INTO travis_queueable_jobs SELECT {id} + 1, 1 WHERE '{state}' = 'created';"
        );
    }
    store.script(&script, deadline()).await.unwrap();
    let jobs =
        store.in_tx("startable", deadline(), async |tx| hummingbird_status::sources::travis::startable(tx, 100).await);
    let jobs: Vec<String> = jobs.await.unwrap().iter().map(|job| job.id.to_string()).collect();
    let ids = format!(
        "SELECT stage_number FROM travis_jobs WHERE id IN ({}) ORDER BY id",
        [jobs.join(", "), "0".to_owned()].iter().filter(|s| !s.is_empty()).cloned().collect::<Vec<_>>().join(", ")
    );
    let by_statement = render::rows(store, &ids).await;
    store
        .script("DELETE FROM travis_builds; DELETE FROM travis_jobs; DELETE FROM travis_queueable_jobs", deadline())
        .await
        .unwrap();
    if by_statement != by_rule {
        return Found::Other(json!({"rule": by_rule, "statement": by_statement}));
    }
    pair(&row["startable"], json!(by_rule))
}

fn addon(row: &Value) -> Addon {
    let name = row["addon"].as_str().unwrap();
    let name = if name == "webhook" { "webhooks" } else { name };
    Addon::ALL.into_iter().find(|addon| addon.name() == name).unwrap()
}

fn about(row: &Value) -> About {
    let state = |value: &Value| value.as_str().and_then(State::named);
    let build = &row["build"];
    About {
        on: match row["event"].as_str() {
            Some("build:started") => On::Started,
            Some("build:canceled") => On::Canceled,
            _ => On::Finished,
        },
        state: state(&row["state"]).or_else(|| state(&build["state"])),
        previous_state: state(&row["previous_state"]),
        all_jobs_finished: row["all_jobs_finished"] != json!(false),
        is_pull_request: build["event_type"] == "pull_request",
    }
}

fn addon_config(row: &Value) -> Found {
    if row["fn"] == "enabled" {
        return pair(&row["expected"], json!(notify::is_enabled(&row["config"])));
    }
    let found = notify::values(&row["config"], row["key"].as_str().unwrap());
    // Upstream passes on invalid values; here they count as absent.
    if found.is_empty() && !row["expected"].is_array() && !row["expected"].is_string() {
        return if row["config"] == row["expected"] {
            Found::Deviates("no-value-is-none")
        } else {
            Found::Other(json!(found))
        };
    }
    pair(&row["expected"], json!(found))
}

fn handles(row: &Value) -> Found {
    let flag = |name: &str| row[name] == json!(true);
    let found = match row["addon"].as_str().unwrap() {
        "github_status" => route::sets_commit_status(
            flag("managed_by_installation"),
            flag("use_commit_status_flag"),
            flag("tokens_present"),
        ),
        "github_check_status" => route::keeps_check_run(flag("managed_by_installation"), flag("installation_present")),
        // Badges belong to branches.
        "states_cache" => row["build"]["event_type"] != "pull_request",
        _ => notify::handles(addon(row), &row["config"], about(row)),
    };
    pair(&row["handles"], json!(found))
}

fn recipients(row: &Value) -> Found {
    let list = |name: &str| row[name].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>();
    let authors = ["author_email", "committer_email"].map(|key| row["commit"][key].as_str().unwrap_or_default());
    let unwanted = [list("unsubscribed_addresses"), list("addresses_with_build_emails_false")].concat();
    let permitted = list("known_addresses_of_permitted_users");
    pair(&row["recipients"], json!(notify::recipients(&row["config"], &authors, &permitted, &unwanted)))
}

fn words(row: &Value) -> Found {
    let state = |name: &str| row[name].as_str().and_then(State::named);
    let (short, rest) = notify::words(state("state"), state("previous_state"));
    if row["state"] == "received" && row["short"].is_null() && short == "Pending" {
        return Found::Deviates("received-is-pending");
    }
    let (full, mail) = (format!("The build {rest}."), format!("Build #{} {rest}.", row["number"]));
    let found = json!([short, full, mail]);
    if json!([row["short"], row["full"], row["email"]]) == found { Found::Same } else { Found::Other(found) }
}

/// The cases themselves check the announced events; this checks that each event is of a kind that a target can receive.
fn event_names(row: &Value) -> Found {
    match (row["object"].as_str().unwrap(), row["action"].as_str().unwrap()) {
        ("build", "reset") => Found::Deviates("build-reset-is-restart"),
        ("stage", _) | ("build", "receive") => pair(&row["emitted"], Value::Null),
        (object, action) => {
            let past = match action {
                "finish" => "finished",
                "cancel" => "canceled",
                "restart" | "reset" => "restarted",
                "create" => "created",
                "receive" => "received",
                _ => "started",
            };
            pair(&row["emitted"], json!(format!("{object}:{past}")))
        }
    }
}
