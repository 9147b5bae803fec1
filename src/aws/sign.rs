//! Requests that are signed here and sent over our own HTTP, where an SDK would be too much (IAM user guide, 'Signature
//! Version 4').

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Service, as in `lambda`.
    pub service: &'r str,
    /// Region.
    pub region: &'r str,
    /// Method of HTTP.
    pub method: &'r str,
    /// Where to.
    pub url: &'r str,
    /// Headers that are signed with it, names in lower case.
    pub headers: &'r [(&'static str, &'static str)],
}

/// The headers that a request needs: its own, and its signature.
///
/// # Errors
/// When something about it cannot be signed.
pub fn signed(
    request: &Request<'_>,
    credentials: Credentials,
    body: &[u8],
    now: SystemTime,
) -> Result<Vec<(String, String)>, String> {
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(request.region)
        .name(request.service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?;
    let signable =
        SignableRequest::new(request.method, request.url, request.headers.iter().copied(), SignableBody::Bytes(body));
    let signed = sign(signable.map_err(|error| error.to_string())?, &parameters.into());
    let (instructions, _) = signed.map_err(|error| error.to_string())?.into_parts();
    let own = request.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Ok(own.chain(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()))).collect())
}
