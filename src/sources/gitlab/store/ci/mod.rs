//! Writes pipelines, jobs and deployments.

mod batch;
mod checks;
mod known;
pub(super) mod reads;
mod upserts;

use std::collections::{BTreeSet, HashSet};

use tokio_postgres::Row;

use self::batch::Batch;
pub(super) use self::checks::{JOBS, PIPELINES};
pub use self::checks::{checks, lock_rows};
pub use self::known::{mark_asked, open_pipelines, sweep};
use self::upserts::{keys, mark_jobs, mark_pipelines, write_deployments, write_jobs, write_pipelines};
use crate::checks::Touched;
use crate::db::{StoreError, Tx, column};
use crate::sources::gitlab::ci::Record;
use crate::sources::gitlab::locations::Id;

/// What changed: keys of pipelines, and of checks of jobs (host, pipeline, name).
#[derive(Default)]
struct Changed {
    pipelines: BTreeSet<(String, i64)>,
    /// Pipelines of which the checks of all jobs may have changed.
    whole: BTreeSet<(String, i64)>,
    jobs: BTreeSet<(String, i64, String)>,
}

impl Changed {
    fn add_job(&mut self, host: &str, pipeline: i64, name: &str) {
        self.pipelines.insert((host.to_owned(), pipeline));
        self.jobs.insert((host.to_owned(), pipeline, name.to_owned()));
    }

    fn touch(self, touched: &mut Touched) {
        touched.add(PIPELINES, self.pipelines.iter().map(|(host, id)| checks::key_of_pipeline(host, *id)));
        touched.add(JOBS, self.jobs.iter().map(|(host, id, name)| checks::key_of_jobs(host, *id, name)));
    }
}

/// Locks projects, so that no other transaction changes what checks of their pipelines depend on.
///
/// # Errors
/// When the statement fails.
pub(super) async fn lock(tx: &Tx<'_>, numbers: &[i64]) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    tx.query(include_str!("sql/lock_ci.sql"), &[&numbers]).await.map(drop)
}

/// Writes a batch and returns the numbers of the records that changed something. The projects must be locked.
///
/// # Errors
/// When a statement fails.
pub(super) async fn write(
    tx: &Tx<'_>,
    records: &[(usize, &Record)],
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let batch = Batch::of(records);
    let (pipelines, (before, written), deployments) = tokio::try_join!(
        biased;
        write_pipelines(tx, &batch),
        write_jobs(tx, &batch),
        write_deployments(tx, &batch),
    )?;
    let jobs: HashSet<(String, i64)> = keys(&written).into_iter().collect();
    let (bad, marked) = tokio::try_join!(biased; mark_pipelines(tx, &batch, &pipelines), mark_jobs(tx, &batch, &jobs))?;
    let mut changed = Changed::default();
    let mut numbers: Vec<usize> = Vec::new();
    for key in pipelines.iter().chain(&bad) {
        changed.pipelines.insert(key.clone());
        changed.whole.insert(key.clone());
    }
    // A job belongs to one pipeline for ever. If messages say otherwise, the checks of both are written again.
    let is_written = |row: &&Row| jobs.contains(&(row.get("host"), row.get("id")));
    for row in written.iter().chain(&marked).chain(before.iter().filter(is_written)) {
        let (host, pipeline): (&str, i64) = (row.get("host"), row.get("pipeline_id"));
        changed.add_job(host, pipeline, row.get("check_name"));
        if batch.merge_refs.contains_key(&(host, row.get("id"))) {
            changed.whole.insert((host.to_owned(), pipeline));
        }
    }
    numbers.extend(pipelines.iter().filter_map(|key| Some(batch.pipelines.get(&(&*key.0, key.1))?.0)));
    numbers.extend(jobs.iter().filter_map(|key| Some(batch.jobs.get(&(&*key.0, key.1))?.status().1)));
    numbers.extend(deployments.iter().filter_map(|(host, id)| Some(batch.deployments.get(&(&**host, &**id))?.0)));
    add_related(tx, &mut changed).await?;
    changed.touch(touched);
    Ok(numbers)
}

/// Adds what depends on pipelines that changed as a whole.
async fn add_related(tx: &Tx<'_>, changed: &mut Changed) -> Result<(), StoreError> {
    if changed.whole.is_empty() {
        return Ok(());
    }
    let whole: Vec<&(String, i64)> = changed.whole.iter().collect();
    let (hosts, ids) = (column(&whole, |key| key.0.as_str()), column(&whole, |key| key.1));
    let rows = tx.query(include_str!("sql/related_to_pipelines.sql"), &[&hosts, &ids]).await?;
    for row in rows {
        match row.get::<_, Option<String>>("check_name") {
            Some(name) => changed.jobs.insert((row.get("host"), row.get("id"), name)),
            None => changed.pipelines.insert((row.get("host"), row.get("id"))),
        };
    }
    Ok(())
}

/// The pipelines of merge requests (path and number): the heads of its merge request decide which commit a pipeline of
/// merged results is about.
///
/// # Errors
/// When the statement fails.
pub(super) async fn of_merge_requests(
    tx: &Tx<'_>,
    requests: &BTreeSet<(&str, i64)>,
) -> Result<Vec<(String, i64)>, StoreError> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let requests: Vec<&(&str, i64)> = requests.iter().collect();
    let (projects, iids) = (column(&requests, |of| of.0), column(&requests, |of| of.1));
    let rows = tx.query(include_str!("sql/pipelines_of_merge_requests.sql"), &[&projects, &iids]).await?;
    Ok(keys(&rows))
}

/// Adds the checks of pipelines and of all their jobs to `touched`.
///
/// # Errors
/// When a statement fails.
pub(super) async fn touch(tx: &Tx<'_>, pipelines: Vec<(String, i64)>, touched: &mut Touched) -> Result<(), StoreError> {
    let pipelines: BTreeSet<(String, i64)> = pipelines.into_iter().collect();
    let mut changed = Changed { whole: pipelines.clone(), pipelines, jobs: BTreeSet::new() };
    add_related(tx, &mut changed).await?;
    changed.touch(touched);
    Ok(())
}

/// Writes the current paths of projects to their rows, and returns the pipelines whose path changed.
///
/// # Errors
/// When a statement fails.
pub(super) async fn move_projects(tx: &Tx<'_>, paths: &[(Id, String)]) -> Result<Vec<(String, i64)>, StoreError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let (host, number) = (column(paths, |(id, _)| id.0.as_str()), column(paths, |(id, _)| id.1));
    let path = column(paths, |(_, path)| path.as_str());
    let mut moved = Vec::new();
    for sql in [
        include_str!("sql/move_pipelines.sql"),
        include_str!("sql/move_jobs.sql"),
        include_str!("sql/move_deployments.sql"),
    ] {
        let rows = tx.query(sql, &[&host, &number, &path]).await?;
        // Deployments are no checks.
        let numbered = |row: &Row| row.try_get::<_, i64>("id").or_else(|_| row.try_get("pipeline_id")).ok();
        moved.extend(rows.iter().filter_map(|row| Some((row.get("host"), numbered(row)?))));
    }
    Ok(moved)
}
