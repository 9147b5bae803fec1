//! Runs in which one command must succeed, however often it is killed: backfill, and reconcile.

use std::time::{Duration, Instant};

use hummingbird_status::archive::Archive;
use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::reconcile::{self, Options, Report};
use hummingbird_status::sources::Settings;
use serde_json::{Value, json};

use super::aws::ARCHIVE;
use super::gitlab::{Known, know};
use super::oracle::{TWICE, announced, count_rejected, lines, same};
use super::plan::{Message, Plan};
use super::programs::{Counts, Job};
use super::world::{Participants, TIME_LIMIT, World};
use crate::archive::{of_mirror, work};
use crate::reconcile::fake::{Fake, TOKEN};
use crate::support::archive::{Folder, gzip};
use crate::support::random::Random;
use crate::support::{deadline, render, schema};

/// How often each message is in the archive, so that the run is long enough to be killed.
const ROUNDS: usize = 3;
/// Messages in an object of the archive.
const IN_ONE: usize = 5;

impl World {
    /// Backfills the messages from the archive.
    pub(super) async fn backfill(&self, plan: &Plan, database: String, counts: &Counts) -> Result<(), String> {
        let objects = objects(&plan.messages);
        counts.add("messages archived", (plan.messages.len() * ROUNDS) as u64);
        for (key, bytes) in &objects {
            self.aws.state().objects.insert(format!("/{ARCHIVE}/{key}"), bytes.clone());
        }
        let mut crew = Participants::of(database.clone());
        crew.disk = "busy";
        self.admin(&database, "UPDATE chaos.fault SET kind = 'busy'").await;
        let arguments = |said: &str| {
            let line = match said.is_empty() || said.contains("there is no backfill run to resume") {
                true => format!("backfill --bucket {ARCHIVE} --batch 10 --concurrency 2"),
                false => "backfill --resume".to_owned(),
            };
            line.split(' ').map(str::to_owned).collect()
        };
        let variables = self.variables_of_all(&database);
        crew.job = Some(Job::keep("backfill", false, arguments, &variables, &self.folder, counts));
        self.strike_all(&crew, &plan.faults, counts).await;
        self.admin(&database, "UPDATE chaos.fault SET kind = 'none'").await;
        ended(&crew, "backfill", None, counts).await?;
        drop(crew);

        let mirror = Folder::of("chaos-mirror", &objects);
        schema::clear(&self.calm.store).await;
        let calm = work(&self.calm.store, &of_mirror(&mirror.0), &Archive::Mirror(mirror.0.clone())).await;
        let calm = calm.map_err(|error| error.to_string())?;
        let found = self.store(&database);
        let unreadable = "SELECT unreadable::text FROM backfill_runs WHERE unreadable <> '[]'";
        same("unreadable", "", &lines(&found, unreadable).await)?;
        if (calm.state.as_str(), calm.totals.objects) != ("done", objects.len() as u64) || calm.totals.unreadable > 0 {
            return Err(format!("when nothing goes wrong: {calm:?}"));
        }
        same("tables", &render::all(&self.calm.store).await, &render::all(&found).await)?;
        count_rejected(&found, counts).await;
        for sql in announced(false) {
            same("announced", &lines(&self.calm.store, sql).await, &lines(&found, sql).await)?;
        }
        for sql in TWICE {
            same("announced twice", "", &lines(&found, sql).await)?;
        }
        Ok(())
    }

    /// Reconciles the rows with GitLab.
    pub(super) async fn reconcile(&self, plan: &Plan, database: String, counts: &Counts) -> Result<(), String> {
        let Known { gitlab, delivered: webhooks } = know(&mut Random::new(plan.seed)).await;
        counts.add("merge requests", webhooks.len() as u64);
        let found = self.store(&database);
        schema::clear(&self.calm.store).await;
        for store in [&self.calm.store, &found] {
            let report = ingest(store, &webhooks, &Settings::default(), deadline()).await;
            if report.counts().kept != webhooks.len() as u64 {
                return Err(format!("when nothing goes wrong: {:?} {:?}", report.reasons, report.error));
            }
        }
        let calm = ask(&self.calm.store, &gitlab).await?;
        counts.add("corrections", (calm.corrections.len() + calm.missing.len()) as u64);
        gitlab.asked();

        let line = format!("reconcile --gitlab-url {} --concurrency 2 --time-limit 60", gitlab.url);
        let arguments = move |_: &str| line.split(' ').map(str::to_owned).collect();
        let mut variables = self.variables_of_all(&database);
        variables.insert("GITLAB_TOKEN", TOKEN.to_owned());
        let mut crew = Participants::of(database.clone());
        crew.disk = "busy";
        self.admin(&database, "UPDATE chaos.fault SET kind = 'busy'").await;
        crew.gitlab = Some(gitlab);
        crew.job = Some(Job::keep("reconcile", true, arguments, &variables, &self.folder, counts));
        self.strike_all(&crew, &plan.faults, counts).await;
        self.admin(&database, "UPDATE chaos.fault SET kind = 'none'").await;
        ended(&crew, "reconcile", Some(Instant::now()), counts).await?;
        crew.job = None;
        let gitlab = crew.gitlab.take().unwrap();
        counts.add("questions to GitLab", gitlab.asked().len() as u64);

        for table in ["gitlab_merge_requests", "gitlab_mr_versions", "reconcile_projects"] {
            let sql = rows(table);
            same(table, &lines(&self.calm.store, &sql).await, &lines(&found, &sql).await)?;
        }
        // No difference is left.
        let report = ask(&found, &gitlab).await?;
        let left = (report.corrections.len(), report.missing.len(), report.refreshed, report.versions);
        if left == (0, 0, 0, 0) { Ok(()) } else { Err(format!("left to be corrected: {report:?}")) }
    }
}

/// The rows of a table without the times of requests to GitLab.
fn rows(table: &str) -> String {
    let stamps = match table {
        "reconcile_projects" => "{checked_at,swept_at}",
        _ => {
            "{received_at,message_id,message_at,head_message_id,head_message_at,author_message_id,author_message_at,\
             seen_message_id,seen_message_at,deleted_at}"
        }
    };
    let is_there = |column: &str| format!(" || coalesce((to_jsonb(t) -> '{column}' <> 'null')::text, '')");
    let whether = is_there("deleted_at") + &is_there("swept_at");
    format!("SELECT (to_jsonb(t) - '{stamps}'::text[])::text{whether} FROM {table} AS t ORDER BY 1")
}

/// A run of reconcile without faults.
async fn ask(store: &Store, gitlab: &Fake) -> Result<Report, String> {
    let report = reconcile::run(store, &[gitlab.instance()], Options::default(), deadline(), |_, _| ()).await;
    let report = report.map_err(|error| error.to_string())?;
    if report.is_whole() { Ok(report) } else { Err(format!("when nothing goes wrong: {report:?}")) }
}

/// Waits until the job has succeeded; if `after` is given, in a process that began after that.
async fn ended(crew: &Participants, name: &str, after: Option<Instant>, counts: &Counts) -> Result<(), String> {
    let start = Instant::now();
    let job = crew.job.as_ref().unwrap();
    loop {
        if job.began().is_some_and(|began| after.is_none_or(|after| began > after)) {
            return Ok(());
        }
        if start.elapsed() > TIME_LIMIT {
            counts.add("losses", 1);
            return Err(format!("{name} does not come to an end in {TIME_LIMIT:?}: {}", job.said()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The archive: several messages an object, all of them several times.
fn objects(messages: &[Message]) -> Vec<(String, Vec<u8>)> {
    let bodies: Vec<String> = messages.iter().filter_map(archived).collect();
    let rounds = (0..ROUNDS).flat_map(|round| bodies.chunks(IN_ONE).map(move |chunk| (round, chunk)));
    let object = |(number, (round, chunk)): (usize, (usize, &[String]))| {
        (format!("sns/2026/03/{:02}/00/events-{number:06}.gz", 10 + round), gzip(chunk.join("\n").as_bytes()))
    };
    rounds.enumerate().map(object).collect()
}

/// A message as it is archived, with the time at which it was sent. `None` for a message that is no JSON: it would make
/// the rest of its object unreadable, which is not tested here.
fn archived(message: &Message) -> Option<String> {
    let body: Value = serde_json::from_str(&message.body).ok()?;
    if ["Type", "detail-type"].iter().any(|member| body.get(member).is_some()) {
        return Some(message.body.clone());
    }
    let envelope = json!({
        "Type": "Notification", "MessageId": message.id, "TopicArn": "arn:aws:sns:eu-west-1:123456789012:events",
        "Message": message.body, "Timestamp": message.sent_at.to_string(), "MessageAttributes": {},
    });
    Some(envelope.to_string())
}
