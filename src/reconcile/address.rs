//! The URLs of the GitLab API. Pure.
//!
//! The token is sent to the configured host only. The host of a URL that GitLab returns (`Link`, `Location`) is
//! therefore ignored; behind a proxy it may differ anyway.

use jiff::Timestamp;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use reqwest::Url;

use crate::platform::https::SEGMENT;

/// The most merge requests in one request: GitLab returns at most 100 items at a time, and the URL has about 2 kB.
pub(super) const BULK: usize = 100;

/// The root of the API for a configured URL: `https://host` or `https://host/gitlab/`, with or without `/api/v4`.
/// `None` when it is not a usable URL.
pub(super) fn root(address: &str) -> Option<Url> {
    let address = address.trim().trim_end_matches('/');
    let address = address.strip_suffix("/api/v4").unwrap_or(address);
    let url = Url::parse(&format!("{address}/api/v4/")).ok()?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    (usable && url.username().is_empty() && url.password().is_none()).then_some(url)
}

fn project(root: &Url, path: &str, rest: &str, query: Option<&str>) -> Url {
    let path = utf8_percent_encode(path, SEGMENT);
    let mut url = root.clone();
    url.set_path(&format!("{}projects/{path}{rest}", root.path()));
    url.set_query(query);
    url
}

/// A project.
pub(super) fn of_project(root: &Url, path: &str) -> Url {
    project(root, path, "", None)
}

/// Merge requests with these numbers, in any state.
pub(super) fn by_number(root: &Url, path: &str, iids: &[i64]) -> Url {
    let iids: Vec<String> = iids.iter().map(|iid| format!("&iids%5B%5D={iid}")).collect();
    let query = format!("state=all&scope=all&per_page={BULK}{}", iids.concat());
    project(root, path, "/merge_requests", Some(&query))
}

/// Merge requests that changed since a time, the newest first. One that changes between two requests of the pagination
/// then moves to the front, where the next sweep finds it, and no other one is skipped.
pub(super) fn updated_after(root: &Url, path: &str, since: Timestamp) -> Url {
    let since = since.to_string();
    let since = utf8_percent_encode(&since, SEGMENT);
    let query = format!("state=all&scope=all&order_by=updated_at&sort=desc&per_page={BULK}&updated_after={since}");
    project(root, path, "/merge_requests", Some(&query))
}

/// The versions of a merge request.
pub(super) fn versions(root: &Url, path: &str, iid: i64) -> Url {
    let query = format!("per_page={BULK}");
    project(root, path, &format!("/merge_requests/{iid}/versions"), Some(&query))
}

/// A pipeline.
pub(super) fn pipeline(root: &Url, path: &str, id: i64) -> Url {
    project(root, path, &format!("/pipelines/{id}"), None)
}

/// The jobs of a pipeline, without those that were retried.
pub(super) fn jobs(root: &Url, path: &str, id: i64) -> Url {
    let query = format!("per_page={BULK}");
    project(root, path, &format!("/pipelines/{id}/jobs"), Some(&query))
}

/// A URL that GitLab returned, with its host replaced by the configured one. `None` when it is not below the root of
/// the API.
pub(super) fn on_configured_host(root: &Url, given: &str) -> Option<Url> {
    let given = root.join(given).ok()?;
    let mut url = root.clone();
    url.set_path(given.path());
    url.set_query(given.query());
    url.path().starts_with(root.path()).then_some(url)
}

/// The URL of the next items in a header `Link` (RFC 8288).
pub(super) fn next(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (address, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = rest.split(';').any(|param| matches!(param.trim(), r#"rel="next""# | "rel=next"));
        is_next.then_some(address)
    })
}

/// The path or number of the project in a URL.
pub(super) fn project_in(url: &Url) -> Option<String> {
    let segment = url.path().split_once("/projects/")?.1.split('/').next()?;
    Some(percent_decode_str(segment).decode_utf8_lossy().into_owned()).filter(|project| !project.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_come_in_many_forms() {
        for (address, expected) in [
            ("https://gitlab.com", "https://gitlab.com/api/v4/"),
            ("https://gitlab.com/", "https://gitlab.com/api/v4/"),
            (" https://h.example/gitlab/api/v4/\n", "https://h.example/gitlab/api/v4/"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v4/"),
        ] {
            assert_eq!(root(address).map(String::from).as_deref(), Some(expected), "{address}");
        }
        for address in ["", "gitlab.com", "ftp://gitlab.com", "https://user:secret@gitlab.com", "https://h/?x=1"] {
            assert_eq!(root(address), None, "{address}");
        }
    }

    #[test]
    fn paths_are_one_segment_and_numbers_a_list() {
        let root = root("https://h").expect("root");
        let url = by_number(&root, "a group/p.q", &[1, 20]);
        let expected = "https://h/api/v4/projects/a%20group%2Fp.q/merge_requests\
                        ?state=all&scope=all&per_page=100&iids%5B%5D=1&iids%5B%5D=20";
        assert_eq!(url.as_str(), expected);
        let long: Vec<i64> = (1_000_000..1_000_100).collect();
        assert!(by_number(&root, "redhat/hummingbird/rpms", &long).as_str().len() < 2400);
        let since = "2026-03-10T10:00:00Z".parse().expect("time");
        assert!(updated_after(&root, "g/p", since).as_str().ends_with("&updated_after=2026-03-10T10%3A00%3A00Z"));
        assert_eq!(project_in(&versions(&root, "g/p", 7)).as_deref(), Some("g/p"));
    }

    #[test]
    fn the_token_is_sent_to_the_configured_host_only() {
        let root = root("https://proxy.example/gitlab").expect("root");
        let rewritten = |given| on_configured_host(&root, given).map(String::from);
        let next = "https://evil.example/gitlab/api/v4/projects/1/merge_requests?page=2";
        let expected = "https://proxy.example/gitlab/api/v4/projects/1/merge_requests?page=2";
        assert_eq!(rewritten(next).as_deref(), Some(expected));
        assert_eq!(rewritten("https://sso.example/login"), None);
        assert_eq!(rewritten("/users/sign_in"), None);
    }

    #[test]
    fn the_next_url_is_read_from_the_link() {
        let link =
            r#"<https://h/p?page=1>; rel="prev", <https://h/p?page=3>; rel="next", <https://h/p?page=9>; rel="last""#;
        assert_eq!(next(link), Some("https://h/p?page=3"));
        assert_eq!(next(r#"<https://h/p?page=1>; rel="first""#), None);
        assert_eq!(next("nonsense"), None);
    }
}
