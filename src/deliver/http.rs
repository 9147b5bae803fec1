//! HTTP requests to targets: with time limits, the TLS settings of the target, and no redirects to other hosts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Response, Url};

use super::policy::{Answer, Lost};
use crate::platform::clock;
use crate::platform::failure::chain;
use crate::platform::https;
use crate::platform::secret::{Mask, Secret};

/// Time limit of connecting.
const CONNECT: Duration = Duration::from_secs(3);
/// Time limit of a request, redirects included. GitHub itself stops after ten seconds.
pub(super) const TOTAL: Duration = Duration::from_secs(10);
/// Bytes that are read of an answer: a page of check runs with their texts is the longest.
const BODY: usize = 1 << 20;
/// Redirects that are followed.
const HOPS: usize = 3;

/// How to connect.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientOptions<'c> {
    /// PEM bundle to trust instead of the default authorities.
    pub(super) ca_bundle: Option<&'c [u8]>,
    /// Whether to connect to public addresses only, and without a proxy.
    pub(super) public_only: bool,
    /// Whether addresses are secrets, as those of incoming webhooks are.
    pub(super) secret_address: bool,
    /// Secrets that are not part of requests, such as keys of signatures.
    pub(super) secrets: &'c [&'c Secret],
}

/// A client for one target, with a pool of connections.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    client: Client,
    public_only: bool,
    secret_address: bool,
    /// Secrets that are masked in all answers.
    mask: Mask,
}

impl Lost {
    /// The request exceeded its time limit.
    pub(super) fn late() -> Self {
        Self { why: format!("no answer within {} s", TOTAL.as_secs()), certain: false }
    }
}

/// Headers whose values are no secrets.
const PUBLIC: &[&str] = &[
    "accept",
    "content-type",
    "travis-repo-slug",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-amz-date",
    "x-github-api-version",
];

/// A header and its value.
pub(super) type Header = (&'static str, String);

impl Poster {
    /// Sets up a client.
    ///
    /// # Errors
    /// When the bundle is not PEM, or TLS cannot be set up.
    pub(super) fn new(options: ClientOptions<'_>) -> Result<Self, reqwest::Error> {
        // The client would follow 301 and 302 as GET, and to any host.
        let mut builder = https::client().redirect(Policy::none()).connect_timeout(CONNECT);
        if let Some(bundle) = options.ca_bundle {
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(bundle)?);
        }
        if options.public_only {
            builder = builder.no_proxy().dns_resolver(Arc::new(PublicOnly));
        }
        let mut mask = Mask::default();
        options.secrets.iter().for_each(|secret| mask.add_pair(secret.expose()));
        let ClientOptions { public_only, secret_address, .. } = options;
        Ok(Self { client: builder.build()?, public_only, secret_address, mask })
    }

    /// Sends JSON and reads the answer. This is the one place where secrets of requests are masked in answers, for all
    /// kinds of targets. With `follow`, a redirect to the same host repeats the request unchanged; any other redirect
    /// is the answer.
    ///
    /// # Errors
    /// When no answer came.
    pub(super) async fn post(&self, url: &Url, headers: &[Header], body: &str, follow: bool) -> Result<Answer, Lost> {
        self.send(Method::POST, url, headers, body, follow).await
    }

    /// The same with any method; an empty body is not sent.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[Header],
        body: &str,
        follow: bool,
    ) -> Result<Answer, Lost> {
        let exchange = self.exchange(method, url, headers, body, follow);
        let answer = tokio::time::timeout(TOTAL, exchange).await.unwrap_or_else(|_| Err(Lost::late()));
        let mask = self.mask_of(url, headers);
        match answer {
            Ok(answer) => {
                let headers = answer.headers.into_iter().map(|(name, value)| (name, mask.masked(&value))).collect();
                Ok(Answer { headers, body: mask.masked(&answer.body), ..answer })
            }
            Err(lost) => Err(Lost { why: mask.masked(&lost.why), ..lost }),
        }
    }

    /// The secrets of a request.
    fn mask_of(&self, url: &Url, headers: &[Header]) -> Mask {
        let mut mask = self.mask.clone();
        for (_, value) in headers.iter().filter(|(name, _)| !PUBLIC.contains(name)) {
            mask.add_header(value);
        }
        if self.secret_address {
            mask.add_address(url.as_str());
        }
        mask
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        headers: &[Header],
        body: &str,
        follow: bool,
    ) -> Result<Answer, Lost> {
        let mut url = url.clone();
        let mut hops = 0;
        loop {
            if self.public_only
                && let Some(address) = literal(&url)
                && !is_public(address)
            {
                return Err(Lost { why: "the address is not public".to_owned(), certain: true });
            }
            let mut request = self.client.request(method.clone(), url.clone());
            if !body.is_empty() {
                if !headers.iter().any(|(name, _)| *name == "content-type") {
                    request = request.header("content-type", "application/json");
                }
                request = request.body(body.to_owned());
            }
            for (name, value) in headers {
                let mut value = reqwest::header::HeaderValue::from_str(value)
                    .map_err(|_| Lost { why: format!("header {name} cannot be sent"), certain: true })?;
                value.set_sensitive(true);
                request = request.header(*name, value);
            }
            let response = request.send().await.map_err(lost)?;
            match next(&url, &response).filter(|_| follow && hops < HOPS) {
                Some(to) => url = to,
                None => return answer(response).await,
            }
            hops += 1;
        }
    }
}

/// Target of a redirect, if it has the same host, port and scheme.
fn next(from: &Url, response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let to = from.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    let same = (to.scheme(), to.host_str(), to.port_or_known_default())
        == (from.scheme(), from.host_str(), from.port_or_known_default());
    same.then_some(to)
}

async fn answer(mut response: Response) -> Result<Answer, Lost> {
    let status = response.status().as_u16();
    let headers = texts(response.headers());
    let mut body = Vec::new();
    // The status is the result; an incomplete body does not change it.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= BODY {
            body.truncate(BODY);
            break;
        }
    }
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned(), at: clock::now() })
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    texts.collect()
}

fn lost(error: reqwest::Error) -> Lost {
    let certain = error.is_connect() || error.is_builder();
    Lost { why: chain(&error.without_url()), certain }
}

/// The IP address of a URL that has one instead of a host name.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Resolves a name to its public addresses only: builds name hosts, and must not reach private ones (SSRF).
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let public: Vec<SocketAddr> = found.into_iter().filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is public (IANA special-purpose registries).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || matches!((a, b), (0, _) | (100, 64..=127) | (198, 18..=19))
                || (a, b, c) == (192, 0, 0)
                || a >= 240;
            !special
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(v4.into());
            }
            // 64:ff9b::/96 and 2002::/16 carry an IPv4 address.
            if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
                let [.., a, b, c, d] = v6.octets();
                return is_public(IpAddr::from([a, b, c, d]));
            }
            if segments[0] == 0x2002 {
                let [_, _, a, b, c, d, ..] = v6.octets();
                return is_public(IpAddr::from([a, b, c, d]));
            }
            // Of the rest, 2000::/3 is public, except 2001:db8::/32 and 2001::/23.
            segments[0] & 0xe000 == 0x2000 && !(segments[0] == 0x2001 && (segments[1] == 0xdb8 || segments[1] < 0x200))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_recognised() {
        for text in ["140.82.121.6", "1.1.1.1", "2606:50c0::153", "64:ff9b::8c52:7906", "100.63.0.1", "::ffff:1.1.1.1"]
        {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.1",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
    }
}
