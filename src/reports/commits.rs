//! Finds commits by the first digits of their hash.

use crate::db::{Reader, StoreError, Tx};

const PREFIX: &str = include_str!("sql/commits_by_prefix.sql");
/// Fewest digits of an abbreviated hash, as in git.
const SHORTEST: usize = 4;
/// Most commits that are returned for an ambiguous prefix.
const MOST: i64 = 10;

crate::db::rows! {
    /// A commit.
    pub struct NamedCommit {
        /// The whole hash.
        pub sha: String,
    }
}

/// The result of a search for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// This commit: the whole hash in lower case, or the given text where no stored commit matches.
    One(String),
    /// The prefix is ambiguous: the first commits that match.
    Several(Vec<String>),
}

/// The digits of an abbreviated hash, in lower case; `Err` with the text as a commit if it is none.
fn prefix(text: &str) -> Result<String, Commit> {
    let is_hash = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_short = (SHORTEST..64).contains(&text.len()) && text.len() != 40;
    match (is_hash, is_short) {
        (true, true) => Ok(text.to_ascii_lowercase()),
        (true, false) => Err(Commit::One(text.to_ascii_lowercase())),
        (false, _) => Err(Commit::One(text.to_owned())),
    }
}

fn result(prefix: String, found: Vec<NamedCommit>) -> Commit {
    let mut found: Vec<String> = found.into_iter().map(|commit| commit.sha).collect();
    match found.len() {
        0 => Commit::One(prefix),
        1 => Commit::One(found.remove(0)),
        _ => Commit::Several(found),
    }
}

/// The commit of a hash, or of its first digits.
///
/// # Errors
/// As [`Reader::read`].
pub async fn commit(reader: &mut Reader, text: &str) -> Result<Commit, StoreError> {
    match prefix(text) {
        Ok(prefix) => {
            let found = reader.read(PREFIX, &[&prefix, &MOST]).await?;
            Ok(result(prefix, found))
        }
        Err(commit) => Ok(commit),
    }
}

/// The same in a transaction.
///
/// # Errors
/// When the statement fails.
pub async fn commit_in(tx: &Tx<'_>, text: &str) -> Result<Commit, StoreError> {
    match prefix(text) {
        Ok(prefix) => {
            let found = tx.read(PREFIX, &[&prefix, &MOST]).await?;
            Ok(result(prefix, found))
        }
        Err(commit) => Ok(commit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abbreviated_hashes_are_searched_for() {
        let one = |text: &str| Err(Commit::One(text.to_owned()));
        for (text, expected) in [
            ("abcd", Ok("abcd".to_owned())),
            ("ABCDEF12", Ok("abcdef12".to_owned())),
            (&"a".repeat(39), Ok("a".repeat(39))),
            (&"a".repeat(41), Ok("a".repeat(41))),
            ("abc", one("abc")),
            ("", one("")),
            ("HEAD", one("HEAD")),
            ("abcdefgh", one("abcdefgh")),
            (&"A".repeat(40), one(&"a".repeat(40))),
            (&"A".repeat(64), one(&"a".repeat(64))),
        ] {
            assert_eq!(prefix(text), expected, "{text}");
        }
    }
}
