//! Control sequences in names and texts of messages, on a terminal.

use std::process::Command;

use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::escape::is_unseen;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use serde_json::json;

use crate::support::{self, Db, deadline};

/// Sets the title, clears the screen, turns text around, goes back to the beginning of the line, and hides.
const HOSTILE: &str = "x\u{1b}]0;pwn\u{7}\u{1b}[2J\u{9b}2J\u{202e}txt\u{2066}\r\u{200b}\u{feff}y";

fn run(db: &Db, words: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_hummingbird-status");
    let output =
        Command::new(program).args(words).env("DATABASE_URL", &db.url).env("RUST_LOG", "trace").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_prints_control_sequences_of_messages() {
    let db = support::database().await;
    let bot = [("source".to_owned(), "bot".to_owned()), ("event_type".to_owned(), HOSTILE.to_owned())];
    let delivery = |id: &str, body: serde_json::Value| Delivery {
        id: id.to_owned(),
        body: body.to_string().into_bytes(),
        attributes: bot.clone().into(),
        ..Delivery::default()
    };
    let plain = HOSTILE.replace(|c: char| c.is_control(), "");
    let deliveries = [
        delivery("name", json!({"event": format!("job:{HOSTILE}"), "payload": {"id": 1}})),
        delivery("member", json!({"version": {"major": 5, "minor": 3}, HOSTILE: []})),
        delivery("bot", json!({"name": plain, "status": "ok", "comment": HOSTILE, "meta": {HOSTILE: HOSTILE}})),
        delivery(
            "mr",
            json!({"object_kind": "merge_request", "project": {"id": 1, "path_with_namespace": "g/p"},
            "object_attributes": {"iid": 1, "title": HOSTILE, "state": "opened", "action": plain}}),
        ),
        delivery(
            &format!("cloudevent{plain}"),
            json!({"specversion": "1.0", "id": HOSTILE, "source": "/s", "type": "t", "data": {"event": "job:x:y",
                "payload": {}}}),
        ),
    ];
    let report = ingest(&db.store, &deliveries, &Settings::default(), deadline()).await;
    assert_eq!((report.error.as_ref(), report.counts().refused), (None, 3), "{:?}", report.reasons);
    let file = std::env::temp_dir().join(format!("hummingbird-terminal-{}.json", std::process::id()));
    std::fs::write(&file, &deliveries[0].body).unwrap();
    let mut said = 0;
    for words in [
        &["rejected", "list"][..],
        &["rejected", "list", "--reason", "unknown-event"],
        &["explain", "bot", &plain],
        &["explain", "mr", "g/p!1", "--json"],
        &["explain", "bot", HOSTILE],
        &["ingest", file.to_str().unwrap()],
        &["deliveries", "list"],
        &["deliveries", "show", HOSTILE],
        &["repair", "bot", HOSTILE],
    ] {
        let text = run(&db, words);
        let found = text.chars().find(|c| is_unseen(*c) && !matches!(c, '\n' | '\t'));
        assert_eq!(found, None, "{words:?}: {text:?}");
        said += usize::from(text.contains("\\u{1b}") || text.contains("\\u001b"));
    }
    std::fs::remove_file(file).ok();
    assert!(said > 3, "only {said} of them had anything to show");
}
