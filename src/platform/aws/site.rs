//! Requests to a web UI that AWS publishes, which are signed for the service that publishes it: a function URL of
//! Lambda, or an API of API Gateway.

use std::time::SystemTime;

use aws_credential_types::Credentials;

use super::sign::{Request, signed};
use crate::platform::environment::Lookup;

/// The service and the region of a host name; `None` if it is not one of AWS.
#[must_use]
pub fn service_of(host: &str) -> Option<(&'static str, &str)> {
    let host = host.trim_end_matches('.');
    let parts: Vec<&str> = host.split('.').collect();
    match parts.as_slice() {
        [id, "lambda-url", region, "on", "aws"] if !id.is_empty() && !region.is_empty() => Some(("lambda", region)),
        [id, "execute-api", region, "amazonaws", "com"] | [id, "execute-api", region, "amazonaws", "com", "cn"]
            if !id.is_empty() && !region.is_empty() =>
        {
            Some(("execute-api", region))
        }
        _ => None,
    }
}

/// The headers that sign a GET request with the credentials of the environment; `None` without credentials, or if the
/// host is not one of AWS.
///
/// # Errors
/// When the request cannot be signed.
pub fn signature(
    host: &str,
    url: &str,
    lookup: Lookup<'_>,
    now: SystemTime,
) -> Result<Option<Vec<(String, String)>>, String> {
    let pair = lookup("AWS_ACCESS_KEY_ID").zip(lookup("AWS_SECRET_ACCESS_KEY"));
    let (Some((service, region)), Some((id, secret))) = (service_of(host), pair) else { return Ok(None) };
    let credentials = Credentials::new(id, secret, lookup("AWS_SESSION_TOKEN"), None, "environment");
    let request = Request { service, region, method: "GET", url, headers: &[] };
    signed(&request, credentials, &[], now).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_aws_get_a_signature() {
        for (host, expected) in [
            ("abc.lambda-url.eu-west-1.on.aws", Some(("lambda", "eu-west-1"))),
            ("abc.execute-api.us-east-2.amazonaws.com", Some(("execute-api", "us-east-2"))),
            ("abc.execute-api.cn-north-1.amazonaws.com.cn", Some(("execute-api", "cn-north-1"))),
            ("abc.execute-api.us-east-2.amazonaws.com.evil.example", None),
            ("lambda-url.eu-west-1.on.aws", None),
            ("x.abc.lambda-url.eu-west-1.on.aws", None),
            ("status.acme.example", None),
            ("127.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(service_of(host), expected, "{host}");
        }
        let credentials = |name: &str| (name.starts_with("AWS_")).then(|| "x".to_owned());
        let sign = |host: &str, lookup: Lookup<'_>| signature(host, "https://h/", lookup, SystemTime::UNIX_EPOCH);
        let host = "abc.lambda-url.eu-west-1.on.aws";
        assert!(sign(host, &credentials).is_ok_and(|headers| headers.is_some()));
        for (host, lookup) in [("status.acme.example", &credentials as Lookup<'_>), (host, &|_| None)] {
            assert!(sign(host, lookup).is_ok_and(|headers| headers.is_none()), "{host}");
        }
    }

    /// Compared with botocore's `SigV4Auth` for the same request, credentials and time.
    #[test]
    fn the_signature_is_that_of_the_sdk() {
        let lookup = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            "AWS_SESSION_TOKEN" => Some("token".to_owned()),
            _ => None,
        };
        let now: jiff::Timestamp = "2026-03-11T10:00:00Z".parse().expect("time");
        for (host, path, scope, expected) in [
            (
                "abc.lambda-url.eu-west-1.on.aws",
                "/api/v1/verdict?sha=abcd&repo=acme%2Fa%20b&required=gitlab%3Atest%2F%2A%2Cx&wait=25",
                "eu-west-1/lambda",
                "eacaf09cbd0fbf37846c9225e4e5317ebb70f3d9b63e6c2267c42a2524037db1",
            ),
            (
                "abc.execute-api.us-east-2.amazonaws.com",
                "/prod/api/v1/verdict?sha=abcd&repo=acme%2Fapp",
                "us-east-2/execute-api",
                "a3ba3a208f5f65bf685310332f639ac8ef864f727c9ff0ff074f778fd37dc93e",
            ),
        ] {
            let headers = signature(host, &format!("https://{host}{path}"), &lookup, now.into());
            let headers = headers.expect("signed").expect("headers");
            let find = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
            assert_eq!((find("x-amz-date"), find("x-amz-security-token")), ("20260311T100000Z", "token"));
            assert_eq!(
                find("authorization"),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260311/{scope}/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-security-token, Signature={expected}"
                )
            );
        }
    }
}
