//! Looks for files below a folder. Blocking.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its path below the folder, with `/` between the parts: as its key in S3 would be.
    pub(super) key: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// What tells whether it is being written.
    pub(super) stamp: Stamp,
}

/// Size and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub(super) size: u64,
    /// When it was changed, where the file system knows.
    pub(super) modified: Option<SystemTime>,
}

/// Why a folder cannot be looked through.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub(super) struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// The regular files below `root` whose keys come after `after`, in order of their keys, byte by byte as in S3.
///
/// Folders in which there can be no such file are not entered, so that a look at a large archive is a look at its end.
/// Links are not followed, and what vanishes meanwhile is left out. `Err` when a folder cannot be read.
pub(super) fn after(root: &Path, after: &str) -> Result<Vec<File>, Unreadable> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed = |source| Unreadable { path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            // The root has to be there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !prefix.is_empty() => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_hidden(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            let key = format!("{prefix}{name}");
            if kind.is_dir() {
                let prefix = format!("{key}/");
                if prefix.as_str() > after || after.starts_with(&prefix) {
                    folders.push((entry.path(), prefix));
                }
            } else if kind.is_file() && key.as_str() > after {
                let Ok(data) = entry.metadata() else { continue };
                let stamp = Stamp { size: data.len(), modified: data.modified().ok() };
                found.push(File { key, path: entry.path(), stamp });
            }
        }
    }
    found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
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
        std::fs::remove_dir_all(&root).ok();
        assert_eq!(after(&root, "").map_err(|error| error.to_string()), Err(format!("cannot read {}", root.display())));
    }
}
