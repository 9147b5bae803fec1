//! The commands as processes: exit status, standard output and standard error, and files that they must not create.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use hummingbird_status::ingest::ingest;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::{Delivery, Rejection};

use crate::support::archive::Folder;
use crate::support::source::sources;
use crate::support::{self, Db, deadline, project, render};

fn program(arguments: &[&str], url: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.args(arguments).stdin(Stdio::null()).env_remove("DATABASE_URL").env_remove("COLUMNS").env("NO_PROXY", "*");
    command.envs(url.map(|url| ("DATABASE_URL", url)));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(arguments: &[&str], db: &Db) -> Output {
    program(arguments, Some(&db.url)).output().unwrap()
}

fn heartbeat(name: &str) -> String {
    format!(r#"{{"name":"{name}","status":"ok","comment":"{}"}}"#, "all is well here ".repeat(8))
}

/// A database with a bot, a rejected message and builds without notifications.
async fn filled() -> Db {
    let db = support::database().await;
    let delivery = |id: &str, body: Vec<u8>| Delivery { id: id.to_owned(), body, ..Delivery::default() };
    let mut all = vec![delivery("bot", heartbeat("b").into_bytes()), delivery("broken", b"no JSON".to_vec())];
    for (name, body) in support::files("events/buildkite", ".json") {
        all.push(delivery(&name, body));
    }
    ingest(&db.store, &all, &Settings::default(), deadline()).await;
    db
}

/// Runs a command whose reader closes the pipe after so many lines; returns exit status and the other stream.
fn ended_after(mut command: Command, lines: usize, of_errors: bool) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (other, into) = std::io::pipe().unwrap();
    match of_errors {
        true => command.stderr(writer).stdout(into),
        false => command.stdout(writer).stderr(into),
    };
    let mut reader = Some(BufReader::new(reader));
    if lines == 0 {
        reader = None;
    }
    let mut child = command.spawn().unwrap();
    // This process must close its writing ends.
    drop(command);
    let rest = std::thread::spawn(move || {
        let mut rest = Vec::new();
        BufReader::new(other).read_to_end(&mut rest).unwrap();
        text(&rest)
    });
    if let Some(reader) = &mut reader {
        (0..lines).for_each(|_| drop(reader.read_line(&mut String::new())));
    }
    drop(reader);
    let status = child.wait().unwrap();
    (status.code(), rest.join().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_changes_no_exit_status_and_is_not_reported() {
    let db = filled().await;
    let folder = Folder::new("closed-pipe");
    let file = folder.0.join("event.json");
    std::fs::write(&file, format!("{}\n{{\"x\": 1}}", heartbeat("c"))).unwrap();
    let (file, mirror) = (file.to_str().unwrap(), folder.0.to_str().unwrap());
    let events = project("events/bots");
    let commands: &[&[&str]] = &[
        &["--help"],
        &["--version"],
        &["explain", "--help"],
        &["explain", "bot", "b"],
        &["explain", "bot", "none"],
        &["explain", "delivery", "e1"],
        &["wait", "0000000", "--timeout", "0s"],
        &["wait", "0000000", "--timeout", "0s", "--json"],
        &["wait", "nonsense"],
        &["status"],
        &["status", "acme/app", "main"],
        &["rejected", "list"],
        &["rejected", "show", "broken"],
        &["rejected", "replay"],
        &["deliveries", "list"],
        &["deliveries", "list", "--state", "unrouted"],
        &["deliveries", "show", "e1"],
        &["deliveries", "retry", "--dead"],
        &["deliveries", "prune", "--dry-run"],
        &["ingest", file, file],
        &["backfill", "--mirror", mirror],
        &["backfill", "status"],
        &["init"],
        &["maintenance"],
        &["maintenance", "--dry-run"],
        &["migrate"],
        &["reconcile", "--dry-run", "--gitlab-url", "http://127.0.0.1:1"],
        &["deliver", "--once"],
        &["redrive"],
        &["up", "--once", "--events", events.to_str().unwrap()],
        &["nonsense"],
    ];
    for arguments in commands {
        let command = || {
            let mut command = program(arguments, Some(&db.url));
            command.current_dir(&folder.0);
            command
        };
        let whole = command().output().unwrap().status.code();
        assert!(whole.is_some(), "{arguments:?}");
        for (lines, of_errors) in [(0, false), (1, false), (3, false), (0, true), (1, true)] {
            let (status, other) = ended_after(command(), lines, of_errors);
            assert_eq!(status, whole, "{arguments:?} closed after {lines} lines: {other}");
            let wrong = ["panicked", "Broken pipe", "os error 32"].iter().any(|word| other.contains(word));
            assert!(!wrong, "{arguments:?} closed after {lines} lines: {other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_output_is_a_failure() {
    let db = filled().await;
    for arguments in [
        &["explain", "bot", "b"][..],
        &["rejected", "show", "broken"],
        &["deliveries", "list"],
        &["wait", "0000000", "--timeout", "0s"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program(arguments, Some(&db.url)).stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert!(
            !output.status.success() && said.contains("cannot write to standard output: "),
            "{arguments:?}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_shows_its_own_reason() {
    let db = support::database().await;
    let folder = Folder::new("own-reasons");
    let record = |id: &str, body: &str| serde_json::json!({"messageId": id, "receiptHandle": id, "body": body});
    let event = serde_json::json!({"Records": [
        record("kept", &heartbeat("a")), record("ignored", r#"{"object_kind": "wiki_page"}"#), record("broken", "no \
            JSON"),
        record("both", &format!("{}\n{{\"event\": \"nonsense:start\", \"payload\": {{}}}}", heartbeat("b"))),
    ]});
    let (event_file, file) = (folder.0.join("event.json"), folder.0.join("plain.json"));
    std::fs::write(&event_file, event.to_string()).unwrap();
    std::fs::write(&file, "no JSON either").unwrap();
    let output = run(&["ingest", event_file.to_str().unwrap(), file.to_str().unwrap()], &db);
    let said = text(&output.stderr);
    let row = |word: &str| {
        said.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {said}")).to_owned()
    };
    assert!(!row(" kept ").contains("ignored:") && !row("┆ kept").contains("refused:"), "{said}");
    assert!(row("┆ ignored ┆").contains("ignored: ") && !row("┆ ignored ┆").contains("refused:"), "{said}");
    assert!(row("┆ broken").contains("refused: not-json (1)") && !row("┆ broken").contains("ignored:"), "{said}");
    assert!(row("┆ both").contains("refused: unknown-type (1)"), "{said}");
    assert!(row("plain.json").contains("refused: not-json (1)"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_equal_names_keep_their_bytes() {
    let db = support::database().await;
    let folder = Folder::new("one-name");
    let ingested = |name: &str, bytes: &[u8]| {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        run(&["ingest", path.to_str().unwrap()], &db)
    };
    for name in ["a.json", "odd name ☃ 'x'.json", &format!("{}/x.json", vec!["x".repeat(200); 6].join("/"))] {
        for bytes in [&b"first"[..], b"second", b"first", b"third\0"] {
            ingested(name, bytes);
        }
    }
    let found =
        render::rows(&db.store, "SELECT encode(body, 'escape') FROM refused ORDER BY id COLLATE \"C\", sent_at").await;
    let bodies = |word: &str| found.iter().filter(|body| body.contains(word)).count();
    assert_eq!((bodies("first"), bodies("second"), bodies("third")), (3, 3, 3), "{found:?}");

    // A message with an id and a time is one message, whatever bytes its envelopes have, in one batch or in several.
    let dated = |body: &str| Delivery {
        id: "dated".to_owned(),
        body: body.into(),
        sent_at: Some("2026-03-10T10:00:00Z".parse().unwrap()),
        ..Delivery::default()
    };
    for batch in [vec![dated("one"), dated("two"), dated("one")], vec![dated("two"), dated("three")]] {
        ingest(&db.store, &batch, &Settings::default(), deadline()).await;
    }
    let found = render::rows(&db.store, "SELECT encode(body, 'escape') FROM refused WHERE id = 'dated'").await;
    assert_eq!(found, ["one"]);
}

/// The former names of commands are hidden aliases, for scripts that use them.
#[tokio::test(flavor = "multi_thread")]
async fn former_names_of_commands_work() {
    let db = filled().await;
    for arguments in [&["refused", "list"][..], &["upkeep", "--dry-run"], &["page", "--help"]] {
        let output = run(arguments, &db);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    let help = text(&run(&["--help"], &db).stdout);
    for former in ["refused", "upkeep", "page"] {
        let is_listed = help.lines().any(|line| line.split_whitespace().next() == Some(former));
        assert!(!is_listed && help.contains("rejected"), "{former}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_choice_is_an_error() {
    let db = filled().await;
    for (arguments, said) in [
        (&["rejected", "replay", "--reason", "nonsense"][..], "--reason: no message is rejected for \"nonsense\""),
        (&["rejected", "replay", "--reason", "bad_field"], "bad-field"),
        (&["rejected", "list", "--reason", "NOT-JSON"], "not-json"),
        (&["rejected", "replay", "--family", "konflix"], "invalid value 'konflix'"),
        (&["rejected", "replay", "--id", "none"], "no message none was rejected"),
        (&["explain", "mr", "acme/none!9999"], "nothing is known of the mr"),
        (&["explain", "commit", "0000000"], "nothing is known of the commit"),
        (&["explain", "release", ""], "nothing is known of the release"),
    ] {
        let output = run(arguments, &db);
        let errors = text(&output.stderr);
        assert!(!output.status.success() && errors.contains(said), "{arguments:?}: {errors}");
    }
    // A known reason without rejected messages.
    for arguments in
        [&["rejected", "replay", "--reason", "too-large"][..], &["rejected", "list", "--reason", "too-large"]]
    {
        assert!(run(arguments, &db).status.success(), "{arguments:?}");
    }
    // Rows that refer to an unknown object do not make it known.
    db.store
        .script(
            "INSERT INTO reconcile_projects (project, checked_at, problem) VALUES ('acme/none', now(), 'no')",
            deadline(),
        )
        .await
        .unwrap();
    assert!(!run(&["explain", "mr", "acme/none!9999"], &db).status.success());
}

#[test]
fn every_reason_of_a_rejection_is_listed() {
    let mut found = 0;
    for source in sources("src") {
        let (path, code) = (source.path, source.text);
        for (at, _) in code.match_indices("Rejection::new(").chain(code.match_indices("self.reject(")) {
            let arguments = &code[at..code[at..].find(';').map_or(code.len(), |end| at + end)];
            let Some(word) = arguments.split('"').nth(1) else { continue };
            let is_word = word.contains('-') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            if is_word {
                assert!(Rejection::REASONS.contains(&word), "{path}: {word}");
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found}");
    assert!(Rejection::REASONS.is_sorted());
}

#[test]
fn read_only_commands_create_no_database() {
    let folder = Folder::new("no-database");
    for arguments in [
        &["explain", "bot", "b"][..],
        &["status"],
        &["rejected", "list"],
        &["rejected", "show", "x"],
        &["rejected", "replay"],
        &["deliveries", "list"],
        &["deliveries", "show", "e1"],
        &["backfill", "status"],
        &["backfill", "cancel", "x"],
        &["maintenance", "--dry-run"],
        &["reconcile", "--dry-run"],
        &["web", "--listen", "127.0.0.1:0"],
        &["db", "shell"],
        &["db", "dump"],
        &["db", "url"],
    ] {
        let output = program(arguments, None).current_dir(&folder.0).output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains("there is no database in "), "{arguments:?}: {said}");
        assert!(!folder.0.join(".hummingbird").exists(), "{arguments:?}");
    }
    let output = program(&["db", "stop"], None).current_dir(&folder.0).output().unwrap();
    assert!(output.status.success() && !folder.0.join(".hummingbird").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_settings_stop_a_command_at_once() {
    let db = support::database().await;
    let said = |arguments: &[&str], variable: (&str, &str)| {
        let output = program(arguments, Some(&db.url)).env(variable.0, variable.1).output().unwrap();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    for url in
        ["notaurl", "arn:aws:sqs:eu-west-1:1:q", "https://sqs.eu-west-1.amazonaws.com", "ftp://h/q", "https:///q"]
    {
        for command in ["worker", "up", "redrive"] {
            let (success, _, errors) = said(&[command], ("SQS_QUEUE_URL", url));
            let is_clear = errors.lines().count() == 1 && errors.contains("SQS_QUEUE_URL: expected the URL of a queue");
            assert!(!success && is_clear, "{command} {url}: {errors}");
        }
    }
    let (success, _, errors) = said(&["redrive"], ("X", "x"));
    assert!(!success && errors.lines().count() == 1 && errors.contains("which queue?"), "{errors}");
    for address in ["foo", "localhost", "127.0.0.1:http", "::1:8080", ":8080", "localhost:99999"] {
        for command in ["web", "up"] {
            let (success, _, errors) = said(&[command], ("PAGE_ADDRESS", address));
            assert!(!success && errors.contains("PAGE_ADDRESS") && errors.contains("HOST:PORT"), "{address}: {errors}");
        }
    }
    // The address is printed only after all settings are found valid.
    for variable in [("INTAKE_TOKENS", "[[token]]\nname = 'x'\ntoken = 'env:NOPE'"), ("PAGE_BASIC_AUTH", "nonsense")] {
        let (success, output, errors) = said(&["web", "--listen", "127.0.0.1:0"], variable);
        assert!(!success && !output.contains("Pages on"), "{variable:?}: {output} {errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_is_reported() {
    let db = support::database().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new("another-port");
    let mut command = program(&["up", "--events", "none", "--listen", &address], Some(&db.url));
    let drop_folder = folder.0.join("drop");
    command.env("LOCAL_DROP_PATH", &drop_folder).env("METRICS_PORT", "0").current_dir(&folder.0);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let note = lines.map_while(Result::ok).find(|line| line.starts_with("note: "));
    child.kill().unwrap();
    child.wait().unwrap();
    let note = note.expect("a note");
    assert!(note.contains(&address) && note.contains("on another port: http://127.0.0.1:"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_the_terminal() {
    let db = filled().await;
    let folder = Folder::new("tables-fit");
    let file = folder.0.join(format!("{}.json", "long-name-".repeat(20)));
    std::fs::write(&file, "no JSON").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        &["rejected", "list"][..],
        &["deliveries", "list", "--state", "unrouted"],
        &["backfill", "status"],
        &["ingest", file],
        &["up", "--once", "--events", "none"],
    ] {
        for columns in [40, 80, 132] {
            let output = program(arguments, Some(&db.url)).env("COLUMNS", columns.to_string()).output().unwrap();
            let all = text(&output.stdout) + &text(&output.stderr);
            let rows: Vec<&str> = all.lines().filter(|line| line.starts_with(['┌', '│', '╞', '├', '└'])).collect();
            let widest = rows.iter().map(|line| line.chars().count()).max();
            assert!(widest.is_some_and(|widest| widest <= columns), "{arguments:?} {columns}: {widest:?}\n{all}");
        }
    }
}
