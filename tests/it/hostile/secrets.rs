//! Servers that repeat requests in their answers, in every form, to every kind of target: no secret of them is shown.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::deliver::large::with_tests;
use crate::deliver::notices::take_builds;
use crate::support::forge::{Forge, Post, answer};
use crate::support::{self, Db, render, schema};

/// The planted secrets, by their variables.
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
         [[target]]\nname='chat'\nkind='slack'\nhosts=['acme.slack.com']\ntoken='env:SLACK'\napi='{url}'\nchannels=['#general']\npages='https://ci.acme.example'\n\
         [[target]]\nname='mail'\nkind='mail'\nhosts=['acme.example']\nfrom='ci@acme.example'\napi='{url}'\nregion='eu-west-1'\npages='https://ci.acme.example'\n\
         [[target]]\nname='hooks'\nkind='travis_webhook'\nhosts=['127.0.0.1:{port}']\nsecret='env:HMAC'\ntoken='env:PAIR'\nallow_private=true\npages='https://ci.acme.example'\n\
         [[target]]\nname='bridge'\nkind='irc'\nhosts=['irc.acme.example']\nurl='{url}/irc'\nsecret='env:HMAC'\nallow_private=true\npages='https://ci.acme.example'\n"
    )
}

fn run(db: &Db, document: &str, more: &[(&str, &str)], words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    command.args(words).env("DATABASE_URL", &db.url).env("DELIVERY_TARGETS", document).envs(more.iter().copied());
    command.envs(SECRETS.iter().copied()).env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_REGION", "eu-west-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "*").env("RUST_LOG", "hummingbird_status=trace");
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The parts of the planted secrets that must not appear anywhere.
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
async fn no_server_can_make_the_product_show_a_secret() {
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
                document = document.replace("[[target]]\nname='chat'", &format!("{url}[[target]]\nname='chat'"));
            }
            let more = [("SLACK_URL", &*slack)];
            let mut said = run(&db, &document, &more, &["deliver", "--once"]);
            for words in [&["deliveries", "list", "--state", "dead"][..], &["deliveries", "show", "s1"]] {
                said += &run(&db, &document, &more, words);
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
            let rows = rows(&db).await;
            assert!(status == 200 || rows.contains("***"), "{status} {form}: nothing was masked");
            shows_nothing(&format!("{status} {form}"), &forge, &[("said", &said), ("rows", &rows)]);
        }
    }
}

/// All rows: what happened is kept as it came, so only what was said of it is among them.
async fn rows(db: &Db) -> String {
    let mut rows = String::new();
    for table in schema::tables(&db.store)
        .await
        .into_iter()
        .filter(|table| !table.starts_with("travis_") && !table.starts_with("outbox"))
    {
        rows += &render::rows(&db.store, &format!("SELECT t::text FROM {table} AS t")).await.join("\n");
    }
    rows
}

/// Neither what was planted nor what the requests were signed with.
fn shows_nothing(what: &str, forge: &Forge, places: &[(&str, &str)]) {
    let mut marks = marks();
    let signed = forge.posts();
    let signatures = signed.iter().filter_map(|post| Some(post.header("authorization")?.split_once("Signature=")?.1));
    for signature in signatures {
        assert_eq!(signature.len(), 64, "{signature}");
        marks.extend([signature.to_owned(), STANDARD.encode(signature)]);
    }
    for (place, text) in places {
        for mark in &marks {
            if let Some(at) = text.find(mark) {
                let from = text[..at].char_indices().rev().nth(200).map_or(0, |(from, _)| from);
                panic!("{what}: {mark} is in {place}: {}", &text[from..(at + 60).min(text.len())]);
            }
        }
    }
}

/// A text in XML.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// What a server of AWS says of a request: SNS of all of it, or of each entry; S3.
fn aws_answer(post: &Post, status: u16, said: &str) -> String {
    let said = xml(said);
    match (&*post.method, status) {
        ("PUT", _) => format!(
            "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>{said}</Message><StringToSign>{said}</StringToSign></Error>"
        ),
        (_, 200) => format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult><Successful/><Failed><member><Id>0</Id>\
             <Code>InternalError</Code><Message>{said}</Message><SenderFault>false</SenderFault></member></Failed></PublishBatchResult></PublishBatchResponse>"
        ),
        _ => format!(
            "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code>\
             <Message>{said}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    }
}

/// Topics, the bucket of what is too large for them, and the bucket that is read: a server that plays AWS repeats
/// requests, and the key that they are signed with.
#[tokio::test(flavor = "multi_thread")]
async fn no_service_of_aws_can_make_us_show_what_it_was_sent() {
    let document = "[[target]]\nname='broadcast'\nkind='sns'\ntopic_arn='arn:aws:sns:eu-west-1:123456789012:t'\n\
                    overflow='s3://large-ones/of/'\n";
    for (status, forms) in [(403, FORMS), (500, &FORMS[..3]), (200, FORMS)] {
        for (form, say) in forms {
            let db = with_tests(&[("o:small", 10), ("o:larger", 300 << 10)]).await;
            let forge = Forge::start(move |post| {
                let key = SECRETS.iter().find(|(name, _)| *name == "AWS_SECRET_ACCESS_KEY").unwrap().1;
                let headers = [("x-amz-request-id", post.header("authorization").unwrap_or_default()), ("x-echo", key)];
                // Of a bucket nothing is said in an answer that is none of an error.
                let status = if post.method != "POST" && status == 200 { 400 } else { status };
                // SNS may know the key; the readers of S3 do not look for what is never sent.
                let said = if post.method == "GET" { say(post) } else { format!("{key} {}", say(post)) };
                answer(status, &headers, &aws_answer(post, status, &said))
            })
            .await;
            let more = [("AWS_ENDPOINT_URL", &*forge.url), ("AWS_MAX_ATTEMPTS", "1"), ("S3_BUCKET", "archive")];
            let delivered = run(&db, document, &more, &["deliver", "--once"]);
            // It tries again for a while, so it reads what one form comes to.
            let filled = (*form == "plain").then(|| run(&db, document, &more, &["backfill"]));
            let asked: Vec<String> =
                forge.posts().iter().map(|post| format!("{} {}", post.method, post.path)).collect();
            for line in
                ["POST /", "PUT /large-ones/of/kcidb/", "GET /archive"].iter().take(2 + usize::from(filled.is_some()))
            {
                assert!(asked.iter().any(|asked| asked.starts_with(line)), "{form}: {asked:?} {delivered} {filled:?}");
            }
            let filled = filled.unwrap_or_default();
            let rows = rows(&db).await;
            assert!(rows.matches("***").count() >= 2, "{status} {form}: not masked in both rows: {rows}");
            shows_nothing(
                &format!("{status} {form}"),
                &forge,
                &[("said", &delivered), ("filled", &filled), ("rows", &rows)],
            );
        }
    }
}
