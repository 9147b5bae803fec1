//! Lists and reads files below a folder, in the order in which S3 lists keys. The folder is a mirror of the archive, or
//! a folder that files are dropped into. The functions block the thread.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, mkdirat, open, openat, renameat, renameat_with, statat};
use rustix::io::Errno;

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the folder, with `/` between the parts: as its key in S3 would be.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size and time when it was listed. A change between two listings shows that the file is still being written.
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

impl File {
    /// Reads the whole file, if it is a regular file now and has at most `most` bytes. The folder was listed some time
    /// ago, so the file or a folder below the root may have been replaced since: links are not followed, and pipes are
    /// not waited for.
    ///
    /// # Errors
    /// When it cannot be opened or read, has more than `most` bytes, or is not a regular file.
    pub fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        let (folder, name) = self.folder()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = std::fs::File::from(openat(&folder, name, flags, Mode::empty())?);
        let kind = file.metadata()?;
        if !kind.is_file() {
            return Err(io::Error::other("not a regular file any more"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(kind.len().min(most)).unwrap_or(0));
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {most} bytes")));
        }
        Ok(bytes)
    }

    /// Moves the file into the folder `kept` of the root, below which it keeps its path. If a file of that name exists
    /// there, a number is added to the name. Links are not followed.
    ///
    /// # Errors
    /// When a folder cannot be opened or created, or the file cannot be moved.
    pub fn move_into(&self, kept: &str) -> io::Result<()> {
        let (from, name) = self.folder()?;
        let (root, parts) = self.parts()?;
        let mut to = open_root(root)?;
        for part in [OsStr::new(kept)].into_iter().chain(parts[..parts.len() - 1].iter().copied()) {
            match mkdirat(&to, part, Mode::from_bits_retain(0o755)) {
                Err(error) if error != Errno::EXIST => return Err(error.into()),
                _ => to = open_folder(&to, part)?,
            }
        }
        let mut free = name.to_owned();
        for number in 1_u32.. {
            match renameat_with(&from, name, &to, &free, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                // Some file systems do not support `RENAME_NOREPLACE`.
                Err(Errno::INVAL | Errno::NOSYS) => match statat(&to, &free, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => return Ok(renameat(&from, name, &to, &free)?),
                    Err(error) => return Err(error.into()),
                    Ok(_) => {}
                },
                result => return Ok(result?),
            }
            free = name.to_owned();
            free.push(format!(".{number}"));
        }
        Ok(())
    }

    /// The root, and the parts of the path below it.
    fn parts(&self) -> io::Result<(&Path, Vec<&OsStr>)> {
        let depth = self.key.split('/').count();
        let root = self.path.ancestors().nth(depth).ok_or_else(|| io::Error::other("no folder"))?;
        let below = self.path.strip_prefix(root).map_err(io::Error::other)?;
        Ok((root, below.iter().collect()))
    }

    /// Opens the folder of the file; returns it with the file's name.
    fn folder(&self) -> io::Result<(OwnedFd, &OsStr)> {
        let (root, parts) = self.parts()?;
        let (name, folders) = parts.split_last().ok_or_else(|| io::Error::other("no name"))?;
        let mut folder = open_root(root)?;
        for part in folders {
            folder = open_folder(&folder, part)?;
        }
        Ok((folder, name))
    }
}

/// The root may be a link, because the operator has configured it.
fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    Ok(open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn open_folder(above: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above, name, flags, Mode::empty())?)
}

/// A folder cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// Iterates over the regular files below a folder, ordered by the bytes of their keys as in S3.
///
/// Holds the names of one folder for each level, never those of the whole tree. Folders that cannot contain a requested
/// key are not read, so listing the end of a large archive reads only its last folders. Links are not followed; files
/// that are deleted meanwhile are left out.
#[derive(Debug)]
pub struct Walk {
    prefix: String,
    after: String,
    /// For each level the entries that remain; sorted, the next one last.
    levels: Vec<Vec<Entry>>,
}

/// A file or folder in a folder.
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
        // The root must exist, and is not part of keys.
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
            if (kind.is_dir() || kind.is_file()) && self.includes(&key) {
                level.push(Entry { key, path: entry.path() });
            }
        }
        level.sort_unstable_by(|one, other| other.key.cmp(&one.key));
        self.levels.push(level);
        Ok(())
    }

    /// Whether a file is requested, or a folder may contain requested files.
    fn includes(&self, key: &str) -> bool {
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
            } else if let Ok(data) = entry.path.symlink_metadata()
                && data.is_file()
            {
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

/// Whether a name is ignored: hidden files, our own folders (`.done`), and files that are being written.
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

    fn found(root: &Path, key: &str) -> File {
        after(root, "").expect("readable").into_iter().find(|file| file.key == key).expect(key)
    }

    /// Files and folders may be replaced between listing and reading.
    #[test]
    fn a_file_replaced_since_the_listing_is_not_read() {
        use std::os::unix::fs::symlink;
        let root = folder("exchanged", &["a/b/file", "other/file", "pipe", "large"]);
        let secret = folder("exchanged-elsewhere", &["file"]);
        std::fs::write(secret.join("file"), "secret").expect("file");
        std::fs::write(root.join("large"), "12345").expect("file");
        let [file, pipe, large] = ["a/b/file", "pipe", "large"].map(|key| found(&root, key));
        assert_eq!(large.read(5).ok().as_deref(), Some(&b"12345"[..]));
        assert!(large.read(4).is_err(), "grown since");
        std::fs::remove_file(root.join("a/b/file")).expect("file");
        symlink(secret.join("file"), root.join("a/b/file")).expect("link");
        assert!(file.read(9).is_err(), "a link");
        std::fs::remove_dir_all(root.join("a")).expect("folder");
        std::fs::create_dir(root.join("a")).expect("folder");
        symlink(&secret, root.join("a/b")).expect("link");
        assert!(file.read(9).is_err(), "a link in the place of a folder");
        std::fs::remove_file(root.join("pipe")).expect("file");
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .expect("pipe");
        assert!(pipe.read(9).is_err(), "a pipe, which would be waited for");
        // `/dev/zero` has no end, and is not a regular file.
        let device = File { key: "zero".to_owned(), path: PathBuf::from("/dev/zero"), stamp: large.stamp };
        assert!(device.read(9).is_err());
        for folder in [root, secret] {
            std::fs::remove_dir_all(folder).ok();
        }
    }

    #[test]
    fn files_are_moved_below_the_root_and_replace_none() {
        let root = folder("moved", &["a/b", "c"]);
        let elsewhere = folder("moved-elsewhere", &["x"]);
        for _ in 0..3 {
            std::fs::create_dir_all(root.join("a")).expect("folder");
            std::fs::write(root.join("a/b"), "").expect("file");
            found(&root, "a/b").move_into(".done").expect("moves");
        }
        for moved in [".done/a/b", ".done/a/b.1", ".done/a/b.2"] {
            assert!(root.join(moved).is_file(), "{moved}");
        }
        // A link in the place of a folder leads out of the root.
        std::fs::remove_dir_all(root.join(".done")).expect("folder");
        std::os::unix::fs::symlink(&elsewhere, root.join(".done")).expect("link");
        assert!(found(&root, "c").move_into(".done").is_err());
        assert!(root.join("c").is_file() && !elsewhere.join("c").exists());
        for folder in [root, elsewhere] {
            std::fs::remove_dir_all(folder).ok();
        }
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
