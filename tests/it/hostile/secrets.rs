//! Servers that repeat what they were sent, in every form, to every kind of target: nothing of it is shown.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::deliver::notices::take_builds;
use crate::support::forge::{Forge, Post, answer};
use crate::support::{self, Db, render, schema};

/// What is planted, by the variable that holds it.
const SECRETS: &[(&str, &str)] = &[
    ("TOKEN", "ghp_planted1/planted1+planted1"),
    ("PAIR", "planted-user:planted2\"pass\\word%41"),
    ("HMAC", "planted3-planted3-planted3"),
    ("SLACK", "planted4planted4planted4"),
    ("AWS_SECRET_ACCESS_KEY", "planted5planted5planted5planted5"),
    ("AWS_SESSION_TOKEN", "planted6/planted6+planted6=="),
];
/// The secret part of the address of a webhook.
const ADDRESS: &str = "services/T0PLANTED/B0PLANTED/planted7planted7planted7";
/// The same of an incoming webhook of Slack.
const INCOMING: &str = "services/T0PLANTED/B1PLANTED/planted7planted7planted7";

/// All of a request: the line, the headers and the address, as a server may repeat them.
fn all_of(post: &Post) -> String {
    let headers: String = post.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{} {} HTTP/1.1\r\n{headers}", post.method, post.path)
}

/// An answer as forges give it: of a plain text most targets keep nothing.
fn message(text: &str) -> String {
    json!({"message": text}).to_string()
}

/// The values of all headers, those that hold secrets first: of an answer only the beginning is kept.
fn values(post: &Post) -> Vec<&str> {
    let is_secret = |name: &str| ["authorization", "signature", "token"].iter().any(|part| name.contains(part));
    let (first, last): (Vec<_>, Vec<_>) = post.headers.iter().partition(|(name, _)| is_secret(name));
    first.into_iter().chain(last).map(|(_, value)| &**value).collect()
}

/// What a server makes of a request.
type Form = fn(&Post) -> String;

/// Forms in which the request comes back.
const FORMS: &[(&str, Form)] = &[
    ("plain", all_of),
    ("path", |post| format!("404 {} not found", post.path)),
    ("json", |post| json!({"message": all_of(post), "errors": [{"message": post.headers}]}).to_string()),
    ("escapes", |post| {
        let escaped: String = all_of(post).chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        format!("{{\"message\":\"{escaped}\"}}")
    }),
    ("percent", |post| all_of(post).bytes().map(|byte| format!("%{byte:02x}")).collect()),
    ("html", |post| all_of(post).replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#47;")),
    ("values", |post| message(&values(post).join(" "))),
    ("base64", |post| {
        let encoded: Vec<String> = values(post).into_iter().map(|value| STANDARD.encode(value)).collect();
        message(&encoded.join(" "))
    }),
    ("base64 of all", |post| message(&URL_SAFE_NO_PAD.encode(values(post).concat()))),
    ("decoded", |post| {
        let basic = post.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        let plain = basic.and_then(|encoded| STANDARD.decode(encoded).ok()).unwrap_or_default();
        let plain = String::from_utf8_lossy(&plain).into_owned();
        message(&format!("{plain} {}", plain.split_once(':').map_or("", |(_, password)| password)))
    }),
];

/// A target of each kind, at one server.
fn document(url: &str) -> String {
    let port = url.rsplit(':').next().unwrap();
    format!(
        "[[target]]\nname='github'\nkind='github'\nhosts=['ghe.acme.example']\napi='{url}/api/v3'\ntoken='env:TOKEN'\nbeside_check_runs=true\n\
         [[target]]\nname='gitlab'\nkind='gitlab'\nhosts=['ghe.acme.example']\napi='{url}/api/v4'\ntoken='env:TOKEN'\nbeside_check_runs=true\n\
         [[target]]\nname='checks'\nkind='check_run'\nhosts=['ghe.acme.example']\napi='{url}/api/v3'\ntoken='env:TOKEN'\npages='https://ci.acme.example'\n\
         [[target]]\nname='webhook'\nkind='webhook'\nurl='{url}/{ADDRESS}'\nsecret='env:HMAC'\nallow_private=true\n\
         [[target]]\nname='rooms'\nkind='slack'\nhosts=['acme.slack.com']\ntoken='env:SLACK'\napi='{url}'\nchannels=['#general']\npages='https://ci.acme.example'\n\
         [[target]]\nname='mail'\nkind='mail'\nhosts=['acme.example']\nfrom='ci@acme.example'\napi='{url}'\nregion='eu-west-1'\npages='https://ci.acme.example'\n\
         [[target]]\nname='hooks'\nkind='travis_webhook'\nhosts=['127.0.0.1:{port}']\nsecret='env:HMAC'\ntoken='env:PAIR'\nallow_private=true\npages='https://ci.acme.example'\n\
         [[target]]\nname='bridge'\nkind='irc'\nhosts=['irc.acme.example']\nurl='{url}/irc'\nsecret='env:HMAC'\nallow_private=true\npages='https://ci.acme.example'\n"
    )
}

fn run(db: &Db, document: &str, slack: &str, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.args(words).env("DATABASE_URL", &db.url).env("DELIVERY_TARGETS", document).env("SLACK_URL", slack);
    command.envs(SECRETS.iter().copied()).env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_REGION", "eu-west-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "*").env("RUST_LOG", "hummingbird_status=trace");
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What of the planted secrets would be enough to know them by.
fn marks() -> Vec<String> {
    let mut marks: Vec<String> = (1..=7).map(|number| format!("planted{number}")).collect();
    marks.extend(["pass\\word%41", "pass\\\\word", "password%41"].map(str::to_owned));
    for (_, secret) in SECRETS {
        for text in [(*secret).to_owned(), format!("Bearer {secret}")] {
            marks.push(STANDARD.encode(&text));
            marks.push(URL_SAFE_NO_PAD.encode(&text));
        }
        marks.push(secret.chars().take(12).map(|c| format!("\\u{:04x}", u32::from(c))).collect());
        marks.push(secret.bytes().take(12).map(|byte| format!("%{byte:02x}")).collect());
    }
    marks
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_can_make_us_show_what_it_was_sent() {
    let notifications = json!({
        "slack": {"rooms": ["acme:planted4planted4planted4#general"], "on_success": "always"},
        "email": {"recipients": ["ada@acme.example"], "on_success": "always"},
        "irc": {"channels": ["irc.acme.example#ci"], "on_success": "always"},
    });
    let mut incoming = false;
    for (status, forms) in [(404, FORMS), (401, &FORMS[..3]), (500, &FORMS[..3]), (200, &FORMS[..3])] {
        for (form, say) in forms {
            let db = support::database().await;
            let forge = Forge::start(move |post| {
                answer(status, &[("x-echo", &post.path), ("location", "/elsewhere")], &say(post))
            })
            .await;
            let mut wanted = notifications.clone();
            wanted["webhooks"] =
                json!({"urls": [format!("{}/hook?token=planted7planted7", forge.url)], "on_success": "always"});
            take_builds(&db.store, &wanted).await;
            let slack = format!("{}/{INCOMING}", forge.url);
            let url = "[[target]]\nname='incoming'\nkind='slack'\nhosts=['*']\nurl='env:SLACK_URL'\npages='https://ci.acme.example'\n";
            // Two kinds of Slack, in turn: a notice goes to the first target that takes it.
            incoming = !incoming;
            let mut document = document(&forge.url);
            if incoming {
                document = document.replace("[[target]]\nname='rooms'", &format!("{url}[[target]]\nname='rooms'"));
            }
            let mut said = run(&db, &document, &slack, &["deliver", "--once"]);
            for words in [&["deliveries", "list", "--state", "dead"][..], &["deliveries", "show", "s1"]] {
                said += &run(&db, &document, &slack, words);
            }
            let asked: Vec<String> =
                forge.posts().iter().map(|post| format!("{} {}", post.method, post.path)).collect();
            for path in [
                "/api/v3/repos",
                "/api/v4/projects",
                if incoming { INCOMING } else { "/services/hooks/travis?token=" },
                "outbound-emails",
                "/hook?token",
                "/irc",
                ADDRESS,
            ] {
                assert!(asked.iter().any(|line| line.contains(path)), "{form}: nothing was sent to {path}: {asked:?}");
            }
            let mut rows = String::new();
            // What happened is kept as it came; what was said of it is looked at here.
            for table in schema::tables(&db.store)
                .await
                .into_iter()
                .filter(|table| !table.starts_with("travis_") && !table.starts_with("outbox"))
            {
                rows += &render::rows(&db.store, &format!("SELECT t::text FROM {table} AS t")).await.join("\n");
            }
            assert!(status == 200 || rows.contains("***"), "{status} {form}: nothing was masked");
            for (place, text) in [("said", &said), ("rows", &rows)] {
                for mark in marks() {
                    if let Some(at) = text.find(&mark) {
                        let from = text[..at].char_indices().rev().nth(200).map_or(0, |(from, _)| from);
                        panic!("{status} {form}: a secret is in {place}: {}", &text[from..(at + 60).min(text.len())]);
                    }
                }
            }
        }
    }
}
