//! What hooks of large pipelines cost, beside reading them and beside COPY of their rows.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use hummingbird_status::ingest::read;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

use super::{job, pipeline, sent, take};
use crate::support;

/// Jobs of a pipeline.
const JOBS: i64 = 200;
/// Pipelines, each with three hooks.
const PIPELINES: i64 = 20;

/// A hook of about 120 kB: as GitLab sends it, with users and runners.
fn hook(id: i64, status: &str, of_jobs: impl Fn(i64) -> (&'static str, [&'static str; 3])) -> Value {
    let user = json!({"id": 3, "username": "sam", "name": "Sam Example", "email": "[REDACTED]", "avatar_url":
        "https://gitlab.example/uploads/-/system/user/avatar/3/avatar.png"});
    let runner = json!({"id": 380, "description": "pool-a", "runner_type": "instance_type", "active": true,
        "is_shared": true, "tags": ["linux", "docker", "x86_64"]});
    let jobs: Vec<Value> = (0..JOBS)
        .map(|number| {
            let (status, times) = of_jobs(number);
            let mut job = job(id * 1000 + number, &format!("unit {}/{JOBS}", number + 1), status, times);
            job["name"] = json!(format!("unit-of-component-{number}"));
            job["user"] = user.clone();
            job["runner"] = runner.clone();
            job["artifacts_file"] = json!({"filename": null, "size": null});
            job
        })
        .collect();
    pipeline(id, status, &jobs, &[])
}

fn life() -> Vec<Delivery> {
    let mut all = Vec::new();
    for round in 0..3_usize {
        for id in 1..=PIPELINES {
            let message = match round {
                0 => hook(id, "pending", |_| ("created", ["10:00:00", "", ""])),
                1 => hook(id, "running", |job| match job % 2 {
                    0 => ("success", ["10:00:00", "10:01:00", "10:02:00"]),
                    _ => ("running", ["10:00:00", "10:02:00", ""]),
                }),
                _ => hook(id, "success", |_| ("success", ["10:00:00", "10:02:00", "10:03:00"])),
            };
            all.push(sent(&message, round * 60 + usize::try_from(id).unwrap()));
        }
    }
    all
}

/// The time of COPY of all rows of a table into one without index, as often as hooks write them.
async fn copy(client: &tokio_postgres::Client, table: &str) -> Duration {
    let out = client.copy_out(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await.unwrap();
    let data: Vec<Bytes> = out.try_collect().await.unwrap();
    client.batch_execute(&format!("CREATE TABLE copy_{table} (LIKE {table})")).await.unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        let sink = client.copy_in(&format!("COPY copy_{table} FROM STDIN (FORMAT binary)")).await.unwrap();
        let mut sink = std::pin::pin!(sink);
        for part in &data {
            sink.feed(part.clone()).await.unwrap();
        }
        sink.finish().await.unwrap();
    }
    start.elapsed()
}

#[tokio::test]
#[ignore = "measures; a minute"]
async fn hooks_of_two_hundred_jobs() {
    let messages = life();
    let size = messages[0].body.len() / 1000;
    for batch in [1, 10] {
        let (mut reading, mut ingesting, mut copying, mut again) = (vec![], vec![], vec![], vec![]);
        for _ in 0..5 {
            let db = support::database().await;
            let start = Instant::now();
            for part in messages.chunks(batch) {
                assert_eq!(read(part, &Settings::default()).records.len(), part.len());
            }
            reading.push(start.elapsed());
            let start = Instant::now();
            for part in messages.chunks(batch) {
                take(&db.store, part).await;
            }
            ingesting.push(start.elapsed());
            let start = Instant::now();
            for part in messages.chunks(batch) {
                take(&db.store, part).await;
            }
            again.push(start.elapsed());
            let (client, connection) = tokio_postgres::connect(&db.url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            copying.push(copy(&client, "gitlab_jobs").await + copy(&client, "gitlab_pipelines").await);
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1e3 / f64::from(u32::try_from(messages.len()).unwrap())
        };
        let (read, copied) = (median(&mut reading), median(&mut copying));
        for (what, time) in [("ingest", median(&mut ingesting)), ("once more", median(&mut again))] {
            println!(
                "batches of {batch}, {size} kB a hook: {what} {time:.1} ms a hook; reading {read:.2} ms ({:.1} times), \
                 COPY {copied:.2} ms ({:.1} times), the slower of both {:.1} times",
                time / read,
                time / copied,
                time / read.max(copied)
            );
        }
    }
}
