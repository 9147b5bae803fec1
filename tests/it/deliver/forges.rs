//! Commit statuses: state, description and context, number and order of posts.

use serde_json::json;

use super::{TOKEN, drain, ghe, later, posted, read, status, take_in, target};
use crate::support::buildkite::{Event, HOST, SHA, event};
use crate::support::forge::{Forge, answer, created};
use crate::support::{self, render};

#[tokio::test]
async fn github_gets_each_state_once_and_in_order() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let story = [
        event("scheduled", 1),
        event("started", 2),
        event("failing", 3),
        event("failed", 4),
        event("started", 5),
        event("passed", 62),
    ];
    for event in &story {
        take_in(&db.store, std::slice::from_ref(event)).await;
        drain(&db.store, &ghe(&forge)).await;
        // Outdated and repeated events change nothing.
        take_in(&db.store, &story[..1]).await;
        take_in(&db.store, std::slice::from_ref(event)).await;
        drain(&db.store, &ghe(&forge)).await;
    }
    assert_eq!(
        posted(&forge),
        [
            "pending: Build #7 scheduled",
            "pending: Build #7 started",
            "failure: Build #7 failing",
            "failure: Build #7 failed (4 seconds)",
            "pending: Build #7 started",
            "success: Build #7 passed (1 minute, 2 seconds)",
        ]
    );
    let post = &forge.posts()[5];
    assert_eq!(
        (post.method.as_str(), post.path.as_str()),
        ("POST", format!("/api/v3/repos/acme/app/statuses/{SHA}").as_str())
    );
    assert_eq!(
        post.body,
        json!({"state": "success", "context": "buildkite/app", "description": "Build #7 passed (1 minute, 2 seconds)",
               "target_url": "https://buildkite.com/acme/app/builds/7"})
    );
    assert_eq!(post.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(post.header("accept"), Some("application/vnd.github+json"));
    assert!(post.header("user-agent").is_some_and(|agent| agent.starts_with("hummingbird-status/")));
    assert_eq!(status(&db.store).await, "delivered | 1 | 6 | -");
}

#[tokio::test]
async fn a_burst_of_events_is_one_post() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    take_in(&db.store, &[event("scheduled", 1), event("passed", 60), event("started", 2), event("failing", 3)]).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(posted(&forge), ["success: Build #7 passed (1 minute)"]);
    // A newer event with the same state and description.
    take_in(&db.store, &[Event { second: 61, ..event("canceled", 61) }, event("passed", 60)]).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(posted(&forge).last().map(String::as_str), Some("error: Build #7 canceled (1 minute, 1 second)"));
}

#[tokio::test]
async fn the_newer_build_of_a_commit_counts() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let rebuild = |state, second| Event { build: "12", number: 12, ..event(state, second) };
    take_in(&db.store, &[event("started", 1)]).await;
    drain(&db.store, &ghe(&forge)).await;
    take_in(&db.store, &[rebuild("passed", 30)]).await;
    drain(&db.store, &ghe(&forge)).await;
    take_in(&db.store, &[event("failed", 40)]).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(posted(&forge), ["pending: Build #7 started", "success: Build #12 passed (30 seconds)"]);
}

#[tokio::test]
async fn undeliverable_statuses_are_noted() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let odd = [
        Event { build: "a", sha: "HEAD", ..event("passed", 1) },
        Event { build: "b", sha: &SHA[..7], ..event("passed", 1) },
        Event { build: "c", repo: "https://github.com/acme/app.git", ..event("passed", 1) },
        Event { build: "d", repo: "git@ghe.acme.example:app.git", ..event("passed", 1) },
        Event { build: "e", state: "quantum", ..event("passed", 1) },
        Event { build: "f", repo: "git@ghe.acme.example:group/sub/app.git", ..event("passed", 1) },
    ];
    take_in(&db.store, &odd).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 0);
    assert_eq!(
        render::table(&db.store, &["key", "note"], "FROM outbox ORDER BY key").await.lines().collect::<Vec<_>>(),
        [
            "a | unresolved_commit",
            "b | unresolved_commit",
            "c | foreign_host",
            "d | no_repository",
            "e | unknown_state",
            "f | foreign_host",
        ]
    );
    // Now the commit is resolved.
    take_in(&db.store, &[Event { build: "a", second: 2, ..event("passed", 2) }]).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(posted(&forge), ["success: Build #7 passed (2 seconds)"]);
}

#[tokio::test]
async fn each_target_has_its_own_states_and_contexts() {
    let db = support::database().await;
    let (one, two, lab) =
        (Forge::start(|_| created()).await, Forge::start(|_| created()).await, Forge::start(|_| created()).await);
    let own = "context = 'CI/{pipeline} ({branch})'\nstates = { blocked = 'pending', failing = 'pending' }";
    let targets = [
        target("one", "github", &one, HOST, ""),
        target("two", "github", &two, HOST, own),
        target("lab", "gitlab", &lab, "gitlab.acme.example", ""),
    ];
    let targets = read(&targets.join("\n"));
    let lab_event = |state, second| Event {
        build: "9",
        repo: "https://deploy:hunter2@gitlab.acme.example:8443/group/sub/app.git",
        ..event(state, second)
    };
    for state in ["failing", "blocked"] {
        take_in(&db.store, &[event(state, 10 + state.len() as u32), lab_event(state, 10 + state.len() as u32)]).await;
        drain(&db.store, &targets).await;
    }
    assert_eq!(posted(&one), ["failure: Build #7 failing", "success: Build #7 blocked (17 seconds)"]);
    assert_eq!(posted(&two), ["pending: Build #7 failing", "pending: Build #7 blocked (17 seconds)"]);
    assert_eq!(two.posts()[0].body["context"], "CI/app (main)");
    assert_eq!(posted(&lab), ["running: Build #7 failing", "pending: Build #7 blocked (17 seconds)"]);
    let post = &lab.posts()[0];
    assert_eq!(post.path, format!("/api/v4/projects/group%2Fsub%2Fapp/statuses/{SHA}"));
    assert_eq!((post.header("private-token"), &post.body["name"]), (Some(TOKEN), &json!("buildkite/app")));
    assert_eq!(
        render::table(&db.store, &["target", "repo", "context", "name"], "FROM commit_statuses ORDER BY 1").await,
        "lab | group/sub/app | buildkite/app | buildkite/app\none | acme/app | buildkite/app | buildkite/app\n\
         two | acme/app | ci/app (main) | CI/app (main)"
    );
}

#[tokio::test]
async fn long_descriptions_and_contexts_are_cut_by_characters() {
    let db = support::database().await;
    let forge = Forge::start(|_| created()).await;
    let pipeline = "ä".repeat(400);
    take_in(&db.store, &[Event { pipeline: &pipeline, number: i64::MAX as u64, ..event("passed", 1) }]).await;
    drain(&db.store, &ghe(&forge)).await;
    let context = forge.posts()[0].body["context"].as_str().unwrap().to_owned();
    assert_eq!(context.chars().count(), 255);
    assert!(context.starts_with("buildkite/ää") && context.ends_with("ä…"), "{context}");
}

#[tokio::test]
async fn a_renamed_repository_is_followed_as_post_on_the_same_host_only() {
    for (status, elsewhere) in [(301, false), (302, false), (307, false), (308, false), (301, true), (307, true)] {
        let db = support::database().await;
        let other = Forge::start(|_| created()).await;
        let to = if elsewhere {
            format!("{}/repositories/1/statuses/{SHA}", other.url)
        } else {
            format!("/repositories/1/statuses/{SHA}")
        };
        let forge = Forge::start(move |post| match post.path.starts_with("/repositories/") {
            true => created(),
            false => answer(status, &[("location", to.as_str())], ""),
        })
        .await;
        take_in(&db.store, &[event("passed", 1)]).await;
        drain(&db.store, &ghe(&forge)).await;
        let posts = forge.posts();
        assert_eq!(other.count(), 0, "{status}: the token must not leave its host");
        if elsewhere {
            assert!(
                super::status(&db.store).await.starts_with("dead | 1 | 0 | a redirect"),
                "{}",
                super::status(&db.store).await
            );
        } else {
            assert_eq!(posts.len(), 2, "{status}");
            assert_eq!((posts[1].method.as_str(), &posts[1].body), ("POST", &posts[0].body), "{status}");
            assert!(posts[1].header("authorization").is_some());
            assert_eq!(super::status(&db.store).await, "delivered | 1 | 1 | -");
        }
    }
    // A redirect loop ends.
    let db = support::database().await;
    let forge = Forge::start(|post| answer(301, &[("location", post.path.as_str())], "")).await;
    take_in(&db.store, &[event("passed", 1)]).await;
    drain(&db.store, &ghe(&forge)).await;
    assert_eq!(forge.count(), 4);
}

/// GitLab answers a repeated state with an error, which means that the state is set.
#[tokio::test]
async fn an_error_of_gitlab_about_a_repeated_state_is_a_success() {
    let db = support::database().await;
    let body = r#"{"message":"Cannot transition status via :run from :running (Reason(s): Status cannot transition via \"run\")"}"#;
    let forge = Forge::start(move |_| answer(400, &[], body)).await;
    let targets = read(&target("lab", "gitlab", &forge, HOST, ""));
    take_in(&db.store, &[event("started", 1)]).await;
    drain(&db.store, &targets).await;
    assert_eq!(status(&db.store).await, "delivered | 1 | 1 | -");
    let body = r#"{"message":"Cannot transition status via :run from :success (..)"}"#;
    forge.now(move |_| answer(400, &[], body));
    take_in(&db.store, &[event("failing", 2)]).await;
    drain(&db.store, &targets).await;
    assert!(
        status(&db.store).await.starts_with("dead | 1 | 1 | the status is already in a later state"),
        "{}",
        status(&db.store).await
    );
    // Only this change is dead; later states are posted.
    forge.now(|_| created());
    take_in(&db.store, &[event("passed", 3)]).await;
    later(&db.store).await;
    drain(&db.store, &targets).await;
    assert_eq!(status(&db.store).await, "delivered | 1 | 2 | -");
}
