//! The folders of throwaway clusters. Each process has its own, so that simultaneous test runs never share a server
//! that one of them ends.

use std::fs;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::local::error::{LocalError, io_error};
use crate::local::folder::{Folder, Lock, is_held, make_folder, remove_folder};
use crate::local::{Cluster, Profile};

/// The prefix of the folder names, before the process id and a number.
const PREFIX: &str = "throwaway-";

/// A folder in `root` that no other cluster has, of this process or another living one.
pub(super) fn folder_in(root: &Folder) -> Folder {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Folder(root.0.join(format!("{PREFIX}{}-{number}", process::id())))
}

impl Cluster {
    /// Locks the cluster's folder. That of a throwaway cluster is made first, after removing those whose owner has
    /// ended.
    pub(super) fn enter(&self) -> Result<Lock, LocalError> {
        if self.profile == Profile::Durable {
            return self.folder.lock();
        }
        // Held while the folder is made and locked, so that no other process removes it as abandoned.
        let _root = self.root.lock()?;
        self.remove_abandoned()?;
        make_folder(&self.folder.0)?;
        self.folder.lock()
    }

    /// Removes the throwaway folders that no process owns or starts: those left by a killed watchdog or a crash of the
    /// machine. A folder that cannot be removed is left to the next run. `Err` when the folders cannot be listed.
    fn remove_abandoned(&self) -> Result<(), LocalError> {
        let entries = fs::read_dir(&self.root.0).map_err(io_error("list", &self.root.0))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_throwaway = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
            let folder = Folder(path);
            if is_throwaway && !in_use(&folder) {
                self.stop_in(&folder).ok();
                remove_folder(&folder.0).ok();
            }
        }
        Ok(())
    }
}

/// Whether a living process starts, owns or removes the cluster in `folder`.
fn in_use(folder: &Folder) -> bool {
    [folder.lock_file(), folder.owner_file(), folder.watchdog_file()].iter().any(|path| is_held(path))
}
