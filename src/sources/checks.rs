//! Writes the checks of all that a transaction changed in the tables of the sources, and those of rows from before
//! checks existed.

use super::{Source, bots, buildkite, gitlab, kcidb, konflux, travis};
use crate::checks::store::{self, Derived};
use crate::checks::{Check, Touched};
use crate::db::{ChunkResult, StoreError, Tx};
use crate::outbox::Due;

/// Rows of a table that one chunk projects.
const CHUNK: i64 = 500;

impl Source {
    /// The tables of the source whose rows are checks.
    #[must_use]
    pub fn check_tables(self) -> &'static [&'static str] {
        match self {
            Self::Konflux => konflux::TABLES,
            Self::Gitlab => gitlab::TABLES,
            Self::Kcidb => &[kcidb::TABLE],
            Self::Buildkite => &[buildkite::TABLE],
            Self::Travis => &[travis::TABLE],
            Self::Bots => &[bots::TABLE],
        }
    }

    /// The checks of the changed rows that are to be read. As in [`super::write`], the future of each source is boxed.
    async fn checks(self, tx: &Tx<'_>, touched: &Touched) -> Result<Vec<Check>, StoreError> {
        match self {
            Self::Konflux => Box::pin(konflux::checks(tx, touched)).await,
            Self::Gitlab => Box::pin(gitlab::checks(tx, touched)).await,
            Self::Kcidb => Box::pin(kcidb::checks(tx, touched)).await,
            Self::Buildkite => Box::pin(buildkite::checks(tx, touched)).await,
            Self::Travis => Box::pin(travis::checks(tx, touched)).await,
            Self::Bots => Box::pin(bots::checks(tx, touched)).await,
        }
    }

    /// Locks the next rows of a table after a key, in order of their keys, and returns their keys.
    async fn lock_rows(self, tx: &Tx<'_>, table: &str, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Konflux => konflux::lock_rows(tx, table, after, limit).await,
            Self::Gitlab => gitlab::lock_rows(tx, table, after, limit).await,
            Self::Kcidb => kcidb::lock_rows(tx, after, limit).await,
            Self::Buildkite => buildkite::lock_rows(tx, after, limit).await,
            Self::Travis => travis::lock_rows(tx, after, limit).await,
            Self::Bots => bots::lock_rows(tx, after, limit).await,
        }
    }
}

/// The source of a table whose rows are checks.
fn source_of(table: &str) -> Option<Source> {
    Source::ALL.iter().copied().find(|source| source.check_tables().contains(&table))
}

/// Writes the checks of all that a transaction changed. Call it once, after the last source and the last savepoint.
/// Returns whether verdicts have to be announced.
///
/// # Errors
/// When a statement fails.
pub async fn write_checks(tx: &Tx<'_>, touched: &Touched) -> Result<Due, StoreError> {
    if touched.is_empty() {
        return Ok(Due::default());
    }
    let system = |table: &str| source_of(table).map_or("", Source::name);
    let (konflux, gitlab, kcidb, buildkite, travis, bots, before, old, pushes) = tokio::try_join!(
        biased;
        Source::Konflux.checks(tx, touched),
        Source::Gitlab.checks(tx, touched),
        Source::Kcidb.checks(tx, touched),
        Source::Buildkite.checks(tx, touched),
        Source::Travis.checks(tx, touched),
        Source::Bots.checks(tx, touched),
        store::known(tx, system, touched),
        store::unsettled_checks(tx, touched),
        gitlab::push_times(tx, touched),
    )?;
    let derived = touched.derived().cloned().collect();
    let checks = [derived, konflux, gitlab, kcidb, buildkite, travis, bots].concat();
    Box::pin(store::write(tx, touched, Derived { checks, before, pushes, old })).await
}

/// Adds the next rows of those that were there before checks existed, for [`write_checks`]. The rows are locked, so
/// that ingest does not change them meanwhile.
///
/// # Errors
/// When a statement fails.
pub(super) async fn next_old_rows(tx: &Tx<'_>, touched: &mut Touched) -> Result<ChunkResult, StoreError> {
    // What was so before is no news.
    touched.silence();
    let Some((table, after)) = store::next_projection(tx).await? else { return next_old_series(tx, touched).await };
    if table == gitlab::PUSHES {
        // They are no checks, but say what is in `repositories`.
        let commits = gitlab::add_old_repositories(tx, &after, CHUNK, touched).await?;
        return projected(tx, gitlab::PUSHES, &commits).await;
    }
    let Some((source, table)) = source_of(&table)
        .and_then(|source| Some((source, *source.check_tables().iter().find(|known| **known == table)?)))
    else {
        return Ok(ChunkResult::default());
    };
    let keys = source.lock_rows(tx, table, &after, CHUNK).await?;
    touched.add(table, keys.iter().map(String::as_str));
    projected(tx, table, &keys).await
}

/// Records that the rows of a table are projected up to the last of some keys; without any, all are.
async fn projected(tx: &Tx<'_>, table: &str, keys: &[String]) -> Result<ChunkResult, StoreError> {
    store::advance_projection(tx, table, keys.last().map(String::as_str), keys.len()).await?;
    Ok(ChunkResult { objects: keys.len(), written: keys.len(), more: true })
}

/// Adds the next checks and pushes of those that were there before series existed, for [`write_checks`]. Their rows are
/// locked.
async fn next_old_series(tx: &Tx<'_>, touched: &mut Touched) -> Result<ChunkResult, StoreError> {
    let Some((table, after)) = store::next_series_projection(tx).await? else { return Ok(ChunkResult::default()) };
    let rows = match table.as_str() {
        "checks" => store::lock_checks(tx, &after, CHUNK).await?,
        _ => gitlab::lock_pushes(tx, &after, CHUNK).await?,
    };
    for row in &rows {
        match table.as_str() {
            "checks" => touched.add_unsettled(row.clone()),
            _ => touched.add_push((row[1].clone(), row[2].clone(), row[0].clone())),
        }
    }
    store::advance_series_projection(tx, &table, rows.last(), rows.len()).await?;
    Ok(ChunkResult { objects: rows.len(), written: rows.len(), more: true })
}
