//! Rows follow their projects: before a batch is written, what it tells of paths is compared with where rows are, and what is
//! somewhere else is moved.
//!
//! Nearly always nothing moves: then a lock that all share, and one read, in one round trip. Else the transaction begins again with the
//! lock alone, which no other writer of GitLab's rows has meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::gitlab::places::{Claim, Id, Known, Place, Places, Settled, UNKNOWN};
use crate::gitlab::record::Record;
use crate::store::{Param, StoreError, Tx, column};

/// Where the records of a batch are to be written.
pub(super) struct Followed {
    places: Places,
    hosts: Vec<String>,
    /// Projects of the batch whose rows are under keys of their own until the batch is written.
    replaced: BTreeSet<Id>,
    /// Whether a project is somewhere else than before.
    has_moved: bool,
}

/// A key that no path is like: what is written under it goes to `replaced`.
fn own_key((host, number): &Id) -> String {
    format!("{host}:{number}")
}

/// Moves what has to be, and says where the records belong.
pub(super) async fn follow(tx: &Tx<'_>, records: &[&Record], hosts: &[String]) -> Result<Followed, StoreError> {
    let claims: Vec<Claim> = records.iter().filter_map(|record| record.claim()).collect();
    let paths: BTreeSet<&str> = records.iter().flat_map(|record| record.paths()).collect();
    let mut followed =
        Followed { places: Places::default(), hosts: hosts.to_vec(), replaced: BTreeSet::new(), has_moved: false };
    if paths.is_empty() {
        return Ok(followed);
    }
    // A claim may be about a project whose host is unknown; one without a host about that on the host that is configured first.
    let of_claim = |claim: &Claim| {
        let host = claim.host.clone().or_else(|| hosts.first().cloned()).unwrap_or_default();
        [host, String::new(), UNKNOWN.to_owned()].map(|host| (host, claim.project_id))
    };
    let ids: Vec<Id> = claims.iter().flat_map(of_claim).collect::<BTreeSet<Id>>().into_iter().collect();
    let (host, number) = (column(&ids, |id| id.0.as_str()), column(&ids, |id| id.1));
    let paths: Vec<&str> = paths.into_iter().collect();
    let alone = tx.is_retry();
    let lock = if alone { include_str!("sql/lock_places.sql") } else { include_str!("sql/lock_places_shared.sql") };
    let params: [Param<'_>; 3] = [&host, &number, &paths];
    let (_, rows) = tokio::try_join!(tx.query(lock, &[]), tx.query(include_str!("sql/places.sql"), &params))?;
    rows.iter().for_each(|row| followed.add(row));
    let is_at_rest = claims.iter().all(|claim| followed.places.is_at_rest(claim, hosts))
        && records.iter().all(|record| !matches!(followed.place_of(record), Some((_, Place::Replaced))));
    if is_at_rest {
        return Ok(followed);
    }
    if !alone {
        return Err(StoreError::Moved);
    }
    followed.settle(tx, &claims, records).await?;
    Ok(followed)
}

impl Followed {
    fn add(&mut self, row: &Row) {
        let known = self.places.projects.entry((row.get("host"), row.get("project_id"))).or_default();
        let path: String = row.get("path");
        if row.get("is_current") {
            (known.current, known.is_owner) = (Some(path.clone()), row.get("is_owner"));
        }
        known.paths.insert(path, (row.get("said_at"), row.get("rank")));
    }

    /// The project of a record, and where it is.
    fn place_of(&self, record: &Record) -> Option<(Id, Place)> {
        let (host, number, path) = record.project()?;
        let id = self.places.project_of(host, number, path, &self.hosts)?;
        let place = self.places.place(&id)?;
        Some((id, place))
    }

    /// The record as it is written: of its project, under the path that this has now.
    pub(super) fn placed(&self, record: &Record) -> Record {
        let mut record = record.clone();
        if let Some((id, place)) = self.place_of(&record) {
            let path = match place {
                Place::Path(path) => path,
                Place::Replaced => own_key(&id),
            };
            record.move_to(&id, &path);
        }
        record
    }

    async fn settle(&mut self, tx: &Tx<'_>, claims: &[Claim], records: &[&Record]) -> Result<(), StoreError> {
        let named = claims.iter().filter_map(|claim| {
            self.places.project_of(claim.host.as_deref(), Some(claim.project_id), &claim.path, &self.hosts)
        });
        let ids: BTreeSet<Id> =
            self.places.projects.keys().cloned().chain(named).filter(|id| !id.0.is_empty()).collect();
        let ids: Vec<Id> = ids.into_iter().collect();
        let found = tx
            .query(
                include_str!("sql/places_of_rows.sql"),
                &[&column(&ids, |id| id.0.as_str()), &column(&ids, |id| id.1)],
            )
            .await?;
        let mut rows: BTreeMap<Id, Vec<(String, Timestamp)>> = BTreeMap::new();
        for row in &found {
            let at: Option<Timestamp> = row.get("said_at");
            let at = at.unwrap_or(Timestamp::UNIX_EPOCH);
            rows.entry((row.get("host"), row.get("project_id"))).or_default().push((row.get("path"), at));
        }
        let before = self.places.clone();
        let Settled { elsewhere, named } = self.places.settle(claims, &rows, &self.hosts);
        self.has_moved = !elsewhere.is_empty();

        // All that is somewhere else goes under keys of its own first: two projects may change places.
        let of_batch = records.iter().filter_map(|record| self.place_of(record));
        let replaced: BTreeSet<Id> =
            of_batch.filter(|(_, place)| *place == Place::Replaced).map(|(id, _)| id).collect();
        let moving: Vec<Id> = elsewhere.iter().chain(&replaced).cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let mut from: Vec<(Id, String)> = Vec::new();
        for id in &elsewhere {
            let known = self.places.projects.get(id);
            let owned_by_others = |path: &str| {
                let is_it =
                    |other: &Id| other == id || named.iter().any(|(unknown, now)| unknown == other && now == id);
                let others = before.projects.iter().filter(|(other, _)| !is_it(other));
                others.into_iter().any(|(_, other)| other.is_owner && other.current.as_deref() == Some(path))
            };
            let kept = rows.get(id).into_iter().flatten().map(|(path, _)| path.as_str());
            // Rows of before that know no number are of who has the path, if nobody else has.
            let unnamed = known.into_iter().flat_map(|known| known.paths.keys()).map(String::as_str);
            let paths: BTreeSet<&str> = kept.chain(unnamed.filter(|path| !owned_by_others(path))).collect();
            from.extend(paths.into_iter().map(|path| (id.clone(), path.to_owned())));
        }
        rekey(tx, &from.iter().map(|(id, path)| (id.clone(), path.clone(), own_key(id))).collect::<Vec<_>>()).await?;
        let keys: Vec<String> = moving.iter().chain(named.iter().map(|(unknown, _)| unknown)).map(own_key).collect();
        for sql in [
            include_str!("sql/restore_merge_requests.sql"),
            include_str!("sql/restore_mr_versions.sql"),
            include_str!("sql/restore_pushes.sql"),
        ] {
            tx.query(sql, &[&keys]).await?;
        }
        let under_own = |(unknown, id): &(Id, Id)| [unknown, id].map(|from| (id.clone(), own_key(from), own_key(id)));
        rekey(tx, &named.iter().flat_map(under_own).collect::<Vec<_>>()).await?;
        let (host, number) = (column(&named, |n| n.0.0.as_str()), column(&named, |n| n.0.1));
        tx.query(include_str!("sql/forget_projects.sql"), &[&host, &number]).await?;
        self.keep(tx).await?;
        let home: Vec<(Id, String, String)> = moving
            .iter()
            .filter_map(|id| match self.places.place(id) {
                Some(Place::Path(path)) => Some((id.clone(), own_key(id), path)),
                _ => None,
            })
            .collect();
        rekey(tx, &home).await?;
        self.replaced = moving.into_iter().filter(|id| self.places.place(id) == Some(Place::Replaced)).collect();
        Ok(())
    }

    /// Keeps what is known of the projects.
    async fn keep(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let row = |(id, known): (&'_ Id, &'_ Known)| {
            let path = |(path, said): (&String, &(Timestamp, i16))| {
                let is_current = known.current.as_ref() == Some(path);
                (id.clone(), path.clone(), *said, is_current, is_current && known.is_owner)
            };
            known.paths.iter().map(path).collect::<Vec<_>>()
        };
        let rows: Vec<_> = self.places.projects.iter().flat_map(row).collect();
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

    /// The numbers of records that say that a project was renamed, where something has moved.
    pub(super) fn renamed(&self, batch: &[(usize, &Record)]) -> Vec<usize> {
        let is_renamed = |(number, record): &(usize, &Record)| {
            matches!(record, Record::Renamed(_)).then_some(*number).filter(|_| self.has_moved)
        };
        batch.iter().filter_map(is_renamed).collect()
    }

    /// Puts away what was written of projects whose path another one has.
    pub(super) async fn put_away(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if self.replaced.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = self.replaced.iter().map(own_key).collect();
        let path = |id: &Id| self.places.projects.get(id).and_then(|known| known.current.clone()).unwrap_or_default();
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

/// Gives rows of projects another key; of what is under several of the keys before, the newest row.
async fn rekey(tx: &Tx<'_>, moves: &[(Id, String, String)]) -> Result<(), StoreError> {
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
        tx.query(sql, &[&host, &number, &from, &to]).await?;
    }
    Ok(())
}
