//! `init` from each of its sources, and dumps: written, and loaded again.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::archive::{Folder, gzip};
use crate::support::{self, difference, project, render, store_of};

use super::{live, messages, objects, tables};

/// The command line in a folder, where it keeps its private database.
fn command(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.current_dir(folder).args(arguments).env_remove("DATABASE_URL").env("RUST_LOG", "warn");
    // Not the files that this machine may have under the default paths.
    command.env("INIT_DUMP_PATH", "none").env("LOCAL_MIRROR_PATH", "none").env_remove("S3_BUCKET");
    command.envs(variables.iter().copied()).output().unwrap()
}

fn succeed(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = command(folder, arguments, variables);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn fail(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = command(folder, arguments, variables);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// All rows, with times of receipt.
async fn everything(url: &str) -> String {
    let store = store_of(url, 1);
    let received = render::rows(&store, "SELECT name || received_at FROM pipelineruns ORDER BY name").await.join("\n");
    format!("{}{received}", render::all(&store).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_can_be_written_and_loaded() {
    let folder = Folder::new("init-dump");
    let at = folder.0.as_path();
    let samples = project("events");
    succeed(at, &["db", "start"], &[]);
    succeed(at, &["up", "--once", "--events", samples.to_str().unwrap()], &[]);
    let url = succeed(at, &["db", "url"], &[]);
    let before = everything(url.trim()).await;
    let dumped = command(at, &["db", "dump", "plain.sql"], &[]);
    if String::from_utf8_lossy(&dumped.stderr).contains("not on PATH") {
        // Some packages have the server only, without the client programs.
        eprintln!("no test of dumps: this machine has no client programs of PostgreSQL");
        succeed(at, &["db", "stop"], &[]);
        return;
    }
    assert!(dumped.status.success(), "{dumped:?}");
    // The file is readable by its owner only, and an existing file is not overwritten.
    let mode =
        |name: &str| std::os::unix::fs::PermissionsExt::mode(&at.join(name).metadata().unwrap().permissions()) & 0o777;
    assert_eq!(mode("plain.sql"), 0o600);
    let plain = std::fs::read(at.join("plain.sql")).unwrap();
    assert!(fail(at, &["db", "dump", "plain.sql"], &[]).contains("--force"));
    assert_eq!(std::fs::read(at.join("plain.sql")).unwrap(), plain);
    std::fs::write(at.join("plain.sql.part"), "readable by others").unwrap();
    succeed(at, &["db", "dump", "--force", "plain.sql"], &[]);
    assert_eq!((mode("plain.sql"), std::fs::read(at.join("plain.sql")).unwrap().len()), (0o600, plain.len()));
    // A link is not followed: it counts as an existing file, and is replaced.
    std::fs::write(at.join("elsewhere"), "not a dump").unwrap();
    std::os::unix::fs::symlink(at.join("elsewhere"), at.join("link.sql")).unwrap();
    assert!(fail(at, &["db", "dump", "link.sql"], &[]).contains("--force"));
    succeed(at, &["db", "dump", "--force", "link.sql"], &[]);
    assert!(at.join("link.sql").symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read_to_string(at.join("elsewhere")).unwrap(), "not a dump");
    succeed(at, &["db", "dump", "--format", "custom", "custom.dump"], &[]);
    let plain = std::fs::read(at.join("plain.sql")).unwrap();
    std::fs::write(at.join("packed.sql.gz"), gzip(&plain)).unwrap();
    std::fs::write(at.join("broken.sql"), [&plain[..], b"SELECT 1/0;\n"].concat()).unwrap();
    let packed = gzip(&plain);
    std::fs::write(at.join("cut.sql.gz"), &packed[..packed.len() / 2]).unwrap();
    let custom = std::fs::read(at.join("custom.dump")).unwrap();
    std::fs::write(at.join("cut.dump"), &custom[..custom.len() * 2 / 3]).unwrap();
    std::fs::write(at.join("data.sql"), "COPY components FROM stdin;\n\\.\n").unwrap();

    succeed(at, &["db", "reset", "--force"], &[]);
    succeed(at, &["db", "start"], &[]);
    succeed(at, &["init"], &[("INIT_DUMP_PATH", "plain.sql")]);
    let url = succeed(at, &["db", "url"], &[]);
    let after = everything(url.trim()).await;
    assert!(after == before, "{}", difference(&before, &after));

    // A database with data is overwritten with `--force` only; and completely or not at all.
    let error = fail(at, &["init"], &[("INIT_DUMP_PATH", "custom.dump")]);
    assert!(error.contains("is not empty") && error.contains("--force"), "{error}");
    for (dump, why) in [
        ("broken.sql", "division by zero"),
        ("cut.sql.gz", "cannot read"),
        ("cut.dump", "pg_restore"),
        ("data.sql", "makes no table"),
    ] {
        let failed = fail(at, &["init", "--force"], &[("INIT_DUMP_PATH", dump)]);
        assert!(failed.contains(why), "{dump}: {failed}");
        assert!(everything(url.trim()).await == before, "{dump}: something was changed");
    }
    // A dump is data and no script, where psql can be restricted to that.
    let evil = [b"\\! touch pwned\n", &plain[..], b"\\! touch pwned\n"].concat();
    std::fs::write(at.join("evil.sql"), evil).unwrap();
    let said = command(at, &["init", "--force"], &[("INIT_DUMP_PATH", "evil.sql")]);
    let said = [said.stdout, said.stderr].concat();
    if String::from_utf8_lossy(&said).contains("only load one that you trust") {
        eprintln!("no test of a dump that is a program: this psql runs it");
    } else {
        assert!(everything(url.trim()).await == before, "{}", String::from_utf8_lossy(&said));
        assert!(!at.join("pwned").exists(), "a dump ran a program");
    }
    let remove = "DELETE FROM pipelineruns; CREATE TABLE other (x integer)";
    for dump in ["custom.dump", "packed.sql.gz"] {
        store_of(url.trim(), 1).script(remove, support::deadline()).await.unwrap();
        succeed(at, &["init", "--force"], &[("INIT_DUMP_PATH", dump)]);
        let after = everything(url.trim()).await;
        assert!(after == before, "{dump}: {}", difference(&before, &after));
    }
    // A loaded database can be dumped and loaded again.
    succeed(at, &["db", "dump", "again.sql"], &[]);
    succeed(at, &["init", "--force"], &[("INIT_DUMP_PATH", "again.sql")]);
    assert!(everything(url.trim()).await == before);
    succeed(at, &["db", "stop"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_from_a_mirror_resumes_where_it_ended() {
    let messages = messages(200);
    let expected = live(&messages).await;
    let all = objects(&messages);
    let (first, later) = all.split_at(all.len() / 2);
    let mirror = Folder::of("init-mirror", first);
    let path = mirror.0.to_str().unwrap();
    let url = support::bare_database("init_mirror").await;
    let variables = [("DATABASE_URL", url.as_str()), ("LOCAL_MIRROR_PATH", path)];
    let done = succeed(&mirror.0, &["init"], &variables);
    assert!(done.contains(&format!("\"objects\":{}", first.len())), "{done}");
    for (key, bytes) in later {
        crate::support::archive::put(&mirror.0, key, bytes);
    }
    let done = succeed(&mirror.0, &["init"], &variables);
    assert!(done.contains(&format!("\"objects\":{}", later.len())), "{done}");
    let found = tables(&store_of(&url, 1)).await;
    assert!(found == expected, "{}", difference(&expected, &found));
    let anew = succeed(&mirror.0, &["init", "--force"], &variables);
    assert!(anew.contains(&format!("\"objects\":{}", all.len())), "{anew}");
    let nothing = succeed(&mirror.0, &["init"], &[("DATABASE_URL", &url)]);
    assert!(nothing.contains("Nothing to fill it from"), "{nothing}");
    let error = fail(&mirror.0, &["init"], &[("DATABASE_URL", &url), ("INIT_DUMP_PATH", "/etc/hostname")]);
    assert!(error.contains("is not empty"), "{error}");
}
