//! The command, killed during a batch and resumed.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{live, messages, objects, tables};
use crate::support::archive::{Folder, Published};
use crate::support::gate::Gate;
use crate::support::{self, difference, render};

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing() {
    // The same messages repeated: only their number matters.
    let once = messages(500);
    let expected = live(&once).await;
    let mut all = objects(&once);
    for round in 1..9 {
        let again = once.iter().map(|message| {
            let at = message.at + jiff::SignedDuration::from_hours(24 * round);
            let (key, _) = Published { at, ..message.clone() }.object();
            (key, message.object().1)
        });
        all.extend(again);
    }
    all.sort();
    let mirror = Folder::of("backfill-killed", &all);
    let db = support::database().await;
    let gate = Gate::before(&db, "pipelineruns").await;
    let mut cursors = Vec::new();
    let start = |is_first: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("backfill").env("DATABASE_URL", &db.url).stdout(Stdio::piped()).stderr(Stdio::null());
        match is_first {
            true => command.arg("--mirror").arg(&mirror.0).args(["--concurrency", "1", "--batch", "400"]),
            false => command.arg("--resume"),
        };
        command.spawn().unwrap()
    };
    for (round, is_done) in [true, false, true].into_iter().enumerate() {
        // The first batch is committed and the cursor is saved, twice a second; then the process waits in a later
        // batch.
        gate.close(3).await;
        let mut child = start(round == 0);
        let pid = gate.reached(Some(&mut child)).await.expect("there is work left for all of them");
        let owned =
            format!("SELECT cursor FROM backfill_runs WHERE cursor IS NOT NULL AND invocations = {}", round + 1);
        let mut found = Vec::new();
        support::until("a cursor of its own", async || {
            found = render::rows(&db.store, &owned).await;
            found.iter().any(|cursor| cursors.last() != Some(cursor))
        })
        .await;
        cursors.extend(found);
        child.kill().unwrap();
        child.wait().unwrap();
        if is_done { gate.open(pid).await } else { gate.cut(pid).await }
    }
    let child = start(false);
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["state"], &summary["objects"]), (&"done".into(), &all.len().into()), "{summary}");
    assert_eq!(cursors.len(), 3, "not killed in the middle: {cursors:?}");
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
}
