//! Writes and reads objects of all kinds: new rows by COPY, existing rows by an update of the columns whose new value
//! is newer.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::{Json, Type};

use super::values::{self, CellParam, Values, cell};
use crate::db::{Param, StoreError, Tx, column};
use crate::sources::kcidb::record::{Kind, Object, View};
use crate::sources::kcidb::rules::{Stamp, Stamps};

/// One object of a batch, merged from all of its messages.
pub(super) struct Row<'s> {
    pub(super) view: View<'s>,
    stamps: Stamps<'s>,
    /// Number in the batch of the newest message about the object.
    pub(super) number: usize,
}

/// A row that was written.
pub(super) struct Change<'r, 's> {
    pub(super) row: &'r Row<'s>,
    /// Whether it was inserted.
    pub(super) new: bool,
    /// Its previous parent, if it had one.
    pub(super) parent_before: Option<String>,
    /// Whether a value is new. Otherwise only its newest message is.
    pub(super) has_new_values: bool,
}

impl<'s> Row<'s> {
    pub(super) fn new(kind: Kind, object: &'s Object, stamp: Stamp<'s>, number: usize) -> Self {
        Self { view: View::of(kind, object), stamps: Stamps::of(object, stamp), number }
    }

    pub(super) fn key(&self) -> (&'s str, i64) {
        (self.view.id, self.view.version)
    }

    /// Merges another row of the same object into this one; false if the other one is of another object.
    pub(super) fn merges(&mut self, other: &mut Self) -> bool {
        if self.key() != other.key() {
            return false;
        }
        if other.stamps.newest > self.stamps.newest {
            self.number = other.number;
        }
        let (stamps, taken) = self.stamps.merge(&other.stamps);
        for (column, cell) in self.view.cells.iter_mut().enumerate() {
            if taken & 1 << column != 0 {
                *cell = other.view.cells[column];
            }
        }
        self.stamps = stamps;
        true
    }
}

/// The statements of a kind.
struct Statements {
    known: &'static str,
    copy: &'static str,
    lock: &'static str,
    update: &'static str,
    read: &'static str,
}

const fn statements(kind: Kind) -> Statements {
    match kind {
        Kind::Checkout => Statements {
            known: include_str!("sql/known_kcidb_checkouts.sql"),
            copy: include_str!("sql/copy_kcidb_checkouts.sql"),
            lock: include_str!("sql/lock_kcidb_checkouts.sql"),
            update: include_str!("sql/update_kcidb_checkouts.sql"),
            read: include_str!("sql/read_kcidb_checkouts.sql"),
        },
        Kind::Build => Statements {
            known: include_str!("sql/known_kcidb_builds.sql"),
            copy: include_str!("sql/copy_kcidb_builds.sql"),
            lock: include_str!("sql/lock_kcidb_builds.sql"),
            update: include_str!("sql/update_kcidb_builds.sql"),
            read: include_str!("sql/read_kcidb_builds.sql"),
        },
        Kind::Test => Statements {
            known: include_str!("sql/known_kcidb_tests.sql"),
            copy: include_str!("sql/copy_kcidb_tests.sql"),
            lock: include_str!("sql/lock_kcidb_tests.sql"),
            update: include_str!("sql/update_kcidb_tests.sql"),
            read: include_str!("sql/read_kcidb_tests.sql"),
        },
        Kind::Issue => Statements {
            known: include_str!("sql/known_kcidb_issues.sql"),
            copy: include_str!("sql/copy_kcidb_issues.sql"),
            lock: include_str!("sql/lock_kcidb_issues.sql"),
            update: include_str!("sql/update_kcidb_issues.sql"),
            read: include_str!("sql/read_kcidb_issues.sql"),
        },
        Kind::Incident => Statements {
            known: include_str!("sql/known_kcidb_incidents.sql"),
            copy: include_str!("sql/copy_kcidb_incidents.sql"),
            lock: include_str!("sql/lock_kcidb_incidents.sql"),
            update: include_str!("sql/update_kcidb_incidents.sql"),
            read: include_str!("sql/read_kcidb_incidents.sql"),
        },
    }
}

/// The key of a row of a result.
fn key(kind: Kind, row: &tokio_postgres::Row) -> (&str, i64) {
    let version = if kind == Kind::Issue { row.get("version") } else { 0 };
    (row.get("id"), version)
}

/// Keys as parameters.
struct Keys<'k> {
    ids: Vec<&'k str>,
    versions: Vec<i64>,
}

impl<'k> Keys<'k> {
    fn of(keys: impl Iterator<Item = (&'k str, i64)>) -> Self {
        let (ids, versions) = keys.unzip();
        Self { ids, versions }
    }

    /// The ids; for issues also the versions.
    fn params(&self, kind: Kind) -> Vec<Param<'_>> {
        match kind {
            Kind::Issue => vec![&self.ids, &self.versions],
            _ => vec![&self.ids],
        }
    }
}

/// Writes rows, which are sorted by key, and returns those that were written.
pub(super) async fn write<'r, 's>(
    tx: &Tx<'_>,
    kind: Kind,
    rows: &'r [Row<'s>],
) -> Result<Vec<Change<'r, 's>>, StoreError> {
    let keys = Keys::of(rows.iter().map(Row::key));
    let known = tx.query(statements(kind).known, &keys.params(kind)).await?;
    let known: HashSet<(&str, i64)> = known.iter().map(|row| key(kind, row)).collect();
    let (rest, new): (Vec<_>, Vec<_>) = rows.iter().partition(|row| known.contains(&row.key()));
    copy(tx, kind, &new).await?;
    let mut changes: Vec<Change<'_, '_>> =
        new.into_iter().map(|row| Change { row, new: true, parent_before: None, has_new_values: true }).collect();
    if !rest.is_empty() {
        changes.extend(update(tx, kind, &rest).await?);
    }
    Ok(changes)
}

/// Inserts rows. A row that another transaction inserts meanwhile is a conflict, and the whole transaction is retried.
async fn copy(tx: &Tx<'_>, kind: Kind, rows: &[&Row<'_>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let with_version = if kind == Kind::Issue { &[Type::INT8][..] } else { &[] };
    let types: Vec<Type> = [Type::TEXT]
        .iter()
        .chain(with_version)
        .cloned()
        .chain(kind.columns().iter().map(|column| values::type_of(column.cell_type)))
        .chain([Type::TEXT, Type::TIMESTAMPTZ, Type::JSONB])
        .collect();
    let older: Vec<Option<Json<Value>>> =
        rows.iter().map(|row| row.stamps.older_json(kind.columns()).map(Json)).collect();
    let cells: Vec<Vec<CellParam<'_>>> =
        rows.iter().map(|row| row.view.cells.iter().map(|cell| CellParam(*cell)).collect()).collect();
    let rows = rows.iter().zip(&cells).zip(&older).map(|((row, cells), older)| {
        let mut params: Vec<Param<'_>> = vec![&row.view.id];
        if kind == Kind::Issue {
            params.push(&row.view.version);
        }
        params.extend(cells.iter().map(|cell| cell as Param<'_>));
        params.extend([&row.stamps.newest.id as Param<'_>, &row.stamps.newest.at, older]);
        params
    });
    tx.copy(statements(kind).copy, &types, rows).await
}

/// The update of a row: the values that win, and the resulting stamps.
struct Written<'w, 's> {
    row: &'w Row<'s>,
    stamps: Stamps<'w>,
    /// A bit for each column to be written.
    taken: u32,
}

async fn run_update(
    tx: &Tx<'_>,
    kind: Kind,
    sql: &'static str,
    rows: &[Written<'_, '_>],
) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let keys = Keys::of(rows.iter().map(|w| w.row.key()));
    let cells = kind.columns().iter().enumerate().map(|(index, column)| {
        let taken = rows.iter().map(|w| if w.taken & 1 << index == 0 { None } else { w.row.view.cells[index] });
        Values::of(column.cell_type, taken)
    });
    let cells: Vec<Values<'_>> = cells.collect();
    let message_id = column(rows, |w| w.stamps.newest.id);
    let message_at = column(rows, |w| w.stamps.newest.at);
    let older = column(rows, |w| w.stamps.older_json(kind.columns()).map(|json| json.to_string()));
    let mut params = keys.params(kind);
    params.extend(cells.iter().map(Values::param));
    params.extend([&message_id as Param<'_>, &message_at, &older]);
    tx.query(sql, &params).await
}

/// Updates existing rows. The stamp of each column is its version guard: only newer values are written.
async fn update<'r, 's>(tx: &Tx<'_>, kind: Kind, rows: &[&'r Row<'s>]) -> Result<Vec<Change<'r, 's>>, StoreError> {
    let keys = Keys::of(rows.iter().map(|row| row.key()));
    // The lock statement skips rows that have been written with the given message. A row that is merged from several
    // messages gives none and is always read: its newest message may have been written before, and the others not.
    let one = |row: &&Row<'_>| row.stamps.older.is_empty();
    let message_id = column(rows, |row| Some(row.stamps.newest.id).filter(|_| one(row)));
    let message_at = column(rows, |row| row.stamps.newest.at);
    let mut params = keys.params(kind);
    params.extend([&message_id as Param<'_>, &message_at]);
    let locked = tx.query(statements(kind).lock, &params).await?;
    let by_key: HashMap<(&str, i64), &'r Row<'s>> = rows.iter().map(|row| (row.key(), *row)).collect();
    let olds: Vec<Option<Value>> = locked.iter().map(|row| row.get("older")).collect();
    let mut written = Vec::new();
    for (found, older) in locked.iter().zip(&olds) {
        let Some(row) = by_key.get(&key(kind, found)) else { continue };
        let known = stamps(kind, found, older.as_ref());
        let (stamps, taken) = known.merge(&row.stamps);
        if stamps != known {
            written.push(Written { row, stamps, taken });
        }
    }
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let updated = run_update(tx, kind, statements(kind).update, &written).await?;
    let changed = updated.iter().filter_map(|found| {
        let row = by_key.get(&key(kind, found))?;
        let (parent_before, has_new_values) = (found.get("parent_before"), found.get("changed"));
        Some(Change { row, new: false, parent_before, has_new_values })
    });
    let mut changed: Vec<_> = changed.collect();
    changed.sort_by(|a, b| a.row.key().cmp(&b.row.key()));
    Ok(changed)
}

/// The stamps of an existing row.
fn stamps<'f>(kind: Kind, found: &'f tokio_postgres::Row, older: Option<&'f Value>) -> Stamps<'f> {
    let filled: Vec<bool> = found.get("filled");
    let bits = filled.iter().enumerate().filter(|(_, filled)| **filled);
    Stamps {
        newest: Stamp { at: found.get::<_, Option<Timestamp>>("message_at"), id: found.get("message_id") },
        older: Stamps::older_from(older, kind.columns()),
        filled: bits.fold(0, |bits, (column, _)| bits | 1 << column),
    }
}

/// Reads objects by key, sorted by key.
pub(super) async fn read(tx: &Tx<'_>, kind: Kind, keys: &[(&str, i64)]) -> Result<Vec<Object>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys = Keys::of(keys.iter().copied());
    let rows = tx.query(statements(kind).read, &keys.params(kind)).await?;
    let first = if kind == Kind::Issue { 2 } else { 1 };
    let object = |row: &tokio_postgres::Row| {
        let (id, version) = key(kind, row);
        let cells = kind.columns().iter().enumerate().map(|(index, column)| cell(row, first + index, column));
        Object { id: id.to_owned(), version, cells: cells.collect() }
    };
    Ok(rows.iter().map(object).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a `COPY` are matched with columns by position alone.
    #[test]
    fn copies_have_the_columns_of_their_kind_in_order() {
        for kind in Kind::ALL {
            let (_, list) = statements(kind).copy.split_once('(').unwrap();
            let (list, _) = list.split_once(") FROM STDIN").unwrap();
            let listed: Vec<&str> = list.split(',').map(str::trim).collect();
            let version = (kind == Kind::Issue).then_some("version");
            let columns = kind.columns().iter().map(|column| column.name);
            let expected =
                ["id"].into_iter().chain(version).chain(columns).chain(["message_id", "message_at", "older"]);
            assert_eq!(listed, expected.collect::<Vec<_>>(), "{kind:?}");
        }
    }
}
