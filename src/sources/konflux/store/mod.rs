//! Writes the four kinds of objects: one statement for each kind, and two more for names that several objects have.
//! [`reads`] has the queries of the web UI.

mod checks;
mod effects;
mod flaky;
mod hosts;
pub mod reads;
mod stuck;

use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use tokio_postgres::Row;

use super::record::{Component, Identity, Keyed, PipelineRun, Record, Release, Snapshot};
use crate::checks::Touched;
use crate::db::{Param, StoreError, Tx, column};

use self::checks::CheckOf;
pub use self::checks::{TABLES, checks, lock_rows};
pub use self::hosts::fill_hosts;
pub use self::stuck::sweep;

/// Writes a batch and returns the numbers of the records that changed something. Idempotent: a message that is
/// delivered again changes nothing. The changed rows of runs and releases are added to `touched`.
///
/// # Errors
/// When a statement fails.
pub async fn write(tx: &Tx<'_>, batch: &[(usize, &Record)], touched: &mut Touched) -> Result<Vec<usize>, StoreError> {
    let mut components = Vec::new();
    let mut runs = Vec::new();
    let mut snapshots = Vec::new();
    let mut releases = Vec::new();
    for (number, record) in batch {
        match record {
            Record::Component(component) => components.push((*number, &**component)),
            Record::PipelineRun(run) => runs.push((*number, &**run)),
            Record::Snapshot(snapshot) => snapshots.push((*number, &**snapshot)),
            Record::Release(release) => releases.push((*number, &**release)),
        }
    }
    let mut changed = numbers(&components, &write_kind(tx, &components, touched).await?);
    settle_components(tx, &components).await?;
    let written = write_kind(tx, &runs, touched).await?;
    checks::mark_bad(tx, &runs, &written, touched).await?;
    changed.extend(numbers(&runs, &written));
    changed.extend(numbers(&snapshots, &write_kind(tx, &snapshots, touched).await?));
    changed.extend(numbers(&releases, &write_kind(tx, &releases, touched).await?));
    Ok(changed)
}

/// The numbers of records, by their indexes.
fn numbers<T>(records: &[(usize, &T)], indexes: &[usize]) -> Vec<usize> {
    indexes.iter().map(|at| records[*at].0).collect()
}

/// Gives each name to an object that exists: if a Component was deleted on one cluster and exists on another one, the
/// latter gets the row. Runs, Snapshots and Releases are pruned after their end, so their rows stay as they are.
async fn settle_components(tx: &Tx<'_>, records: &[(usize, &Component)]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let names =
        Vec::from_iter(BTreeSet::from_iter(records.iter().map(|(_, component)| component.identity.name.as_str())));
    tx.query(include_str!("sql/settle_components.sql"), &[&names]).await?;
    Ok(())
}

/// The table of a kind of objects.
trait Table: Keyed + Serialize + std::fmt::Debug + Sync + Sized {
    const UPSERT: &'static str;
    const HOLDERS: &'static str;
    const REPLACED: &'static str;
    /// The table, if its rows are checks, and what derives them of a row that the upsert returns.
    const CHECKS: Option<(&'static str, CheckOf)> = None;

    /// Runs [`Table::UPSERT`] with the columns of `rows`, and returns the rows that changed.
    async fn upsert(tx: &Tx<'_>, rows: &[&Self]) -> Result<Vec<Row>, StoreError>;
}

/// Writes the records of one kind, and returns the indexes of those that changed something. The statement gets each
/// name once and sorts by name, so that a batch does not change a row twice and two batches cannot deadlock.
///
/// The record for each name is chosen by the identities alone, so that this code is not compiled once for each kind.
async fn write_kind<T: Table>(
    tx: &Tx<'_>,
    records: &[(usize, &T)],
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let identities: Vec<&Identity> = records.iter().map(|(_, record)| record.identity()).collect();
    let rows = |indexes: &[usize]| indexes.iter().map(|at| records[*at].1).collect::<Vec<&T>>();
    let newest = Newest::of(&identities);
    let changed = T::upsert(tx, &rows(&newest.winners())).await?;
    if let Some((table, check_of)) = T::CHECKS {
        for row in &changed {
            let check = check_of(row).map_err(|source| StoreError::Statement { name: "upsert", source })?;
            touched.add_derived(table, row.get("name"), check);
        }
    }
    let changed = changed.iter().map(|row| row.get("name")).collect();
    let (mut written, others) = newest.settle(changed, &identities);
    let displaced = displaced(tx, T::HOLDERS, &others, &identities).await?;
    if !displaced.is_empty() {
        let json = tokio_postgres::types::Json(rows(&displaced));
        written.extend(save_replaced(tx, T::REPLACED, &json, &displaced, &identities).await?);
    }
    Ok(written)
}

/// Indexes into the identities of a batch: the newest state of each object (name, uid), and the object that gets each
/// name.
struct Newest<'i> {
    objects: HashMap<(&'i str, &'i str), usize>,
    winners: HashMap<&'i str, usize>,
}

impl<'i> Newest<'i> {
    fn of(identities: &[&'i Identity]) -> Self {
        let mut objects: HashMap<(&str, &str), usize> = HashMap::with_capacity(identities.len());
        for (at, identity) in identities.iter().enumerate() {
            let best = objects.entry((&identity.name, &identity.uid)).or_insert(at);
            if identities[*best].version() < identity.version() {
                *best = at;
            }
        }
        let mut winners: HashMap<&str, usize> = HashMap::with_capacity(objects.len());
        for at in objects.values().copied() {
            let best = winners.entry(&identities[at].name).or_insert(at);
            if identities[*best].version() < identities[at].version() {
                *best = at;
            }
        }
        Self { objects, winners }
    }

    fn winners(&self) -> Vec<usize> {
        self.winners.values().copied().collect()
    }

    /// Splits the objects into those that the upsert wrote and all others, which are outdated states or objects whose
    /// name another object has.
    fn settle(self, changed: Vec<String>, identities: &[&Identity]) -> (Vec<usize>, Vec<usize>) {
        let changed: HashSet<String> = changed.into_iter().collect();
        let is_written = |at: &usize| {
            let name = identities[*at].name.as_str();
            self.winners[name] == *at && changed.contains(name)
        };
        self.objects.values().copied().partition(is_written)
    }
}

/// Those of `others` whose name another object has.
async fn displaced(
    tx: &Tx<'_>,
    holders: &'static str,
    others: &[usize],
    identities: &[&Identity],
) -> Result<Vec<usize>, StoreError> {
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let names = column(others, |at| identities[*at].name.as_str());
    let holders = tx.query(holders, &[&names]).await?;
    let holders: HashMap<&str, &str> = holders.iter().map(|row| (row.get("name"), row.get("uid"))).collect();
    let is_displaced = |at: &usize| {
        let identity = identities[*at];
        holders.get(identity.name.as_str()).is_some_and(|holder| *holder != identity.uid)
    };
    Ok(others.iter().copied().filter(is_displaced).collect())
}

/// Stores displaced records, given as JSON, in the table `replaced`. Returns the indexes of those that are new or
/// newer.
async fn save_replaced(
    tx: &Tx<'_>,
    replaced: &'static str,
    json: Param<'_>,
    displaced: &[usize],
    identities: &[&Identity],
) -> Result<Vec<usize>, StoreError> {
    let written = tx.query(replaced, &[json]).await?;
    let entry = |at: &usize| ((identities[*at].name.as_str(), identities[*at].uid.as_str()), *at);
    let indexes: HashMap<(&str, &str), usize> = displaced.iter().map(entry).collect();
    Ok(written.iter().filter_map(|row| indexes.get(&(row.get("name"), row.get("uid"))).copied()).collect())
}

/// The columns of [`Identity`] up to `tie`, in the order of all four tables.
struct IdentityColumns<'r> {
    name: Vec<&'r str>,
    namespace: Vec<Option<&'r str>>,
    cluster: Vec<Option<&'r str>>,
    uid: Vec<&'r str>,
    resource_version: Vec<i64>,
    created_at: Vec<Option<Timestamp>>,
    rank: Vec<i16>,
    tie: Vec<i64>,
    deleted_at: Vec<Option<Timestamp>>,
    message_id: Vec<&'r str>,
    message_at: Vec<Option<Timestamp>>,
}

impl<'r> IdentityColumns<'r> {
    fn of<T: Keyed>(rows: &[&'r T]) -> Self {
        let identities: Vec<&'r Identity> = rows.iter().map(|row| row.identity()).collect();
        Self {
            name: identities.iter().map(|i| i.name.as_str()).collect(),
            namespace: identities.iter().map(|i| i.namespace.as_deref()).collect(),
            cluster: identities.iter().map(|i| i.cluster.as_deref()).collect(),
            uid: identities.iter().map(|i| i.uid.as_str()).collect(),
            resource_version: identities.iter().map(|i| i.resource_version).collect(),
            created_at: identities.iter().map(|i| i.created_at).collect(),
            rank: identities.iter().map(|i| i.rank).collect(),
            tie: identities.iter().map(|i| i.tie).collect(),
            deleted_at: identities.iter().map(|i| i.deleted_at).collect(),
            message_id: identities.iter().map(|i| i.message_id.as_str()).collect(),
            message_at: identities.iter().map(|i| i.message_at).collect(),
        }
    }

    fn head(&self) -> [Param<'_>; 8] {
        [
            &self.name,
            &self.namespace,
            &self.cluster,
            &self.uid,
            &self.resource_version,
            &self.created_at,
            &self.rank,
            &self.tie,
        ]
    }

    fn tail(&self) -> [Param<'_>; 3] {
        [&self.deleted_at, &self.message_id, &self.message_at]
    }
}

/// Runs an upsert with the columns of the identity before and after the columns `own`, and then `last`; returns the
/// rows that changed.
async fn run<T: Keyed>(
    tx: &Tx<'_>,
    sql: &'static str,
    rows: &[&T],
    own: &[Param<'_>],
    last: &[Param<'_>],
) -> Result<Vec<Row>, StoreError> {
    let identity = IdentityColumns::of(rows);
    let (head, tail) = (identity.head(), identity.tail());
    let params: Vec<Param<'_>> = head.iter().chain(own).chain(&tail).chain(last).copied().collect();
    tx.query(sql, &params).await
}

impl Table for Component {
    const UPSERT: &'static str = include_str!("sql/upsert_components.sql");
    const HOLDERS: &'static str = include_str!("sql/holders_components.sql");
    const REPLACED: &'static str = include_str!("sql/replaced_components.sql");

    async fn upsert(tx: &Tx<'_>, rows: &[&Self]) -> Result<Vec<Row>, StoreError> {
        let own: &[Param<'_>] = &[
            /* application */ &column(rows, |r| r.application.as_deref()),
            /* git_url */ &column(rows, |r| r.git_url.as_deref()),
            /* git_project */ &column(rows, |r| r.git_project.as_deref()),
            /* host */ &column(rows, |r| r.host.as_deref()),
            /* git_revision */ &column(rows, |r| r.git_revision.as_deref()),
            /* git_context */ &column(rows, |r| r.git_context.as_str()),
            /* git_versions */ &column(rows, |r| r.git_versions.to_string()),
            /* container_image */ &column(rows, |r| r.container_image.as_deref()),
            /* last_built_commit */ &column(rows, |r| r.last_built_commit.as_deref()),
            /* last_promoted_image */ &column(rows, |r| r.last_promoted_image.as_deref()),
        ];
        run(tx, Self::UPSERT, rows, own, &[]).await
    }
}

impl Table for PipelineRun {
    const UPSERT: &'static str = include_str!("sql/upsert_pipelineruns.sql");
    const HOLDERS: &'static str = include_str!("sql/holders_pipelineruns.sql");
    const REPLACED: &'static str = include_str!("sql/replaced_pipelineruns.sql");
    const CHECKS: Option<(&'static str, CheckOf)> = Some((checks::RUNS, checks::of_run));

    async fn upsert(tx: &Tx<'_>, rows: &[&Self]) -> Result<Vec<Row>, StoreError> {
        let own: &[Param<'_>] = &[
            /* type */ &column(rows, |r| r.r#type),
            /* type_label */ &column(rows, |r| r.type_label.as_deref()),
            /* application */ &column(rows, |r| r.application.as_deref()),
            /* component */ &column(rows, |r| r.component.as_deref()),
            /* sha */ &column(rows, |r| r.sha.as_deref()),
            /* project */ &column(rows, |r| r.project.as_deref()),
            /* host */ &column(rows, |r| r.host.as_deref()),
            /* mr_iid */ &column(rows, |r| r.mr_iid),
            /* event */ &column(rows, |r| r.event.as_deref()),
            /* target_branch */ &column(rows, |r| r.target_branch.as_deref()),
            /* source_branch */ &column(rows, |r| r.source_branch.as_deref()),
            /* snapshot */ &column(rows, |r| r.snapshot.as_deref()),
            /* scenario */ &column(rows, |r| r.scenario.as_deref()),
            /* release_name */ &column(rows, |r| r.release_name.as_deref()),
            /* release_namespace */ &column(rows, |r| r.release_namespace.as_deref()),
            /* state */ &column(rows, |r| r.state),
            /* status */ &column(rows, |r| r.status.as_deref()),
            /* reason */ &column(rows, |r| r.reason.as_deref()),
            /* message */ &column(rows, |r| r.message.as_deref()),
            /* verdict */ &column(rows, |r| r.verdict),
            /* started_at */ &column(rows, |r| r.started_at),
            /* finished_at */ &column(rows, |r| r.finished_at),
            /* image_url */ &column(rows, |r| r.image_url.as_deref()),
            /* image_digest */ &column(rows, |r| r.image_digest.as_deref()),
            /* log_url */ &column(rows, |r| r.log_url.as_deref()),
            /* results */ &column(rows, |r| r.results.to_string()),
            /* labels */ &column(rows, |r| serde_json::json!(r.labels).to_string()),
        ];
        let ever_bad = column(rows, |r| checks::is_bad(r));
        run(tx, Self::UPSERT, rows, own, &[&ever_bad]).await
    }
}

impl Table for Snapshot {
    const UPSERT: &'static str = include_str!("sql/upsert_snapshots.sql");
    const HOLDERS: &'static str = include_str!("sql/holders_snapshots.sql");
    const REPLACED: &'static str = include_str!("sql/replaced_snapshots.sql");

    async fn upsert(tx: &Tx<'_>, rows: &[&Self]) -> Result<Vec<Row>, StoreError> {
        let own: &[Param<'_>] = &[
            /* type */ &column(rows, |r| r.r#type.as_deref()),
            /* application */ &column(rows, |r| r.application.as_deref()),
            /* component */ &column(rows, |r| r.component.as_deref()),
            /* component_count */ &column(rows, |r| r.component_count),
            /* image */ &column(rows, |r| r.image.as_deref()),
            /* image_digest */ &column(rows, |r| r.image_digest.as_deref()),
            /* sha */ &column(rows, |r| r.sha.as_deref()),
            /* project */ &column(rows, |r| r.project.as_deref()),
            /* host */ &column(rows, |r| r.host.as_deref()),
            /* mr_iid */ &column(rows, |r| r.mr_iid),
            /* event */ &column(rows, |r| r.event.as_deref()),
            /* target_branch */ &column(rows, |r| r.target_branch.as_deref()),
            /* source_plr */ &column(rows, |r| r.source_plr.as_deref()),
            /* group_members */ &column(rows, |r| r.group_members.to_string()),
            /* scenarios */ &column(rows, |r| r.scenarios.to_string()),
            /* test_state */ &column(rows, |r| r.test_state),
            /* test_reason */ &column(rows, |r| r.test_reason.as_deref()),
            /* test_message */ &column(rows, |r| r.test_message.as_deref()),
            /* release_state */ &column(rows, |r| r.release_state),
            /* release_message */ &column(rows, |r| r.release_message.as_deref()),
            /* conditions */ &column(rows, |r| r.conditions.to_string()),
        ];
        run(tx, Self::UPSERT, rows, own, &[]).await
    }
}

impl Table for Release {
    const UPSERT: &'static str = include_str!("sql/upsert_releases.sql");
    const HOLDERS: &'static str = include_str!("sql/holders_releases.sql");
    const REPLACED: &'static str = include_str!("sql/replaced_releases.sql");
    const CHECKS: Option<(&'static str, CheckOf)> = Some((checks::RELEASES, checks::of_release));

    async fn upsert(tx: &Tx<'_>, rows: &[&Self]) -> Result<Vec<Row>, StoreError> {
        let own: &[Param<'_>] = &[
            /* application */ &column(rows, |r| r.application.as_deref()),
            /* component */ &column(rows, |r| r.component.as_deref()),
            /* snapshot */ &column(rows, |r| r.snapshot.as_deref()),
            /* release_plan */ &column(rows, |r| r.release_plan.as_deref()),
            /* target */ &column(rows, |r| r.target.as_deref()),
            /* sha */ &column(rows, |r| r.sha.as_deref()),
            /* project */ &column(rows, |r| r.project.as_deref()),
            /* host */ &column(rows, |r| r.host.as_deref()),
            /* mr_iid */ &column(rows, |r| r.mr_iid),
            /* automated */ &column(rows, |r| r.automated),
            /* author */ &column(rows, |r| r.author.as_deref()),
            /* state */ &column(rows, |r| r.state),
            /* reason */ &column(rows, |r| r.reason.as_deref()),
            /* message */ &column(rows, |r| r.message.as_deref()),
            /* failed_phase */ &column(rows, |r| r.failed_phase.as_deref()),
            /* release_plr */ &column(rows, |r| r.release_plr.as_deref()),
            /* release_plr_namespace */ &column(rows, |r| r.release_plr_namespace.as_deref()),
            /* attempt_count */ &column(rows, |r| r.attempt_count),
            /* attempts */ &column(rows, |r| r.attempts.to_string()),
            /* failure_reason */ &column(rows, |r| r.failure_reason.as_deref()),
            /* last_task */ &column(rows, |r| r.last_task.as_deref()),
            /* started_at */ &column(rows, |r| r.started_at),
            /* finished_at */ &column(rows, |r| r.finished_at),
            /* expires_at */ &column(rows, |r| r.expires_at),
            /* conditions */ &column(rows, |r| r.conditions.to_string()),
        ];
        run(tx, Self::UPSERT, rows, own, &[]).await
    }
}
