//! The command, killed at random moments, and gone on with.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{live, messages, objects, tables};
use crate::support::archive::{Folder, Published};
use crate::support::random::Random;
use crate::support::{self, difference, render};

/// How often it is killed.
const KILLS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing() {
    // The same ones over and over: what counts is that there are many.
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
    // A database so slow that there is time to kill, on the fastest machine.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$; \
                CREATE TRIGGER slow BEFORE INSERT ON pipelineruns EXECUTE FUNCTION slow()";
    db.store.script(slow, support::deadline()).await.unwrap();
    let mut random = Random::new(9);
    let mut cursors = Vec::new();
    let mut rounds = 0;
    let output = loop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.arg("backfill").env("DATABASE_URL", &db.url).stdout(Stdio::piped()).stderr(Stdio::null());
        match rounds {
            0 => command.arg("--mirror").arg(&mirror.0).args(["--concurrency", "1", "--batch", "400"]),
            _ => command.arg("--resume"),
        };
        let mut child = command.spawn().unwrap();
        if rounds >= KILLS {
            break tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
        }
        rounds += 1;
        // Only one that has begun its work can be killed at it.
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let owned = format!("SELECT cursor FROM backfill_runs WHERE cursor IS NOT NULL AND invocations = {rounds}");
            let found = render::rows(&db.store, &owned).await;
            if found.iter().any(|cursor| cursors.last() != Some(cursor)) || child.try_wait().unwrap().is_some() {
                cursors.extend(found);
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.next() % 300)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    };
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["state"], &summary["objects"]), (&"done".into(), &all.len().into()), "{summary}");
    assert_eq!(cursors.len(), KILLS, "not killed in the middle: {cursors:?}");
    let found = tables(&db.store).await;
    assert!(found == expected, "{}", difference(&expected, &found));
}
