//! The cost of 10,000 open merge requests in 50 projects, 3 % of them outdated. Not run by default:
//! `cargo test --test it reconcile::load -- --ignored --nocapture`

use std::time::{Duration, Instant};

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::fake::{Fake, TOKEN, item, webhook};
use super::{SENT, UPDATED, deadline, sns, writes};
use crate::support;

const PROJECTS: i64 = 50;
const EACH: i64 = 200;

/// Of each project: 2 merged, 1 closed, 1 deleted, 2 with a new head.
fn make_outdated(gitlab: &Fake, project: &str) {
    let later = "2026-03-10T11:00:00.100Z";
    for iid in [10, 110] {
        gitlab.change(project, iid, json!({"state": "merged", "updated_at": later, "merged_at": later}));
    }
    gitlab.change(project, 60, json!({"state": "closed", "updated_at": later}));
    gitlab.state().projects.get_mut(project).unwrap().remove(&70);
    for iid in [80, 180] {
        let head = format!("{:040x}", iid + 1_000_000);
        gitlab.change(project, iid, json!({"sha": head, "updated_at": later}));
        let versions = json!([
            {"id": 2, "head_commit_sha": head, "created_at": "2026-03-10T10:59:59.200Z"},
            {"id": 1, "head_commit_sha": format!("{iid:040x}"), "created_at": "2026-03-10T09:00:00.300Z"},
        ]);
        gitlab.state().versions.insert((project.to_owned(), iid), versions);
    }
}

/// Runs the command as a process of its own; the report, how long it took, and its largest memory in MB.
async fn measured(url: &str, gitlab: &Fake, args: &[&str]) -> (Value, f64, f64) {
    let start = Instant::now();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_hummingbird-status"))
        .args(["reconcile", "--database-url", url, "--gitlab-url", &gitlab.url])
        .args(args)
        .env("GITLAB_TOKEN", TOKEN)
        .env("RUST_LOG", "warn")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let watch = tokio::task::spawn_blocking(move || {
        let mut peak = 0.0_f64;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let kb = text
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|rest| rest.trim().split(' ').next());
            let Some(kb) = kb.and_then(|kb| kb.parse::<f64>().ok()) else { break };
            peak = peak.max(kb / 1024.0);
            std::thread::sleep(Duration::from_millis(10));
        }
        peak
    });
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    (serde_json::from_slice(&output.stdout).unwrap(), seconds, watch.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; half a minute"]
async fn ten_thousand_open_merge_requests() {
    let db = support::database().await;
    let gitlab = Fake::start().await;
    for number in 0..PROJECTS {
        let project = format!("redhat/hummingbird/project-{number}");
        let mut deliveries: Vec<Delivery> = Vec::new();
        for iid in 1..=EACH {
            let mut item = item(iid, "opened", UPDATED);
            item["description"] = json!("Two kilobytes of text, as descriptions go. ".repeat(48));
            deliveries.push(sns(&webhook(&project, &item, "open"), SENT));
            gitlab.put(&project, item);
        }
        let report = ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
        assert_eq!(report.counts().kept, 200, "{:?}", report.error);
        make_outdated(&gitlab, &project);
    }
    let outdated = PROJECTS as usize * 6;
    println!("\n{} merge requests in {PROJECTS} projects, {outdated} outdated", PROJECTS * EACH);
    for (name, args, requests, corrected) in [
        ("no sweep, dry run", &["--no-sweep", "--dry-run"][..], 100, outdated),
        ("no sweep", &["--no-sweep"], 100, outdated),
        ("no sweep, again", &["--no-sweep"], 100, 0),
        ("with sweep and versions", &[], 100 + 50 + 100, 0),
        ("with sweep and versions, again", &[], 100 + 50, 0),
    ] {
        let written = writes(&db).await;
        gitlab.asked();
        let (report, seconds, peak) = measured(&db.url, &gitlab, args).await;
        let asked = gitlab.asked().len();
        println!(
            "  {name}: {asked} requests, {seconds:.1} s, {peak:.0} MB, {} corrected",
            report["corrections"].as_array().unwrap().len()
        );
        assert_eq!((report["corrections"].as_array().unwrap().len(), asked), (corrected, requests), "{name}");
        if name.ends_with("again") {
            assert_eq!(writes(&db).await, written, "{name}");
        }
    }
}
