//! Reads objects by id, with their parents and children; and summaries of checkouts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::objects;
use crate::db::{StoreError, Tx};
use crate::sources::kcidb::record::{Cell, Kind, Object, View};
use crate::sources::kcidb::{render, rules};

/// A query for objects.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Keys by kind, as in [`Kind::ALL`]: id, and version for issues, else 0.
    pub keys: [BTreeSet<(String, i64)>; 5],
    /// Whether to find their parents, transitively.
    pub parents: bool,
    /// Whether to find the children of all of these, transitively.
    pub children: bool,
}

/// The result of a query: objects with the texts of their log excerpts.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Objects by kind, as in [`Kind::ALL`], sorted by key.
    pub objects: [Vec<Object>; 5],
    /// Texts of log excerpts by hash.
    pub excerpts: HashMap<[u8; 32], String>,
}

impl Found {
    /// A document of schema 5.3 with all of them; lists that would be empty are left out.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = r#"{"version":{"major":5,"minor":3}"#.to_owned();
        for (kind, objects) in Kind::ALL.into_iter().zip(&self.objects).filter(|(_, objects)| !objects.is_empty()) {
            let excerpt = |hash: &[u8; 32]| self.excerpts.get(hash).map(String::as_str);
            let list: Vec<String> =
                objects.iter().map(|object| render::object(&View::of(kind, object), excerpt)).collect();
            text.push_str(&format!(",\"{}\":[{}]", kind.list(), list.join(",")));
        }
        text.push('}');
        text
    }
}

/// Finds objects.
///
/// # Errors
/// When a statement fails.
pub async fn find(tx: &Tx<'_>, query: &Query) -> Result<Found, StoreError> {
    let mut keys = query.keys.clone();
    if query.parents {
        let [_, builds, tests, _, incidents] = keys.each_ref().map(ids);
        let rows = tx.query(include_str!("sql/kcidb_find_parents.sql"), &[&tests, &builds, &incidents]).await?;
        add(&mut keys, &rows);
    }
    if query.children {
        let [checkouts, builds, tests, issues, _] = keys.each_ref().map(ids);
        let versions: Vec<i64> = keys[Kind::Issue as usize].iter().map(|(_, version)| *version).collect();
        let rows = tx
            .query(include_str!("sql/kcidb_find_children.sql"), &[&builds, &checkouts, &tests, &issues, &versions])
            .await?;
        add(&mut keys, &rows);
    }
    let mut found = Found::default();
    for kind in Kind::ALL {
        let of_kind: Vec<(&str, i64)> =
            keys[kind as usize].iter().map(|(id, version)| (id.as_str(), *version)).collect();
        found.objects[kind as usize] = objects::read(tx, kind, &of_kind).await?;
    }
    let cells = found.objects.iter().flatten().flat_map(|object| &object.cells).flatten();
    let hashes: BTreeSet<&[u8]> = cells
        .filter_map(|cell| match cell {
            Cell::Excerpt(hash) => Some(&hash[..]),
            _ => None,
        })
        .collect();
    if !hashes.is_empty() {
        let hashes: Vec<&[u8]> = hashes.into_iter().collect();
        let rows = tx.query(include_str!("sql/read_log_excerpts.sql"), &[&hashes]).await?;
        let text = |row: &tokio_postgres::Row| Some((row.get::<_, &[u8]>("sha256").try_into().ok()?, row.get("text")));
        found.excerpts = rows.iter().filter_map(text).collect();
    }
    Ok(found)
}

fn ids(keys: &BTreeSet<(String, i64)>) -> Vec<String> {
    keys.iter().map(|(id, _)| id.clone()).collect()
}

fn add(keys: &mut [BTreeSet<(String, i64)>; 5], rows: &[tokio_postgres::Row]) {
    for row in rows {
        let kind: i32 = row.get("kind");
        if let Some(keys) = usize::try_from(kind).ok().and_then(|kind| keys.get_mut(kind)) {
            keys.insert((row.get("id"), row.get("version")));
        }
    }
}

/// Counts of the builds and tests of a checkout by status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Builds by status; `None` for builds without a result.
    pub builds: BTreeMap<Option<String>, i64>,
    /// Tests by status; `None` for tests without a result.
    pub tests: BTreeMap<Option<String>, i64>,
}

impl Summary {
    /// The worst result of builds and tests together.
    #[must_use]
    pub fn status(&self) -> Option<&'static str> {
        rules::summary(self.builds.keys().chain(self.tests.keys()).map(Option::as_deref))
    }
}

/// Counts the builds and tests of the checkouts $1 by status.
pub(super) const SUMMARY: &str = include_str!("sql/kcidb_summary.sql");

/// Summaries of checkouts, by id; checkouts without builds have none.
///
/// # Errors
/// When the statement fails.
pub async fn summaries(tx: &Tx<'_>, checkouts: &[&str]) -> Result<BTreeMap<String, Summary>, StoreError> {
    let rows = tx.query(SUMMARY, &[&checkouts]).await?;
    let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
    for row in &rows {
        let summary = summaries.entry(row.get("id")).or_default();
        let counts = if row.get::<_, &str>("kind") == "build" { &mut summary.builds } else { &mut summary.tests };
        counts.insert(row.get("status"), row.get("count"));
    }
    Ok(summaries)
}
