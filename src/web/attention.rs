//! Objects that failed lately or are stuck, of all sources whose lists do not say so themselves: `checks` decides which
//! ones, and the sources have their rows.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::builds::{self, Build};
use crate::checks::store::{CheckCounts, CheckKey, count_checks, failed_checks, stuck_checks};
use crate::db::{Reader, StoreError};
use crate::sources::buildkite::reads as buildkite;
use crate::sources::konflux::reads::{self as konflux, ReleaseRow, RunRow};
use crate::sources::travis::reads as travis;

/// Period of the recent failures.
pub(super) const LATELY: SignedDuration = SignedDuration::from_hours(24);
/// The tables of these objects. Bots and checkouts have lists of their own.
const TABLES: [&str; 4] = [konflux::RUNS, konflux::RELEASES, buildkite::TABLE, travis::TABLE];

/// Objects by what they are.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) runs: Vec<RunRow>,
    pub(super) releases: Vec<ReleaseRow>,
    pub(super) builds: Vec<Build>,
}

impl Objects {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.releases.is_empty() && self.builds.is_empty()
    }
}

/// Objects that failed since a time, the newest first; of each table at most `most`.
pub(super) async fn failed(reader: &mut Reader, since: Timestamp, most: i64) -> Result<Objects, StoreError> {
    let keys = failed_checks(reader, &TABLES, since, most).await?;
    objects(reader, &keys, most).await
}

/// Objects that should have ended, the longest first; of each table at most `most`.
pub(super) async fn stuck(reader: &mut Reader, now: Timestamp, most: i64) -> Result<Objects, StoreError> {
    let keys = stuck_checks(reader, &TABLES, now, most).await?;
    objects(reader, &keys, most).await
}

/// The rows of checks, in their order.
async fn objects(reader: &mut Reader, keys: &[CheckKey], most: i64) -> Result<Objects, StoreError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let of = |table: &str| -> Vec<&str> {
        keys.iter().filter(|row| row.kind == table).map(|row| row.key.as_str()).take(most).collect()
    };
    let place = |table: &str, key: &str| keys.iter().position(|row| row.kind == table && row.key == key);
    let mut found = Objects::default();
    let names = of(konflux::RUNS);
    if !names.is_empty() {
        found.runs = konflux::runs_named(reader, &names).await?;
        found.runs.sort_by_key(|run| place(konflux::RUNS, &run.name));
    }
    let names = of(konflux::RELEASES);
    if !names.is_empty() {
        found.releases = konflux::releases_named(reader, &names).await?;
        found.releases.sort_by_key(|release| place(konflux::RELEASES, &release.name));
    }
    let (buildkite, travis) = (of(buildkite::TABLE), of(travis::TABLE));
    found.builds = builds::by_id(reader, &buildkite, &travis).await?;
    let table = |build: &Build| if build.system == "buildkite" { buildkite::TABLE } else { travis::TABLE };
    found.builds.sort_by_key(|build| place(table(build), &build.id));
    Ok(found)
}

/// Numbers of builds, tests and Releases of Konflux.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(super) struct PipelineCounts {
    /// Builds and tests that are not finished.
    pub(super) unfinished: i64,
    /// Unfinished builds and tests that are stuck.
    pub(super) stuck: i64,
    /// Builds and tests that failed recently.
    pub(super) failed: i64,
    /// Releases that failed recently.
    pub(super) failed_releases: i64,
    /// Releases that are not finished.
    pub(super) unfinished_releases: i64,
    /// Unfinished Releases that are stuck.
    pub(super) stuck_releases: i64,
    /// When a build or test changed last.
    pub(super) newest: Option<Timestamp>,
}

/// Numbers of the builds of a system.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(super) struct BuildCounts {
    /// Passed recently.
    pub(super) passed: i64,
    /// Failed recently.
    pub(super) failed: i64,
    /// Not finished.
    pub(super) running: i64,
    /// Unfinished builds that are stuck.
    pub(super) stuck: i64,
    /// When one changed last.
    pub(super) newest: Option<Timestamp>,
}

/// Numbers of all these objects.
pub(super) struct Counts {
    pub(super) pipelines: PipelineCounts,
    pub(super) buildkite: BuildCounts,
    pub(super) travis: BuildCounts,
}

/// Numbers of the objects; those of failed and passed ones since a time.
pub(super) async fn counts(reader: &mut Reader, since: Timestamp, now: Timestamp) -> Result<Counts, StoreError> {
    let rows = count_checks(reader, &TABLES, since, now).await?;
    let of = |table: &str| rows.iter().find(|row| row.kind == table);
    let builds = |table: &str| of(table).map(BuildCounts::from).unwrap_or_default();
    let mut pipelines = PipelineCounts::default();
    if let Some(runs) = of(konflux::RUNS) {
        (pipelines.unfinished, pipelines.stuck, pipelines.failed) = (runs.unfinished, runs.stuck, runs.failed);
        pipelines.newest = runs.newest;
    }
    if let Some(releases) = of(konflux::RELEASES) {
        pipelines.unfinished_releases = releases.unfinished;
        (pipelines.stuck_releases, pipelines.failed_releases) = (releases.stuck, releases.failed);
    }
    Ok(Counts { pipelines, buildkite: builds(buildkite::TABLE), travis: builds(travis::TABLE) })
}

impl From<&CheckCounts> for BuildCounts {
    fn from(row: &CheckCounts) -> Self {
        let CheckCounts { passed, failed, unfinished: running, stuck, newest, .. } = *row;
        Self { passed, failed, running, stuck, newest }
    }
}
