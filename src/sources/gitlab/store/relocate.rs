//! Moves the rows of renamed projects. Before a batch is written, its claims about paths are compared with the paths
//! under which rows are stored.
//!
//! Nearly always no row moves: that costs a shared lock and one read, in one round trip. Otherwise the transaction is
//! retried with the exclusive lock, which keeps out all other writers of GitLab's rows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio_postgres::Row;

use super::ci;
use super::pushes::add_pushes;
use crate::checks::Touched;
use crate::db::{Param, StoreError, Tx, column};
use crate::sources::gitlab::locations::{Claim, Id, Known, Location, Locations, Settled, UNKNOWN};
use crate::sources::gitlab::record::Record;

/// The locations of the projects in a batch.
pub(super) struct ProjectLocations {
    locations: Locations,
    hosts: Vec<String>,
    /// Projects whose path another project has. Their rows are under their own keys until the batch is written.
    replaced: BTreeSet<Id>,
    /// Whether a project has moved.
    has_moved: bool,
    /// Pipelines whose project has another path now.
    pub(super) moved_pipelines: Vec<(String, i64)>,
}

/// The own key of a project, which no path can be equal to. Rows under it are moved to the table `replaced`.
fn own_key((host, number): &Id) -> String {
    format!("{host}:{number}")
}

/// Moves rows of projects whose path has changed, and returns the locations for the records of the batch.
///
/// # Errors
/// [`StoreError::Moved`] if rows have to move and the transaction has the shared lock only; it is then retried with the
/// exclusive one.
pub(super) async fn relocate(
    tx: &Tx<'_>,
    records: &[&Record],
    hosts: &[String],
    touched: &mut Touched,
) -> Result<ProjectLocations, StoreError> {
    let claims: Vec<Claim> = records.iter().filter_map(|record| record.claim()).collect();
    let paths: BTreeSet<&str> = records.iter().flat_map(|record| record.paths()).collect();
    let mut located = ProjectLocations {
        locations: Locations::default(),
        hosts: hosts.to_vec(),
        replaced: BTreeSet::new(),
        has_moved: false,
        moved_pipelines: Vec::new(),
    };
    if paths.is_empty() {
        return Ok(located);
    }
    // A claim can be about a project of an unknown host; without a host, about the one on the first configured host.
    let of_claim = |claim: &Claim| {
        let host = claim.host.clone().or_else(|| hosts.first().cloned()).unwrap_or_default();
        [host, String::new(), UNKNOWN.to_owned()].map(|host| (host, claim.project_id))
    };
    let named = records.iter().filter_map(|record| Some((record.project()?.0?.to_owned(), record.project()?.1?)));
    let ids: BTreeSet<Id> = claims.iter().flat_map(of_claim).chain(named).collect();
    let ids: Vec<Id> = ids.into_iter().collect();
    let (host, number) = (column(&ids, |id| id.0.as_str()), column(&ids, |id| id.1));
    let paths: Vec<&str> = paths.into_iter().collect();
    let is_exclusive = tx.is_retry();
    let lock =
        if is_exclusive { include_str!("sql/lock_projects.sql") } else { include_str!("sql/lock_projects_shared.sql") };
    let params: [Param<'_>; 3] = [&host, &number, &paths];
    let (_, rows) = tokio::try_join!(tx.query(lock, &[]), tx.query(include_str!("sql/project_paths.sql"), &params))?;
    rows.iter().for_each(|row| located.add(row));
    let is_settled = claims.iter().all(|claim| located.locations.is_settled(claim, hosts))
        && records.iter().all(|record| !matches!(located.location_of(record), Some((_, Location::Replaced))));
    if is_settled {
        return Ok(located);
    }
    if !is_exclusive {
        return Err(StoreError::Moved);
    }
    located.settle(tx, &claims, records, touched).await?;
    Ok(located)
}

impl ProjectLocations {
    fn add(&mut self, row: &Row) {
        let known = self.locations.projects.entry((row.get("host"), row.get("project_id"))).or_default();
        let path: String = row.get("path");
        if row.get("is_current") {
            (known.current, known.is_owner) = (Some(path.clone()), row.get("is_owner"));
        }
        known.paths.insert(path, (row.get("said_at"), row.get("rank")));
    }

    /// The project of a record, and its location.
    fn location_of(&self, record: &Record) -> Option<(Id, Location)> {
        let (host, number, path) = record.project()?;
        let id = self.locations.project_of(host, number, path, &self.hosts)?;
        let location = self.locations.location(&id)?;
        Some((id, location))
    }

    /// The record as it is written: under the current path of its project.
    pub(super) fn located(&self, record: &Record) -> Record {
        let mut record = record.clone();
        let id = self.location_of(&record).map(|(id, _)| id);
        if let Some((id, path)) = id.and_then(|id| self.key_of(&id).map(|path| (id, path))) {
            record.move_to(&id, &path);
        }
        record
    }

    /// The path under which the rows of a project are stored.
    fn key_of(&self, id: &Id) -> Option<String> {
        Some(match self.locations.location(id)? {
            Location::Path(path) => path,
            Location::Replaced => own_key(id),
        })
    }

    /// Numbers of the projects of pipelines, jobs, and merge requests with heads, as these are written: what checks of
    /// pipelines depend on.
    pub(super) fn numbers_for_checks(&self, located: &[(usize, Record)]) -> Vec<i64> {
        let is_needed = |record: &Record| match record {
            Record::Ci(_) => true,
            Record::MergeRequest(_, heads) | Record::Versions(heads) => !heads.is_empty(),
            Record::Push(_) | Record::Renamed(_) | Record::Deleted(_) => false,
        };
        let number = |record: &Record| match self.location_of(record) {
            Some(((_, number), _)) => number,
            None => record.project().and_then(|(_, number, _)| number).unwrap_or_default(),
        };
        let needed = located.iter().map(|(_, record)| record).filter(|record| is_needed(record)).map(number);
        needed.collect::<BTreeSet<i64>>().into_iter().collect()
    }

    async fn settle(
        &mut self,
        tx: &Tx<'_>,
        claims: &[Claim],
        records: &[&Record],
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let named = claims.iter().filter_map(|claim| {
            self.locations.project_of(claim.host.as_deref(), Some(claim.project_id), &claim.path, &self.hosts)
        });
        let ids: BTreeSet<Id> =
            self.locations.projects.keys().cloned().chain(named).filter(|id| !id.0.is_empty()).collect();
        let ids: Vec<Id> = ids.into_iter().collect();
        let found = tx
            .query(
                include_str!("sql/project_paths_of_rows.sql"),
                &[&column(&ids, |id| id.0.as_str()), &column(&ids, |id| id.1)],
            )
            .await?;
        let mut rows: BTreeMap<Id, Vec<(String, Timestamp)>> = BTreeMap::new();
        for row in &found {
            let at: Option<Timestamp> = row.get("said_at");
            let at = at.unwrap_or(Timestamp::UNIX_EPOCH);
            rows.entry((row.get("host"), row.get("project_id"))).or_default().push((row.get("path"), at));
        }
        let before = self.locations.clone();
        let Settled { moved, named } = self.locations.settle(claims, &rows, &self.hosts);
        self.has_moved = !moved.is_empty();

        // Rows that move get the own key of their project first, because two projects can swap their paths.
        let of_batch = records.iter().filter_map(|record| self.location_of(record));
        let replaced: BTreeSet<Id> =
            of_batch.filter(|(_, location)| *location == Location::Replaced).map(|(id, _)| id).collect();
        let moving: Vec<Id> = moved.iter().chain(&replaced).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let mut from: Vec<(Id, String)> = Vec::new();
        for id in &moved {
            let known = self.locations.projects.get(id);
            let owned_by_others = |path: &str| {
                let is_it =
                    |other: &Id| other == id || named.iter().any(|(unknown, now)| unknown == other && now == id);
                let others = before.projects.iter().filter(|(other, _)| !is_it(other));
                others.into_iter().any(|(_, other)| other.is_owner && other.current.as_deref() == Some(path))
            };
            let kept = rows.get(id).into_iter().flatten().map(|(path, _)| path.as_str());
            // Old rows without a number belong to this project, unless another project owns their path.
            let unnamed = known.into_iter().flat_map(|known| known.paths.keys()).map(String::as_str);
            let paths: BTreeSet<&str> = kept.chain(unnamed.filter(|path| !owned_by_others(path))).collect();
            from.extend(paths.into_iter().map(|path| (id.clone(), path.to_owned())));
        }
        let to_own = from.iter().map(|(id, path)| (id.clone(), path.clone(), own_key(id))).collect::<Vec<_>>();
        rekey(tx, &to_own, touched).await?;
        let keys: Vec<String> = moving.iter().chain(named.iter().map(|(unknown, _)| unknown)).map(own_key).collect();
        for sql in [
            include_str!("sql/restore_merge_requests.sql"),
            include_str!("sql/restore_mr_versions.sql"),
            include_str!("sql/restore_pushes.sql"),
        ] {
            let rows = tx.query(sql, &[&keys]).await?;
            add_pushes(&rows, touched);
        }
        let under_own = |(unknown, id): &(Id, Id)| [unknown, id].map(|from| (id.clone(), own_key(from), own_key(id)));
        rekey(tx, &named.iter().flat_map(under_own).collect::<Vec<_>>(), touched).await?;
        let (host, number) = (column(&named, |n| n.0.0.as_str()), column(&named, |n| n.0.1));
        tx.query(include_str!("sql/forget_projects.sql"), &[&host, &number]).await?;
        self.save(tx).await?;
        let to_paths: Vec<(Id, String, String)> = moving
            .iter()
            .filter_map(|id| match self.locations.location(id) {
                Some(Location::Path(path)) => Some((id.clone(), own_key(id), path)),
                _ => None,
            })
            .collect();
        rekey(tx, &to_paths, touched).await?;
        let paths: Vec<(Id, String)> = moving.iter().filter_map(|id| Some((id.clone(), self.key_of(id)?))).collect();
        self.moved_pipelines = ci::move_projects(tx, &paths).await?;
        self.replaced =
            moving.into_iter().filter(|id| self.locations.location(id) == Some(Location::Replaced)).collect();
        Ok(())
    }

    /// Stores the paths of the projects.
    async fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let row = |(id, known): (&'_ Id, &'_ Known)| {
            let path = |(path, latest): (&String, &(Timestamp, i16))| {
                let is_current = known.current.as_ref() == Some(path);
                (id.clone(), path.clone(), *latest, is_current, is_current && known.is_owner)
            };
            known.paths.iter().map(path).collect::<Vec<_>>()
        };
        let rows: Vec<_> = self.locations.projects.iter().flat_map(row).collect();
        tx.query(
            include_str!("sql/upsert_projects.sql"),
            &[
                &column(&rows, |r| r.0.0.as_str()),
                &column(&rows, |r| r.0.1),
                &column(&rows, |r| r.1.as_str()),
                &column(&rows, |r| r.2.0),
                &column(&rows, |r| r.2.1),
                &column(&rows, |r| r.3),
                &column(&rows, |r| r.4),
            ],
        )
        .await?;
        Ok(())
    }

    /// The numbers of the records that report a rename, if a project has moved.
    pub(super) fn renamed(&self, batch: &[(usize, &Record)]) -> Vec<usize> {
        let is_renamed = |(number, record): &(usize, &Record)| {
            matches!(record, Record::Renamed(_)).then_some(*number).filter(|_| self.has_moved)
        };
        batch.iter().filter_map(is_renamed).collect()
    }

    /// Moves rows of projects whose path another project has to the table `replaced`.
    pub(super) async fn displace(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if self.replaced.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = self.replaced.iter().map(own_key).collect();
        let path =
            |id: &Id| self.locations.projects.get(id).and_then(|known| known.current.clone()).unwrap_or_default();
        let paths: Vec<String> = self.replaced.iter().map(path).collect();
        for sql in [
            include_str!("sql/displace_mr_versions.sql"),
            include_str!("sql/displace_merge_requests.sql"),
            include_str!("sql/displace_pushes.sql"),
        ] {
            tx.query(sql, &[&keys, &paths]).await?;
        }
        Ok(())
    }
}

/// Changes the keys of rows of projects, each move as (project, old key, new key). Of rows that get the same key only
/// the newest stays.
async fn rekey(tx: &Tx<'_>, moves: &[(Id, String, String)], touched: &mut Touched) -> Result<(), StoreError> {
    if moves.is_empty() {
        return Ok(());
    }
    let (host, number) = (column(moves, |m| m.0.0.as_str()), column(moves, |m| m.0.1));
    let (from, to) = (column(moves, |m| m.1.as_str()), column(moves, |m| m.2.as_str()));
    for sql in [
        include_str!("sql/single_mr_versions.sql"),
        include_str!("sql/rekey_mr_versions.sql"),
        include_str!("sql/single_merge_requests.sql"),
        include_str!("sql/rekey_merge_requests.sql"),
        include_str!("sql/single_pushes.sql"),
        include_str!("sql/rekey_pushes.sql"),
    ] {
        let rows = tx.query(sql, &[&host, &number, &from, &to]).await?;
        add_pushes(&rows, touched);
    }
    Ok(())
}
