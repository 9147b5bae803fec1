//! Answers of the API: pages, redirects, rate limits, faults, and truncated answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hummingbird_status::platform::environment::GitLab;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fake::{Fake, answer, fixed};
use super::{Options, Pace, corrections, merge_requests, open_only, options, pace, render, run, with_open};

const HTML: &str = "<!DOCTYPE html><html><body>GitLab is not responding</body></html>";

/// Status, headers and body.
type Line<'l> = (u16, &'l [(&'l str, &'l str)], &'l str);

/// One merge request that is merged by now, and whatever stands before that in the script.
async fn merged_behind(script: &[Line<'_>]) -> (super::Db, Fake) {
    let (db, gitlab) = with_open(1..=1).await;
    gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    for (status, headers, body) in script {
        gitlab.script("merge_requests", fixed(*status, headers, body));
    }
    (db, gitlab)
}

#[tokio::test]
async fn all_pages_count_before_anything_is_deleted() {
    let (db, gitlab) = with_open(1..=8).await;
    gitlab.state().page = Some(3);
    gitlab.state().projects.get_mut("g/p").unwrap().remove(&8);
    gitlab.change("g/p", 7, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(
        gitlab.asked(),
        ["g/p/merge_requests 8 iids", "g/p/merge_requests 8 iids page=2", "g/p/merge_requests 8 iids page=3",]
    );
    assert_eq!(corrections(&report), ["g/p!7 state: opened -> merged", "g/p!8 state: opened -> deleted"]);
    // A page fails: its content is unknown.
    gitlab.state().page = Some(2);
    gitlab.state().projects.get_mut("g/p").unwrap().remove(&1);
    gitlab.script("&page=2", fixed(404, &[], "{}"));
    let before = merge_requests(&db).await;
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(report.unreachable[0].problem, "GitLab answers 404");
    assert_eq!(merge_requests(&db).await, before);
}

#[tokio::test]
async fn more_than_a_hundred_take_more_than_one_request() {
    let (db, gitlab) = with_open(1..=205).await;
    run(&db, &gitlab, open_only()).await;
    let asked = gitlab.asked();
    assert_eq!(asked, ["100", "100", "5"].map(|count| format!("g/p/merge_requests {count} iids")));
}

#[tokio::test]
async fn an_address_that_is_too_long_is_halved() {
    let (db, gitlab) = with_open(1..=10).await;
    gitlab.change("g/p", 9, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    gitlab.script("iids", fixed(414, &[], HTML));
    gitlab.script("iids", fixed(414, &[], HTML));
    let report = run(&db, &gitlab, open_only()).await;
    let counts: Vec<_> = gitlab.asked().iter().map(|asked| asked.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(counts, ["10", "5", "2", "3", "5"]);
    assert_eq!(corrections(&report), ["g/p!9 state: opened -> merged"]);
}

#[tokio::test]
async fn a_moved_project_is_followed_and_reported() {
    let (db, gitlab) = merged_behind(&[]).await;
    let items = gitlab.state().projects.remove("g/p").unwrap();
    gitlab.state().projects.insert("new/home".to_owned(), items);
    gitlab.state().ids.insert("new/home".to_owned(), 7);
    let redirect = Arc::new(|_: &mut super::fake::State, uri: &axum::http::Uri| {
        // To the number, on the host that GitLab believes to be.
        let to = uri.to_string().replace("g%2Fp", "7");
        answer(
            301,
            &[("location", &format!("https://gitlab.example.com{to}"))],
            "This resource has been moved permanently",
        )
    });
    gitlab.script("g%2Fp", redirect);
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(gitlab.asked(), ["g/p/merge_requests 1 iids", "7/merge_requests 1 iids"]);
    assert_eq!((report.moved[0].project.as_str(), report.moved[0].to.as_str()), ("g/p", "7"));
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged"]);
}

/// Redirects from the path `g/p` to the number 7, for ever.
fn redirected() -> super::fake::Answer {
    Arc::new(|state: &mut super::fake::State, uri: &axum::http::Uri| {
        let to = uri.to_string().replace("g%2Fp", "7");
        match to == uri.to_string() {
            true => state.truth(uri),
            false => answer(301, &[("location", &to)], "This resource has been moved permanently"),
        }
    })
}

/// The rows follow the project, with the sweep, too: nothing is written under the path that was asked for, at no run.
#[tokio::test]
async fn nothing_is_written_under_a_path_that_redirects() {
    let (db, gitlab) = merged_behind(&[]).await;
    let mut items = gitlab.state().projects.remove("g/p").unwrap();
    let now = jiff::Timestamp::now().to_string();
    items.insert(2, super::item(2, "opened", &now));
    for (iid, item) in &mut items {
        item["references"] = json!({"full": format!("new/home!{iid}")});
        item["web_url"] = json!(format!("https://gitlab.example.com/new/home/-/merge_requests/{iid}"));
    }
    gitlab.state().projects.insert("new/home".to_owned(), items);
    gitlab.state().ids.insert("new/home".to_owned(), 7);
    gitlab.state().always = Some(redirected());
    let projects = || vec!["g/p".to_owned()];
    let dry = run(&db, &gitlab, Options { projects: projects(), dry_run: true, ..options() }).await;
    assert_eq!(corrections(&dry), ["new/home!1 state: opened -> merged"], "one that is known is compared with its row");
    assert_eq!(dry.missing.iter().map(|missing| missing.iid).collect::<Vec<_>>(), [2]);
    assert_eq!(render::rows(&db.store, "SELECT project FROM gitlab_merge_requests").await, ["g/p"]);
    for run_number in 0..2 {
        let report = run(&db, &gitlab, Options { projects: projects(), ..options() }).await;
        assert_eq!(report.unreachable.len(), 0, "{run_number}: {:?}", report.unreachable);
        let found =
            render::table(&db.store, &["project", "iid", "state"], "FROM gitlab_merge_requests ORDER BY project, iid")
                .await;
        assert_eq!(found, "new/home | 1 | merged\nnew/home | 2 | opened", "{run_number}");
        assert_eq!(
            render::rows(&db.store, "SELECT project FROM gitlab_mr_versions WHERE project = 'g/p'").await,
            [""; 0]
        );
    }
}

/// An answer that does not name its path could only be written under the path that redirects.
#[tokio::test]
async fn answers_without_a_path_after_a_redirect_make_no_rows() {
    let (db, gitlab) = merged_behind(&[]).await;
    let mut items = gitlab.state().projects.remove("g/p").unwrap();
    items.insert(2, super::item(2, "opened", &jiff::Timestamp::now().to_string()));
    items.values_mut().for_each(|item| item["references"] = Value::Null);
    gitlab.state().projects.insert("new/home".to_owned(), items);
    gitlab.state().ids.insert("new/home".to_owned(), 7);
    gitlab.state().always = Some(redirected());
    let report = run(&db, &gitlab, options()).await;
    assert_eq!((corrections(&report).len(), report.missing.len()), (1, 0));
    assert_eq!(
        render::rows(&db.store, "SELECT project || '!' || iid || state FROM gitlab_merge_requests").await,
        ["g/p!1merged"]
    );
}

/// The token goes to the configured host only.
#[tokio::test]
async fn redirects_to_elsewhere_are_not_followed() {
    let elsewhere = Fake::start().await;
    let login = format!("{}/users/sign_in", elsewhere.url);
    let (db, gitlab) = merged_behind(&[(302, &[("location", &login)], "")]).await;
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(report.unreachable[0].problem, "GitLab redirects to another host, or in a circle");
    // An address of the API on another host is taken for one on ours.
    gitlab.state().ids.insert("g/p".to_owned(), 7);
    let api =
        format!("{}/api/v4/projects/7/merge_requests?state=all&scope=all&per_page=100&iids%5B%5D=1", elsewhere.url);
    gitlab.script("merge_requests", fixed(307, &[("location", &api)], ""));
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged"]);
    assert_eq!(elsewhere.asked(), [""; 0]);
    // A circle comes to an end.
    for number in 0..10 {
        let location = format!("/api/v4/projects/{number}/merge_requests");
        gitlab.script("", fixed(301, &[("location", &location)], ""));
    }
    super::add_open(&db, &gitlab, "g/p", [2]).await;
    gitlab.asked();
    assert_eq!(run(&db, &gitlab, open_only()).await.unreachable.len(), 1);
    assert_eq!(gitlab.asked().len(), 6);
    gitlab.state().script.clear();
    // From http to https: the token would be sent in the clear each time.
    let upgrade = |_: &mut super::fake::State, uri: &axum::http::Uri| {
        answer(301, &[("location", &format!("https://gitlab.example.com{uri}"))], "")
    };
    gitlab.script("", Arc::new(upgrade));
    assert_eq!(run(&db, &gitlab, open_only()).await.unreachable.len(), 1);
    assert_eq!(gitlab.asked().len(), 1);
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_as_long_as_it_says() {
    let (db, gitlab) =
        merged_behind(&[(429, &[("retry-after", "1"), ("content-type", "text/plain")], "Retry later\n")]).await;
    let start = Instant::now();
    let report = run(&db, &gitlab, open_only()).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((report.requests, report.limited), (2, 1));
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged"]);
}

#[tokio::test]
async fn a_rate_limit_without_a_time_is_waited_for_with_backoff() {
    let retry_later = (429, &[][..], "Retry later\n");
    let (db, gitlab) = merged_behind(&[retry_later; 5]).await;
    let start = Instant::now();
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!((report.requests, report.limited), (6, 5));
    assert!(start.elapsed() >= Duration::from_millis(5), "{:?}", start.elapsed());
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged"]);
}

/// All requests to an instance wait together: a burst of errors does not cause a burst of requests.
#[tokio::test]
async fn too_many_faults_end_the_run_and_leave_the_rest_unchanged() {
    let (db, gitlab) = with_open(1..=1).await;
    for project in ["g/a", "g/b", "g/c"] {
        super::add_open(&db, &gitlab, project, [1]).await;
    }
    for _ in 0..100 {
        gitlab.script("", fixed(429, &[], "Retry later\n"));
    }
    let before = render::all(&db.store).await;
    let report = run(&db, &gitlab, options()).await;
    let attempts = u64::from(Pace::default().limited_tries);
    assert_eq!(report.left, ["g/a", "g/b", "g/c", "g/p"]);
    assert_eq!((report.requests, report.limited), (4 * attempts, 4 * attempts));
    assert_eq!((report.unreachable.len(), report.is_whole()), (0, false));
    assert_eq!(render::all(&db.store).await, before);
    gitlab.state().script.clear();
    assert_eq!(run(&db, &gitlab, options()).await.projects, 4);
}

#[tokio::test]
async fn a_limit_longer_than_the_run_ends_it_at_once() {
    let (db, gitlab) = merged_behind(&[(429, &[("retry-after", "3600")], "Retry later\n")]).await;
    let start = Instant::now();
    let report = run(&db, &gitlab, open_only()).await;
    assert!(start.elapsed() < crate::support::LONGEST / 3, "it waited");
    assert_eq!((report.left, report.requests), (vec!["g/p".to_owned()], 1));
}

/// The answer to the last allowed request says so: the next request waits, and is not rejected.
#[tokio::test]
async fn the_headers_of_a_rate_limit_are_respected() {
    let (db, gitlab) = with_open(1..=150).await;
    let truth = Arc::new(|state: &mut super::fake::State, uri: &axum::http::Uri| {
        let mut response = state.truth(uri);
        let reset = jiff::Timestamp::now().as_second() + 2;
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", "2000".parse().unwrap());
        headers.insert("ratelimit-remaining", "0".parse().unwrap());
        headers.insert("ratelimit-reset", reset.to_string().parse().unwrap());
        response
    });
    gitlab.script("iids", truth);
    let start = Instant::now();
    let report = run(&db, &gitlab, open_only()).await;
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!((report.requests, report.limited, report.checked), (2, 0, 150));
}

#[tokio::test]
async fn faults_are_retried() {
    let cut = r#"[{"iid":1,"state":"opened","updated_at":"2026-"#;
    let (db, gitlab) = merged_behind(&[(502, &[], HTML), (200, &[], cut), (200, &[], HTML)]).await;
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!((report.requests, report.is_whole()), (4, true));
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged"]);
}

#[tokio::test]
async fn persistent_faults_are_reported_and_change_nothing() {
    let json = (200, &[][..], r#"{"message":"something else"}"#);
    for (broken, why) in [
        ((500, &[][..], "oops"), "no usable answer from GitLab in 4 attempts: status 500"),
        ((200, &[][..], ""), "no usable answer from GitLab in 4 attempts: an answer that cannot be read (not-json)"),
        ((200, &[][..], HTML), "no usable answer from GitLab in 4 attempts: an answer that cannot be read (not-json)"),
        (json, "no usable answer from GitLab in 4 attempts: an answer that cannot be read (bad-field)"),
    ] {
        let (db, gitlab) = merged_behind(&[broken; 4]).await;
        let before = merge_requests(&db).await;
        let report = run(&db, &gitlab, open_only()).await;
        assert_eq!(report.unreachable[0].problem, why);
        assert_eq!((report.requests, report.is_whole()), (4, false));
        assert_eq!(merge_requests(&db).await, before);
    }
}

/// One bad item in a good page: the others count, and it is not taken for deleted.
#[tokio::test]
async fn an_invalid_item_harms_no_other() {
    let (db, gitlab) = with_open(1..=4).await;
    gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    gitlab.change("g/p", 2, json!({"state": 17}));
    gitlab.state().projects.get_mut("g/p").unwrap().remove(&3);
    let report = run(&db, &gitlab, open_only()).await;
    assert_eq!(corrections(&report), ["g/p!1 state: opened -> merged", "g/p!3 state: opened -> deleted"]);
    assert_eq!(report.refused[0].iid, Some(2));
    assert!(report.refused[0].detail.starts_with("state: invalid type: integer `17`, expected a string"));
    assert!(!report.is_whole());
    // Should not even its number be there, it may be any of those that are missing: none is deleted.
    gitlab.change("g/p", 2, json!({"iid": "two"}));
    gitlab.state().projects.get_mut("g/p").unwrap().remove(&4);
    let before = merge_requests(&db).await;
    assert_eq!(corrections(&run(&db, &gitlab, open_only()).await), [""; 0]);
    assert_eq!(merge_requests(&db).await, before);
}

#[tokio::test]
async fn a_truncated_answer_is_a_fault() {
    let (db, _) = with_open(1..=1).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n[{\"iid\":1,").await;
        }
    });
    let instance = GitLab { url, token: None, host: None, ca_bundle: None };
    let report =
        super::reconcile::run(&db.store, &[instance], open_only(), super::deadline(), |_, _| ()).await.unwrap();
    let why = "no usable answer from GitLab in 4 attempts: an answer that ends early";
    assert_eq!(report.unreachable[0].problem, why);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let (db, _) = with_open(1..=1).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let instance = GitLab { url, token: None, host: None, ca_bundle: None };
    let pace = Pace { answer: Duration::from_millis(50), ..pace() };
    let options = Options { pace, ..open_only() };
    let report = super::reconcile::run(&db.store, &[instance], options, super::deadline(), |_, _| ()).await.unwrap();
    assert_eq!(report.unreachable[0].problem, "no usable answer from GitLab in 4 attempts: no answer in time");
    drop(listener);
}
