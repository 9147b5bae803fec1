//! Commits by the beginning of their hash, as people copy them.

use super::{Reader, StoreError, Tx};

const BEGINNING: &str = include_str!("sql/commits_beginning.sql");
/// Fewest digits that git takes for a hash.
const SHORTEST: usize = 4;
/// Commits that are named where several begin alike.
const MOST: i64 = 10;

super::rows! {
    /// A commit.
    pub struct NamedCommit {
        /// Its whole hash.
        pub sha: String,
    }
}

/// What somebody who names a commit may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// This one: the whole hash in lower case, or a text as it is that is no part of any.
    One(String),
    /// One of these, or of more than are here.
    Several(Vec<String>),
}

/// The digits of a hash that is not whole, in lower case; else the text as a commit.
fn beginning(text: &str) -> Result<String, Commit> {
    let is_hash = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_short = (SHORTEST..64).contains(&text.len()) && text.len() != 40;
    match (is_hash, is_short) {
        (true, true) => Ok(text.to_ascii_lowercase()),
        (true, false) => Err(Commit::One(text.to_ascii_lowercase())),
        (false, _) => Err(Commit::One(text.to_owned())),
    }
}

fn meant(beginning: String, found: Vec<NamedCommit>) -> Commit {
    let mut found: Vec<String> = found.into_iter().map(|commit| commit.sha).collect();
    match found.len() {
        0 => Commit::One(beginning),
        1 => Commit::One(found.remove(0)),
        _ => Commit::Several(found),
    }
}

/// The commit that a hash, or the beginning of one, means.
///
/// # Errors
/// As [`Reader::read`].
pub async fn commit(reader: &mut Reader, text: &str) -> Result<Commit, StoreError> {
    match beginning(text) {
        Ok(beginning) => {
            let found = reader.read(BEGINNING, &[&beginning, &MOST]).await?;
            Ok(meant(beginning, found))
        }
        Err(commit) => Ok(commit),
    }
}

/// The same in a transaction.
///
/// # Errors
/// When the statement fails.
pub async fn commit_in(tx: &Tx<'_>, text: &str) -> Result<Commit, StoreError> {
    match beginning(text) {
        Ok(beginning) => {
            let found = tx.read(BEGINNING, &[&beginning, &MOST]).await?;
            Ok(meant(beginning, found))
        }
        Err(commit) => Ok(commit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_of_hashes_are_looked_for() {
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
            assert_eq!(beginning(text), expected, "{text}");
        }
    }
}
