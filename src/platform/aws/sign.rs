//! Signs requests to AWS that are sent with our own HTTP client, where an SDK would be too large (IAM user guide,
//! 'Signature Version 4').

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

/// A request to sign.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Name of the service, such as `lambda`.
    pub service: &'r str,
    /// Region.
    pub region: &'r str,
    /// HTTP method.
    pub method: &'r str,
    /// URL.
    pub url: &'r str,
    /// Headers to sign, names in lower case.
    pub headers: &'r [(&'static str, &'static str)],
}

/// The headers of a signed request: its own and the signature.
///
/// # Errors
/// When the request cannot be signed.
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
