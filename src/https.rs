//! HTTP requests to the outside: one TLS for all of them, of `ring` as PostgreSQL's, with the machine's authorities.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use reqwest::ClientBuilder;

/// What is written in percents in a segment of a path: all but the unreserved characters of RFC 3986, 2.3.
pub const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Begins a client. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`).
pub fn client() -> ClientBuilder {
    // Whoever came first has installed the very same one.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().user_agent(concat!("hummingbird-status/", env!("CARGO_PKG_VERSION")))
}
