//! Checks the `Host` of requests, against DNS rebinding: a web page may make its own name resolve to this machine; then
//! a browser sends requests to this server on behalf of that page, and lets it read the responses.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{StatusCode, Version};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;

use crate::platform::routing::Routes;

/// Further names of a server that listens on loopback: those of a proxy in front of it.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// Host names, with or without a port.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names = names.into_iter().map(|name| name.as_ref().trim().to_ascii_lowercase());
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    fn has(&self, authority: &Authority) -> bool {
        let (host, whole) = (authority.host().to_ascii_lowercase(), authority.as_str().to_ascii_lowercase());
        self.0.iter().any(|known| *known == host || *known == whole)
    }
}

/// Routes that answer only for our hosts. `is_local`: the server listens on loopback only.
#[must_use]
pub fn for_hosts(routes: Routes, is_local: bool, hosts: &Hosts) -> Routes {
    let hosts = hosts.clone();
    let check = from_fn(move |request: Request, next: Next| {
        let rejected = problem(&request, is_local, &hosts);
        async move {
            match rejected {
                Some(problem) => problem.into_response(),
                None => next.run(request).await,
            }
        }
    });
    routes.around(|router| router.layer(check))
}

/// The error of the host of a request, if any (RFC 9112, 3.2).
fn problem(request: &Request, is_local: bool, hosts: &Hosts) -> Option<(StatusCode, &'static str)> {
    let mut given = request.headers().get_all(HOST).iter();
    let (first, second) = (given.next(), given.next());
    if second.is_some() {
        return Some((StatusCode::BAD_REQUEST, "more than one Host"));
    }
    if first.is_none() && request.version() == Version::HTTP_11 && request.uri().authority().is_none() {
        return Some((StatusCode::BAD_REQUEST, "no Host"));
    }
    if !is_local {
        return None;
    }
    // The absolute form of a request overrides its header.
    let header = || first.map(|host| host.as_bytes().try_into()).transpose();
    let host: Option<Authority> = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => match header() {
            Ok(host) => host,
            Err(_) => return Some((StatusCode::BAD_REQUEST, "an invalid Host")),
        },
    };
    if host.as_ref().is_some_and(|host| !is_host_and_port(host)) {
        return Some((StatusCode::BAD_REQUEST, "an invalid Host"));
    }
    let is_ours = host.is_none_or(|host| is_this_machine(host.host()) || hosts.has(&host));
    (!is_ours).then_some((
        StatusCode::MISDIRECTED_REQUEST,
        "this server listens on this machine only and answers for localhost; PAGE_HOSTS lists its other names",
    ))
}

/// Whether an authority is a host with or without a port (RFC 9110, 7.2): it has no user, and the port is a number.
fn is_host_and_port(authority: &Authority) -> bool {
    let rest = authority.as_str().strip_prefix(authority.host());
    rest.is_some_and(|rest| rest.strip_prefix(':').unwrap_or(rest).bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_this_machine(host: &str) -> bool {
    let plain = host.trim_matches(['[', ']']);
    plain.eq_ignore_ascii_case("localhost") || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn asked(uri: &str, version: Version, given: &[&str]) -> Request {
        let request = given.iter().fold(axum::http::Request::get(uri), |request, host| request.header(HOST, *host));
        request.version(version).body(Body::empty()).expect("a request")
    }

    #[test]
    fn a_server_on_loopback_answers_for_this_machine_only() {
        let hosts = Hosts::new(["ci.acme.example", " Other.example:8443 "]);
        let status =
            |request: &Request, is_local| problem(request, is_local, &hosts).map(|(status, _)| status.as_u16());
        let http = Version::HTTP_11;
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "ci.acme.example",
            "CI.acme.example:443",
            "other.example:8443",
        ] {
            assert_eq!(status(&asked("/", http, &[host]), true), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "other.example",
            "[::2]",
        ] {
            assert_eq!(status(&asked("/", http, &[host]), true), Some(421), "{host}");
            assert_eq!(status(&asked("/", http, &[host]), false), None, "{host}: a server for all answers any client");
        }
        for is_local in [false, true] {
            assert_eq!(status(&asked("/", http, &["localhost", "localhost"]), is_local), Some(400));
            assert_eq!(status(&asked("/", http, &[]), is_local), Some(400));
            assert_eq!(status(&asked("/", Version::HTTP_10, &[]), is_local), None);
        }
        assert_eq!(status(&asked("http://evil.example/", http, &["localhost"]), true), Some(421));
        assert_eq!(status(&asked("http://localhost/", http, &["evil.example"]), true), None);
        for host in ["a b", "user@localhost", "evil.example@localhost", "localhost:-0", "localhost:x"] {
            assert_eq!(status(&asked("/", http, &[host]), true), Some(400), "{host}");
        }
    }
}
