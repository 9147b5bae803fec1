//! Files below a folder, in the order in which S3 lists keys: a mirror of the archive, or a folder to drop files into.
//! Blocking.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the folder, with `/` between the parts: as its key in S3 would be.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// What tells whether it is being written.
    pub stamp: Stamp,
}

/// Size and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was changed, where the file system knows.
    pub modified: Option<SystemTime>,
}

/// Why a folder cannot be looked through.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// The regular files below a folder, one by one, in order of their keys, byte by byte as in S3.
///
/// Holds the names of one folder for each level, never those of the whole tree. Folders in which there can be no file
/// that is asked for are not entered, so that a look at a large archive is a look at its end. Links are not followed,
/// and what vanishes meanwhile is left out.
#[derive(Debug)]
pub struct Walk {
    prefix: String,
    after: String,
    /// For each level what is left of its folder; sorted, the next one last.
    levels: Vec<Vec<Entry>>,
}

/// Something in a folder.
#[derive(Debug)]
struct Entry {
    /// With a `/` at the end for a folder, so that entries sort as the keys in them do.
    key: String,
    path: PathBuf,
}

impl Entry {
    fn is_folder(&self) -> bool {
        self.key.ends_with('/')
    }
}

impl Walk {
    /// Files whose keys begin with `prefix` and come after `after`; empty texts for all.
    #[must_use]
    pub fn new(root: &Path, prefix: &str, after: &str) -> Self {
        let root = Entry { key: "/".to_owned(), path: root.to_owned() };
        Self { prefix: prefix.to_owned(), after: after.to_owned(), levels: vec![vec![root]] }
    }

    /// Enters a folder. `Err` when it cannot be read.
    fn enter(&mut self, folder: &Entry) -> Result<(), Unreadable> {
        let failed = |source| Unreadable { path: folder.path.clone(), source };
        // The root has to be there, and has no name.
        let (is_root, above) = if folder.key == "/" { (true, "") } else { (false, folder.key.as_str()) };
        let entries = match std::fs::read_dir(&folder.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_root => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        let mut level = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_hidden(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let key = format!("{above}{name}{}", if kind.is_dir() { "/" } else { "" });
            if (kind.is_dir() || kind.is_file()) && self.is_wanted(&key) {
                level.push(Entry { key, path: entry.path() });
            }
        }
        level.sort_unstable_by(|one, other| other.key.cmp(&one.key));
        self.levels.push(level);
        Ok(())
    }

    fn is_wanted(&self, key: &str) -> bool {
        let below = |text: &str| key.ends_with('/') && text.starts_with(key);
        let has_prefix = key.starts_with(&self.prefix) || below(&self.prefix);
        has_prefix && (key > self.after.as_str() || below(&self.after))
    }
}

impl Iterator for Walk {
    type Item = Result<File, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(entry) = self.levels.last_mut()?.pop() else {
                self.levels.pop();
                continue;
            };
            if entry.is_folder() {
                if let Err(error) = self.enter(&entry) {
                    return Some(Err(error));
                }
            } else if let Ok(data) = entry.path.metadata() {
                let stamp = Stamp { size: data.len(), modified: data.modified().ok() };
                return Some(Ok(File { key: entry.key, path: entry.path, stamp }));
            }
        }
    }
}

/// All files below `root` whose keys come after `after`; see [`Walk`].
///
/// # Errors
/// When a folder cannot be read.
pub fn after(root: &Path, after: &str) -> Result<Vec<File>, Unreadable> {
    Walk::new(root, "", after).collect()
}

/// Whether a name is of no concern: of the system, of ours (`.done`), or of a file that is being written.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".tmp") || name.ends_with(".part")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with empty files.
    fn folder(name: &str, files: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("hummingbird-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&root).ok();
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap_or(&root)).expect("folder");
            std::fs::write(path, "").expect("file");
        }
        root
    }

    fn keys(root: &Path, start: &str) -> Vec<String> {
        after(root, start).expect("readable").into_iter().map(|file| file.key).collect()
    }

    #[test]
    fn keys_are_in_the_order_of_s3() {
        let files = [
            "2026/03/10/b.json",
            "2026/03/10/a.json",
            "2026/03-x",
            "2026/04/c",
            ".done/d",
            "e.tmp",
            "f.part",
            "2026/.g",
        ];
        let root = folder("keys", &files);
        std::os::unix::fs::symlink(root.join("2026/04/c"), root.join("link")).expect("link");
        assert_eq!(keys(&root, ""), ["2026/03-x", "2026/03/10/a.json", "2026/03/10/b.json", "2026/04/c"]);
        assert_eq!(keys(&root, "2026/03/10/a.json"), ["2026/03/10/b.json", "2026/04/c"]);
        assert_eq!(keys(&root, "2026/03/99"), ["2026/04/c"]);
        assert_eq!(keys(&root, "3"), [""; 0]);
        let with = |prefix: &str, after: &str| {
            let walk = Walk::new(&root, prefix, after).map(|file| file.expect("readable").key);
            walk.collect::<Vec<_>>()
        };
        assert_eq!(with("2026/03/", ""), ["2026/03/10/a.json", "2026/03/10/b.json"]);
        assert_eq!(with("2026/03", "2026/03-x"), ["2026/03/10/a.json", "2026/03/10/b.json"]);
        assert_eq!(with("2026/04/c", "2026/03"), ["2026/04/c"]);
        assert_eq!(with("2027/", ""), [""; 0]);
        std::fs::remove_dir_all(&root).ok();
        assert_eq!(after(&root, "").map_err(|error| error.to_string()), Err(format!("cannot read {}", root.display())));
    }
}
