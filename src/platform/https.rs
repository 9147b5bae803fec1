//! The HTTP client for requests to other systems: one TLS configuration for all of them, with `ring` as for PostgreSQL,
//! and the certificate authorities of the system.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use reqwest::ClientBuilder;

/// The characters that are percent-encoded in a path segment: all but the unreserved characters of RFC 3986, 2.3.
pub const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client builder. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`).
pub fn client() -> ClientBuilder {
    // An earlier call has installed the same provider.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().user_agent(concat!("hummingbird-status/", env!("CARGO_PKG_VERSION")))
}
