//! Derives the checks of pipelines and jobs from their rows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Error, Row};

use crate::checks::{Check, JOB, Lane, Outcome, PIPELINE, Touched, is_whole_hash};
use crate::db::{StoreError, Tx, column, shown};
use crate::outbox::State;
use crate::sources::gitlab::ci::rules;

/// The table of pipelines. Key of a check: `HOST/ID`.
pub(in crate::sources::gitlab) const PIPELINES: &str = "gitlab_pipelines";
/// The table of jobs. Key of a check: `HOST/PIPELINE/STAGE/NAME`.
pub(in crate::sources::gitlab) const JOBS: &str = "gitlab_jobs";

/// How long an open pipeline or job may be without a change. GitLab ends jobs that wait or run longer than a day.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn key_of_pipeline(host: &str, id: i64) -> String {
    format!("{host}/{id}")
}

pub(super) fn key_of_jobs(host: &str, pipeline: i64, name: &str) -> String {
    format!("{host}/{pipeline}/{name}")
}

/// Host, pipeline, and for jobs the name of the check.
fn parts(key: &str) -> Option<(&str, i64, &str)> {
    let (host, rest) = key.split_once('/')?;
    let (id, name) = rest.split_once('/').unwrap_or((rest, ""));
    Some((host, id.parse().ok()?, name))
}

/// The checks of the changed pipelines and jobs. Their projects must be locked.
///
/// # Errors
/// When a statement fails.
pub async fn checks(tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
    let pipelines: BTreeSet<(&str, i64)> =
        touched.keys(PIPELINES).into_iter().filter_map(parts).map(|(host, id, _)| (host, id)).collect();
    let jobs: Vec<(&str, i64, &str)> = touched.keys(JOBS).into_iter().filter_map(parts).collect();
    let all: BTreeSet<(&str, i64)> = jobs.iter().map(|(host, id, _)| (*host, *id)).chain(pipelines.clone()).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let (runs, jobs) = tokio::try_join!(biased; read_runs(tx, &all), read_jobs(tx, &jobs))?;
    let is_touched = |run: &&Run| pipelines.contains(&(&*run.host, run.id));
    let mut checks: Vec<Check> = runs.values().filter(is_touched).filter_map(Run::check).collect();
    for of_name in jobs.chunk_by(|a, b| (&a.host, a.pipeline, &a.check_name) == (&b.host, b.pipeline, &b.check_name)) {
        let run = of_name.first().and_then(|job| runs.get(&(job.host.clone(), job.pipeline)));
        checks.extend(check_of_jobs(of_name, run));
    }
    Ok(checks)
}

/// Locks the next rows of a table after a key, and returns their keys.
///
/// # Errors
/// When the statement fails.
pub async fn lock_rows(tx: &Tx<'_>, table: &str, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let (host, id, name) = parts(after).unwrap_or(("", i64::MIN, ""));
    if table == PIPELINES {
        let rows = tx.query(include_str!("sql/lock_pipelines_after.sql"), &[&host, &id, &limit]).await?;
        return Ok(rows.iter().map(|row| key_of_pipeline(row.get("host"), row.get("id"))).collect());
    }
    let rows = tx.query(include_str!("sql/lock_jobs_after.sql"), &[&host, &id, &name, &limit]).await?;
    let key = |row: &Row| key_of_jobs(row.get("host"), row.get("pipeline_id"), row.get("check_name"));
    Ok(rows.iter().map(key).collect())
}

async fn read_runs(tx: &Tx<'_>, all: &BTreeSet<(&str, i64)>) -> Result<BTreeMap<(String, i64), Run>, StoreError> {
    let all: Vec<&(&str, i64)> = all.iter().collect();
    let (hosts, ids) = (column(&all, |key| key.0), column(&all, |key| key.1));
    let runs = tx.read_by(include_str!("sql/project_pipelines.sql"), &[&hosts, &ids], Run::of).await?;
    Ok(runs.into_iter().map(|run| ((run.host.clone(), run.id), run)).collect())
}

/// In the order of pipelines, names of checks, names and numbers.
async fn read_jobs(tx: &Tx<'_>, keys: &[(&str, i64, &str)]) -> Result<Vec<JobRow>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (hosts, ids, names) = (column(keys, |key| key.0), column(keys, |key| key.1), column(keys, |key| key.2));
    tx.read_by(include_str!("sql/project_jobs.sql"), &[&hosts, &ids, &names], JobRow::of).await
}

/// What a pipeline and its jobs run for.
#[derive(Clone, Debug)]
struct Subject {
    host: String,
    repo: String,
    sha: Option<String>,
    branch: Option<String>,
    mr: Option<i64>,
    lane: Lane,
}

/// A pipeline, with what its check is made of.
struct Run {
    host: String,
    id: i64,
    subject: Subject,
    is_child: bool,
    is_own: bool,
    state: State,
    original: String,
    warn: bool,
    ever_bad: bool,
    url: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    changed_at: Timestamp,
}

impl Run {
    fn of(row: &Row) -> Result<Self, Error> {
        let time = |column: &str| shown::<Option<Timestamp>>(row, column);
        let (original, source): (String, &str) = (row.get("status"), row.get("source"));
        let (ever_bad, was_bad): (bool, bool) = (row.get("ever_bad"), row.get("was_bad"));
        let detailed_status: Option<&str> = row.get("detailed_status");
        let state = match rules::pipeline_state(&original, row.get("has_failed")) {
            State::Canceled if row.get("is_replaced") => State::Superseded,
            state if time("deleted_at")?.is_some() && !rules::has_ended(&original) => {
                // What is deleted before its end gets no result any more, unless it has failed already.
                if crate::checks::is_bad(state) { State::Failed } else { State::Canceled }
            }
            state => state,
        };
        let changed_at: Timestamp = shown(row, "version_at")?;
        Ok(Self {
            host: row.get("host"),
            id: row.get("id"),
            subject: subject(row),
            is_child: source == "parent_pipeline",
            is_own: row.get("is_own"),
            warn: state == State::Passed && (row.get("has_warned") || detailed_status == Some(WARNINGS)),
            state,
            ever_bad: ever_bad || was_bad,
            url: row.get("url"),
            created_at: time("created_at")?.unwrap_or(changed_at),
            started_at: time("started_at")?,
            // A pipeline that runs again keeps the time of its first end.
            finished_at: time("finished_at")?.filter(|_| rules::has_ended(&original)),
            changed_at,
            original,
        })
    }

    /// Its check. A child counts in its parent, and statuses that this program posts are no checks.
    fn check(&self) -> Option<Check> {
        if self.is_child || self.is_own {
            return None;
        }
        Some(Check {
            kind: PIPELINES.to_owned(),
            key: key_of_pipeline(&self.host, self.id),
            stage: PIPELINE.to_owned(),
            name: PIPELINE.to_owned(),
            state: self.state,
            original: self.original.clone(),
            warn: self.warn,
            ever_bad: Some(self.ever_bad),
            url: self.url.clone(),
            started_at: self.started_at,
            finished_at: self.finished_at,
            ..check(&self.subject, self.id, self.state, self.created_at, self.changed_at)
        })
    }
}

/// The status that a page of GitLab shows for a pipeline in which a job failed that may fail.
const WARNINGS: &str = "passed with warnings";

/// What a pipeline runs for. Its commit is that of its messages, or for a pipeline of merged results the head that the
/// merge request had: no branch has the commit that merges it for a try.
fn subject(row: &Row) -> Subject {
    let (source_branch, target_branch): (Option<&str>, Option<&str>) =
        (row.get("mr_source_branch"), row.get("mr_target_branch"));
    let (git_ref, sha): (Option<&str>, Option<&str>) = (row.get("ref"), row.get("sha"));
    let (mr, tag): (Option<i64>, bool) = (row.get("mr_iid"), row.get("tag"));
    let of_ref = git_ref.and_then(rules::merge_ref);
    let merge_ref = of_ref.map(|(_, kind)| kind).or_else(|| row.get("merge_ref"));
    let cause = rules::Cause { source: row.get("top_source"), tag, is_of_request: mr.is_some(), merge_ref };
    let lane = rules::lane(cause);
    // The pipeline of a fork is of a request of another project.
    let (own, of): (Option<i64>, Option<i64>) = (row.get("project_id"), row.get("mr_project_id"));
    let is_own_request = of.is_none() || own == of;
    let is_merge = merge_ref == Some("merge") || row.get("merges");
    let head: Option<&str> = row.get("head_sha");
    let sha = if lane == Lane::Mr && is_merge && is_own_request { head.or(sha) } else { sha };
    Subject {
        host: row.get("host"),
        repo: row.get("project"),
        sha: sha.filter(|sha| is_whole_hash(sha)).map(str::to_ascii_lowercase),
        branch: match lane {
            _ if tag => None,
            Lane::Mr => source_branch.or(git_ref.filter(|_| of_ref.is_none())).map(str::to_owned),
            Lane::Queue => target_branch.map(str::to_owned),
            _ => git_ref.map(str::to_owned),
        },
        mr: mr.or(of_ref.map(|(iid, _)| iid)).filter(|_| is_own_request && matches!(lane, Lane::Mr | Lane::Queue)),
        lane,
    }
}

/// A job, with what a check is made of.
struct JobRow {
    host: String,
    pipeline: i64,
    name: String,
    check_name: String,
    status: String,
    state: State,
    allow_failure: bool,
    /// What it runs for, where nothing is known of its pipeline.
    subject: Subject,
    url: Option<String>,
    created_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    changed_at: Timestamp,
    ever_bad: bool,
}

impl JobRow {
    fn of(row: &Row) -> Result<Self, Error> {
        let time = |column: &str| shown::<Option<Timestamp>>(row, column);
        let (status, allow_failure): (String, bool) = (row.get("status"), row.get("allow_failure"));
        let (git_ref, sha, tag): (Option<&str>, Option<&str>, bool) = (row.get("ref"), row.get("sha"), row.get("tag"));
        let of_ref = git_ref.and_then(rules::merge_ref);
        let merge_ref = of_ref.map(|(_, kind)| kind).or_else(|| row.get("merge_ref"));
        let lane = rules::lane(rules::Cause { tag, merge_ref, ..rules::Cause::default() });
        Ok(Self {
            host: row.get("host"),
            pipeline: row.get("pipeline_id"),
            name: row.get("name"),
            check_name: row.get("check_name"),
            state: rules::job_state(&status, allow_failure),
            status,
            allow_failure,
            subject: Subject {
                host: row.get("host"),
                repo: row.get("project"),
                sha: sha.filter(|sha| is_whole_hash(sha)).map(str::to_ascii_lowercase),
                branch: git_ref.filter(|_| of_ref.is_none() && !tag).map(str::to_owned),
                mr: of_ref.map(|(iid, _)| iid),
                lane,
            },
            url: row.get("url"),
            created_at: time("created_at")?,
            started_at: time("started_at")?,
            finished_at: time("finished_at")?,
            changed_at: shown(row, "version_at")?,
            ever_bad: row.get("ever_bad"),
        })
    }
}

/// The check of all attempts of the jobs of one name in a pipeline, ordered by name and number: the newest of each.
fn check_of_jobs(jobs: &[JobRow], run: Option<&Run>) -> Option<Check> {
    if run.is_some_and(|run| run.is_own) {
        return None;
    }
    let attempts: Vec<&[JobRow]> = jobs.chunk_by(|a, b| a.name == b.name).collect();
    let newest: Vec<&JobRow> = attempts.iter().filter_map(|of_name| of_name.last()).collect();
    let (state, at) = rules::united_state(&newest.iter().map(|job| job.state).collect::<Vec<_>>())?;
    let deciding = newest.get(at)?;
    let changed_at = jobs.iter().map(|job| job.changed_at).max()?;
    let created_at = newest.iter().filter_map(|job| job.created_at).min().unwrap_or(changed_at);
    let has_ended = Outcome::of(state) != Outcome::Open && state != State::Failing;
    let subject = run.map_or(&deciding.subject, |run| &run.subject);
    Some(Check {
        kind: JOBS.to_owned(),
        key: key_of_jobs(&deciding.host, deciding.pipeline, &deciding.check_name),
        stage: JOB.to_owned(),
        name: deciding.check_name.clone(),
        original: deciding.status.clone(),
        attempt: i32::try_from(attempts.iter().map(|of_name| of_name.len()).max()?).unwrap_or(i32::MAX),
        warn: state == State::Passed && newest.iter().any(|job| job.allow_failure && job.status == "failed"),
        // Its pipeline counts for it: see `gitlab::ci`.
        optional: true,
        ever_bad: Some(jobs.iter().any(|job| job.ever_bad)),
        url: deciding.url.clone(),
        started_at: newest.iter().filter_map(|job| job.started_at).min(),
        finished_at: newest.iter().filter_map(|job| job.finished_at).max().filter(|_| has_ended),
        ..check(subject, deciding.pipeline, state, created_at, changed_at)
    })
}

/// What the checks of both tables have in common.
fn check(subject: &Subject, pipeline: i64, state: State, created_at: Timestamp, changed_at: Timestamp) -> Check {
    let is_open = Outcome::of(state) == Outcome::Open || state == State::Failing;
    Check {
        system: "gitlab".to_owned(),
        kind: String::new(),
        key: String::new(),
        stage: String::new(),
        name: String::new(),
        host: subject.host.clone(),
        repo: subject.repo.clone(),
        sha: subject.sha.clone(),
        branch: subject.branch.clone(),
        mr: subject.mr,
        lane: subject.lane,
        run: key_of_pipeline(&subject.host, pipeline),
        attempt: 1,
        attempt_is_whole: false,
        seq: pipeline,
        state,
        original: String::new(),
        warn: false,
        optional: false,
        ever_bad: None,
        waived_by: None,
        url: None,
        log_url: None,
        created_at,
        started_at: None,
        finished_at: None,
        changed_at,
        stuck_since: is_open.then(|| changed_at.saturating_add(SILENCE).unwrap_or(Timestamp::MAX)),
    }
}
