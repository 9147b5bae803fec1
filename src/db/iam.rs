//! Tokens for IAM authentication of RDS: a request for `rds-db:connect` that is signed here and never sent over HTTP.
//!
//! The token serves as the password for 15 minutes, and is checked only when a connection is made (RDS user guide, 'IAM
//! database authentication'). Signing is local: no AWS SDK, no request.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::StoreError;
use super::{AwsCredentials, Target};

/// All characters but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The token for one target, valid from `now`.
pub(super) fn token(target: &Target, credentials: &AwsCredentials, now: SystemTime) -> Result<String, StoreError> {
    let failed = |error: String| StoreError::Tls(format!("IAM token: {error}"));
    let identity = Credentials::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        credentials.session_token.clone(),
        None,
        "environment",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(Duration::from_secs(900));
    settings.signature_location = SignatureLocation::QueryParams;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&credentials.region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let user = utf8_percent_encode(&target.user, RESERVED);
    let mut token = format!("{}:{}/?Action=connect&DBUser={user}", target.host, target.port);
    let url = format!("https://{token}");
    let request = SignableRequest::new("GET", &*url, std::iter::empty(), SignableBody::Bytes(&[]))
        .map_err(|error| failed(error.to_string()))?;
    let signed = sign(request, &parameters.into()).map_err(|error| failed(error.to_string()))?;
    for (name, value) in signed.output().params() {
        token.push_str(&format!("&{name}={}", utf8_percent_encode(value, RESERVED)));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with botocore's `generate_db_auth_token` for the same credentials and time.
    #[test]
    fn the_token_is_that_of_the_sdk() {
        let target = crate::db::from_url("postgres://app@db.abc.eu-west-1.rds.amazonaws.com/n").expect("URL").target;
        let credentials = AwsCredentials {
            region: "eu-west-1".to_owned(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: Some("session/token+=".to_owned()),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_610_591);
        let token = token(&target, &credentials, now).expect("token");
        let signature = token.split("X-Amz-Signature=").nth(1).expect("signature");
        assert!(token.starts_with("db.abc.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app&"), "{token}");
        assert_eq!(
            signature.split('&').next(),
            Some("5ac738220ac87544a3bd9cd3df08715de4f140b83951df3ea5e80cb5b762a81f"),
            "{token}"
        );
    }
}
