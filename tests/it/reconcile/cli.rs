//! The command as a process: options, exit status, its output, and secrets that it never prints.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::fake::{Fake, TOKEN, fixed};
use super::{Db, merge_requests, with_open};

async fn command(db: &Db, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.arg("reconcile").args(["--database-url", &db.url]).args(args);
    for name in ["DATABASE_URL", "GITLAB_URL", "GITLAB_TOKEN", "GITLAB_INSTANCES"] {
        command.env_remove(name);
    }
    command.env("RUST_LOG", "trace").envs(variables.iter().copied());
    // Not on the thread that answers as GitLab.
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn the_command_corrects_and_reports() {
    let (db, gitlab) = with_open(1..=2).await;
    gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    let options = ["--gitlab-url", &gitlab.url, "--gitlab-token", TOKEN];
    let dry = command(&db, &[&options[..], &["--dry-run"]].concat(), &[]).await;
    assert!(dry.status.success(), "{}", text(&dry));
    assert!(merge_requests(&db).await.contains("g/p!1 | opened"));

    let output = command(&db, &options, &[]).await;
    assert!(output.status.success(), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let changes = json!([{"field": "state", "old": "opened", "new": "merged"}]);
    assert_eq!(report["corrections"], json!([{"project": "g/p", "iid": 1, "changes": changes}]));
    assert_eq!((&report["checked"], &report["dry_run"], &report["stopped"]), (&json!(2), &json!(false), &Value::Null));
    assert!(merge_requests(&db).await.contains("g/p!1 | merged"));
    assert!(gitlab.state().signed.iter().all(|signed| signed == TOKEN));
}

#[tokio::test]
async fn variables_do_as_well_and_options_count_over_them() {
    let (db, gitlab) = with_open(1..=1).await;
    let elsewhere = Fake::start().await;
    let instances = json!([{"url": elsewhere.url, "token": "x"}]).to_string();
    let output = command(&db, &["--no-sweep"], &[("GITLAB_URL", &gitlab.url), ("GITLAB_TOKEN", "Bearer abc")]).await;
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(gitlab.state().signed, ["Bearer abc"]);
    gitlab.asked();
    let options = ["--gitlab-url", &gitlab.url, "--since", "2h", "--concurrency", "2", "--project", "g/p"];
    let output = command(&db, &options, &[("GITLAB_INSTANCES", &instances), ("GITLAB_TOKEN", TOKEN)]).await;
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(gitlab.asked().len(), 2);
    // The only instance that is configured gets the question, and does not know the project.
    let output = command(&db, &[], &[("GITLAB_INSTANCES", &instances)]).await;
    assert!(!output.status.success());
    assert_eq!(elsewhere.asked(), ["g/p/merge_requests 1 iids"]);
    let output = command(&db, &["--since", "yesterday"], &[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

/// Whatever happens, and with all that the libraries have to say.
#[tokio::test]
async fn the_token_is_printed_nowhere() {
    let (db, gitlab) = with_open(1..=1).await;
    let echo = format!("<html>{TOKEN}</html>");
    let moved = format!("http://127.0.0.1:1/elsewhere?private_token={TOKEN}");
    for answer in [
        fixed(401, &[], &echo),
        fixed(403, &[], &echo),
        fixed(302, &[("location", &moved)], &echo),
        fixed(200, &[], &format!(r#"[{{"iid":1,"state":"{TOKEN}"}}]"#)),
    ] {
        gitlab.script("", answer);
        let output = command(&db, &["--gitlab-url", &gitlab.url], &[("GITLAB_TOKEN", TOKEN)]).await;
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(!text(&output).contains(TOKEN), "{}", text(&output));
    }
    let urls = [format!("http://user:{TOKEN}@127.0.0.1:1"), format!("http://127.0.0.1:1/?private_token={TOKEN}")];
    for url in &urls {
        let output = command(&db, &["--gitlab-url", url], &[("GITLAB_TOKEN", TOKEN)]).await;
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(!text(&output).contains(TOKEN), "{}", text(&output));
    }
}

#[tokio::test]
async fn an_incomplete_run_fails() {
    let (db, gitlab) = with_open(1..=1).await;
    gitlab.script("", fixed(403, &[], "{}"));
    let output = command(&db, &["--gitlab-url", &gitlab.url], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    // Behind it a library may still have something to trace.
    let said = said.lines().find(|line| line.starts_with("error: "));
    assert_eq!(said, Some("error: 1 projects unreachable, 0 left, 0 answers unreadable, 0 tasks not done"));
    // It may be private, and there is no token.
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["unreachable"][0]["problem"], "GitLab answers 403: no token is configured");
}
