//! `wait` with a server: one that ends and comes back, breaks off, lies, hangs, redirects, or wants fewer requests.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;

use super::{LONG, SHA, Waiting, build, database, run, states, take_in};
use crate::support::Db;
use crate::support::forge::{Forge, Post, Reply, answer};

/// A running `hummingbird-status web`.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:port`
    pub url: String,
}

impl Server {
    /// Starts it on an address.
    pub fn start(db: &Db, address: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
        command.args(["web", "--listen", address]).env("DATABASE_URL", &db.url).envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut links = lines.filter_map(|line| Some(line.strip_prefix("Pages on ")?.split(' ').next()?.to_owned()));
        let url = links.next().expect("an address");
        Self { child, url }
    }

    fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A verdict as a server sends it.
pub fn verdict(verdict: &str, version: &str) -> Reply {
    let settled = matches!(verdict, "passed" | "failed" | "blocked");
    let body = json!({
        "host": "h", "repo": "acme/app", "sha": SHA, "verdict": verdict, "reasons": [], "settled": settled,
        "version": version, "counts": {},
    });
    answer(200, &[("etag", &format!("\"{version}\"")), ("content-type", "application/json")], &body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_comes_back() {
    let db = database().await;
    let mut server = Server::start(&db, "127.0.0.1:0", &[]);
    let (address, url) = (server.address(), server.url.clone());
    let waiting = Waiting::start(&[SHA, "--url", &url, "--required", "buildkite:a?p"], None, &[]);
    waiting.said("nothing is known").await;
    states(&db, &[("lint", "passed")]).await;
    waiting.said("missing buildkite:a?p").await;
    server.end();
    waiting.said("trying again: 127.0.0.1 cannot be reached").await;
    states(&db, &[("app", "running")]).await;
    let _server = Server::start(&db, &address, &[]);
    waiting.said("running buildkite:app").await;
    states(&db, &[("app", "passed")]).await;
    let ended = waiting.ended().await;
    assert_eq!((ended.status, ended.output), (0, format!("passed acme/app {SHA}\n")), "{}", ended.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_the_same_answers_as_its_database() {
    let db = database().await;
    let passed = "b".repeat(40);
    states(&db, &[("app", "running"), ("lint", "failed")]).await;
    take_in(&db, &[build("app", "acme/app", &passed, "passed"), build("app", "acme/app", &"c".repeat(40), "blocked")])
        .await;
    let server = Server::start(&db, "127.0.0.1:0", &[]);
    for arguments in [
        &[SHA][..],
        &[SHA, "--fail-fast"],
        &["bbbb"],
        &["bbbb", "--required", "buildkite:x,y*"],
        &["bbbb", "--repo", "acme/none"],
        &["cccc"],
        &["cccc", "--no-hold"],
        &["dddd"],
        &["mr", "acme/app!7"],
        &["bbbb", "--json"],
    ] {
        let own = run(&[arguments, &["--timeout", "0s"]].concat(), Some(&db.url), &[]).await;
        let remote = run(&[arguments, &["--timeout", "0s", "--url", &server.url]].concat(), None, &[]).await;
        assert_eq!((remote.status, &remote.output), (own.status, &own.output), "{arguments:?}: {remote:?}");
        assert!(!own.output.is_empty(), "{own:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_is_asked_again() {
    let html = || answer(200, &[("content-type", "text/html")], "<h1>Maintenance</h1>");
    let bad = |status: u16| answer(status, &[], r#"{"error": "away"}"#);
    let mut replies = Vec::from([
        Reply::Cut,
        Reply::Half,
        html(),
        answer(200, &[], "{\"verdict\": \"passed\"}"),
        answer(200, &[], "{\"verdict\": \"passed\", \"settled\": tru"),
        answer(200, &[], "[]"),
        answer(200, &[], ""),
        answer(204, &[], ""),
        answer(304, &[], ""),
        bad(500),
        bad(502),
        bad(503),
        bad(408),
        verdict("pending", "1"),
        bad(504),
        html(),
        answer(304, &[], ""),
        verdict("pending", "1"),
        verdict("passed", "2"),
    ]);
    let all = replies.len();
    replies.reverse();
    let forge = Forge::start(move |_| replies.pop().unwrap()).await;
    let ended = run(&[SHA, "--url", &format!("{}/prefix/", forge.url), "--repo", "acme/a b"], None, &[]).await;
    assert_eq!((ended.status, ended.output), (0, format!("passed acme/app {SHA}\n")), "{}", ended.errors);
    let posts = forge.posts();
    assert_eq!(posts.len(), all);
    let asked = format!("/prefix/api/v1/verdict?sha={SHA}&repo=acme%2Fa%20b");
    assert_eq!(posts[0].path, asked);
    // After the first verdict it asks for another one.
    let tag = |post: &Post| post.header("if-none-match").map(str::to_owned);
    assert_eq!(tag(&posts[13]), None);
    assert_eq!((tag(&posts[14]).as_deref(), &*posts[14].path), (Some("\"1\""), &*format!("{asked}&wait=25")));
    assert!(ended.errors.contains("127.0.0.1 answers 500 Internal Server Error: away"), "{}", ended.errors);
    assert!(
        ended.errors.contains("answers 200 without a verdict") && !ended.errors.contains("<h1>"),
        "{}",
        ended.errors
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wishes_of_a_server_are_respected() {
    let mut replies = Vec::from([
        answer(429, &[("retry-after", "2")], "{}"),
        answer(503, &[("retry-after", "1")], "{}"),
        // Where requests cannot wait.
        match verdict("pending", "1") {
            Reply::Answer(status, mut headers, body) => {
                headers.push(("retry-after".to_owned(), "2".to_owned()));
                Reply::Answer(status, headers, body)
            }
            other => other,
        },
        verdict("failed", "2"),
    ]);
    replies.reverse();
    let forge = Forge::start(move |_| replies.pop().unwrap()).await;
    let ended = run(&[SHA, "--url", &forge.url], None, &[]).await;
    assert_eq!(ended.status, 1, "{ended:?}");
    let posts = forge.posts();
    let pauses: Vec<Duration> = posts.windows(2).map(|two| two[1].at - two[0].at).collect();
    for (pause, least) in pauses.iter().zip([2, 1, 2]) {
        assert!(*pause >= Duration::from_secs(least), "{pauses:?}");
    }
}

/// A server that answers at once whatever is asked is not asked without a pause.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_wait_is_asked_once_a_second() {
    for reply in [verdict("pending", "1"), answer(200, &[], &body_of(&verdict("pending", "1")))] {
        let mut left = 3;
        let forge = Forge::start(move |_| {
            left -= 1;
            if left == 0 { verdict("passed", "2") } else { reply.clone() }
        })
        .await;
        assert_eq!(run(&[SHA, "--url", &forge.url], None, &[]).await.status, 0);
        let posts = forge.posts();
        assert!(posts[2].at - posts[1].at >= Duration::from_millis(900), "{posts:?}");
    }
}

fn body_of(reply: &Reply) -> String {
    match reply {
        Reply::Answer(_, _, body) => body.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_given_up_in_time() {
    let held = Arc::new(Semaphore::new(0));
    let hanging = Reply::Held(Arc::clone(&held), Box::new(verdict("passed", "1")));
    let reply = hanging.clone();
    let forge = Forge::start(move |_| reply.clone()).await;
    let ended = run(&[SHA, "--url", &forge.url, "--timeout", "1s"], None, &[]).await;
    assert!(ended.status == 5 && ended.errors.contains("127.0.0.1 does not answer"), "{ended:?}");

    // And it is asked again when the request has had its time.
    let mut replies = Vec::from([verdict("passed", "2"), hanging, Reply::Cut]);
    forge.now(move |_| replies.pop().unwrap());
    let before = forge.count();
    let ended = run(&[SHA, "--url", &forge.url], None, &[]).await;
    assert_eq!((ended.status, forge.count() - before), (0, 3), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_verdict_decides_when_the_server_goes_away() {
    for (word, status) in [("pending", 3), ("blocked", 6), ("failed", 1)] {
        let mut replies = Vec::from([verdict(word, "1")]);
        let forge = Forge::start(move |_| replies.pop().unwrap_or(Reply::Cut)).await;
        let ended = run(&[SHA, "--url", &forge.url, "--timeout", "1s"], None, &[]).await;
        assert_eq!(ended.status, status, "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_do_not_carry_credentials_to_another_server() {
    let target = Forge::start(|_| verdict("passed", "1")).await;
    let (inside, outside) = ("/moved".to_owned(), format!("{}/secret-path", target.url));
    let to = move |post: &Post| match post.path.split(['?', '/']).nth(1) {
        Some("in") => answer(307, &[("location", &inside)], ""),
        Some("out") => answer(302, &[("location", &outside)], ""),
        Some("loop") => answer(302, &[("location", &post.path)], ""),
        Some("none") => answer(302, &[], ""),
        _ => verdict("failed", "1"),
    };
    let forge = Forge::start(to).await;
    let ask = async |path: &str, variables: &[(&str, &str)]| {
        run(&[SHA, "--url", &format!("{}/{path}", forge.url), "--timeout", LONG], None, variables).await
    };
    let token = [("WAIT_TOKEN", "hunter2hunter2hunter2")];
    assert_eq!(ask("in", &token).await.status, 1);
    let followed = forge.posts();
    assert_eq!(followed.last().unwrap().header("authorization"), Some("Bearer hunter2hunter2hunter2"));
    for variables in [&token[..], &[("WAIT_BASIC_AUTH", "u:hunter2hunter2")]] {
        let ended = ask("out", variables).await;
        assert!(ended.status == 5 && ended.errors.contains("credentials are not sent"), "{ended:?}");
        assert!(!ended.errors.contains("hunter2"), "{ended:?}");
    }
    assert_eq!(target.count(), 0);
    assert_eq!(ask("out", &[]).await.status, 0);
    for path in ["loop", "none"] {
        assert_eq!(ask(path, &token).await.status, 5, "{path}");
    }
}
