//! The rows that a transaction changed, whose checks it has to write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::check::Check;
use super::series::BranchCommit;

/// What the sources changed in one transaction. They add to it while they write; after the last of them, the checks of
/// all of it are written at once.
#[derive(Debug, Default)]
pub struct Touched {
    /// Keys of changed rows, by table. A row that is not there any more loses its check.
    rows: BTreeMap<&'static str, BTreeSet<String>>,
    /// Checks of changed rows, by table and key, where the statement that wrote a row returned all of it; `None` for a
    /// row that is no check.
    derived: BTreeMap<(&'static str, String), Option<Check>>,
    repositories: BTreeMap<(String, String), Repository>,
    pushes: BTreeSet<BranchCommit>,
    deleted_branches: BTreeSet<(String, String)>,
    unsettled: BTreeSet<[String; 3]>,
    silent: bool,
}

/// What a message says about a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    /// When it said so: the newest message decides.
    pub said_at: Timestamp,
    /// Its default branch.
    pub default_branch: String,
    /// Its id at its host.
    pub upstream_id: Option<String>,
}

impl Touched {
    /// What a transaction changes; with `silent` nothing is announced of it.
    #[must_use]
    pub fn new(silent: bool) -> Self {
        Self { silent, ..Self::default() }
    }

    /// Announces nothing of what is changed.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// Whether nothing is announced of what is changed.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// Adds keys of changed rows of a table, which are to be read.
    pub fn add<K: Into<String>>(&mut self, kind: &'static str, keys: impl IntoIterator<Item = K>) {
        for key in keys.into_iter().map(Into::into) {
            self.derived.remove(&(kind, key.clone()));
            self.rows.entry(kind).or_default().insert(key);
        }
    }

    /// Adds a changed row of a table with its check, which was derived of all of the row; `None` for a row that is no
    /// check. If the transaction changes the row again, it has to be added again.
    pub fn add_derived(&mut self, kind: &'static str, key: &str, check: Option<Check>) {
        self.rows.entry(kind).or_default().insert(key.to_owned());
        self.derived.insert((kind, key.to_owned()), check);
    }

    /// Adds what a message says about the repository `repo` on `host`.
    pub fn add_repository(&mut self, host: &str, repo: &str, said: Repository) {
        let newest = self.repositories.entry((host.to_owned(), repo.to_owned())).or_insert_with(|| said.clone());
        if *newest < said {
            *newest = said;
        }
    }

    /// Adds the push of a commit to a branch that was changed, as (repository, branch, hash).
    pub fn add_push(&mut self, push: BranchCommit) {
        self.pushes.insert(push);
    }

    /// The pushes that were changed.
    #[must_use]
    pub fn pushes(&self) -> &BTreeSet<BranchCommit> {
        &self.pushes
    }

    /// Adds a check, by system, table and key, whose series was never settled. The caller has locked its row.
    pub fn add_unsettled(&mut self, check: [String; 3]) {
        self.unsettled.insert(check);
    }

    /// The checks whose series were never settled.
    #[must_use]
    pub fn unsettled(&self) -> &BTreeSet<[String; 3]> {
        &self.unsettled
    }

    /// Adds that a branch, as (repository, branch), was deleted.
    pub fn add_deleted_branch(&mut self, branch: (String, String)) {
        self.deleted_branches.insert(branch);
    }

    /// The branches that were deleted.
    #[must_use]
    pub fn deleted_branches(&self) -> &BTreeSet<(String, String)> {
        &self.deleted_branches
    }

    /// Keys of the changed rows of a table, sorted.
    #[must_use]
    pub fn keys(&self, kind: &str) -> Vec<&str> {
        self.rows.get(kind).into_iter().flatten().map(String::as_str).collect()
    }

    /// Keys of the changed rows of a table whose checks are not derived yet, sorted.
    #[must_use]
    pub fn unread_keys(&self, kind: &'static str) -> Vec<&str> {
        let is_unread = |key: &&String| !self.derived.contains_key(&(kind, (*key).clone()));
        self.rows.get(kind).into_iter().flatten().filter(is_unread).map(String::as_str).collect()
    }

    /// The checks that are derived already.
    pub fn derived(&self) -> impl Iterator<Item = &Check> {
        self.derived.values().flatten()
    }

    /// The tables with changed rows.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.rows.keys().copied()
    }

    /// The repositories that messages speak of, as ((host, path), what was said), sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<(&(String, String), &Repository)> {
        self.repositories.iter().collect()
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.repositories.is_empty()
            && self.pushes.is_empty()
            && self.deleted_branches.is_empty()
            && self.unsettled.is_empty()
    }

    /// Adds all that another part of the transaction changed.
    pub fn extend(&mut self, other: Self) {
        for (kind, keys) in other.rows {
            self.add(kind, keys);
        }
        self.derived.extend(other.derived);
        for ((host, repo), said) in other.repositories {
            self.add_repository(&host, &repo, said);
        }
        self.pushes.extend(other.pushes);
        self.deleted_branches.extend(other.deleted_branches);
        self.unsettled.extend(other.unsettled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_changed_again_is_read_again() {
        let mut touched = Touched::default();
        for key in ["a", "b", "c"] {
            touched.add_derived("t", key, None);
        }
        touched.add("t", ["b", "d"]);
        assert_eq!((touched.keys("t"), touched.unread_keys("t")), (vec!["a", "b", "c", "d"], vec!["b", "d"]));
        // Parts of a transaction, in their order.
        let mut later = Touched::default();
        later.add("t", ["c"]);
        later.add_derived("t", "d", None);
        touched.extend(later);
        assert_eq!((touched.keys("t").len(), touched.unread_keys("t")), (4, vec!["b", "c"]));
        assert_eq!(touched.derived().count(), 0);
    }
}
