//! Mail, by `SendEmail` of SES (API version 2).

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use reqwest::Url;
use serde_json::{Value, json};

use crate::deliver::http::{Header, Poster};
use crate::deliver::policy::{self, Decision, Lost};
use crate::outbox::Attempts;
use crate::outbox::Notice;
use crate::platform::aws;
use crate::platform::clock;

/// Characters of a header, at most (SES API, `MessageHeader`).
const HEADER: usize = 870;

/// The sender, and the API of SES.
pub(super) struct Sender<'s> {
    pub(super) from: &'s str,
    pub(super) api: &'s Url,
    pub(super) region: &'s str,
    pub(super) credentials: Option<&'s SharedCredentialsProvider>,
}

/// Sends a mail. One whose answer was lost is retried: delivery is at least once.
pub(super) async fn send(poster: &Poster, by: &Sender<'_>, mail: &Notice, attempts: Attempts) -> Decision {
    let lost = |why: &str| Decision::lost(attempts, &Lost { why: why.to_owned(), certain: true });
    let Some(body) = document(by.from, mail) else { return Decision::dead("no mail") };
    let Some(provider) = by.credentials else { return lost("no credentials for SES") };
    let Ok(credentials) = provider.provide_credentials().await else { return lost("no credentials for SES") };
    let mut url = by.api.clone();
    url.set_path(&format!("{}/v2/email/outbound-emails", by.api.path().trim_end_matches('/')));
    let request = aws::Request { service: "ses", region: by.region, method: "POST", url: url.as_str(), headers: &[] };
    let signed = aws::signed(&request, credentials, body.as_bytes(), clock::now().into());
    let Ok(signed) = signed else { return lost("the request cannot be signed") };
    let headers: Vec<Header> = signed.into_iter().filter_map(|(name, value)| Some((known(&name)?, value))).collect();
    match poster.post(&url, &headers, &body, false).await {
        Ok(answer) => policy::ses(&answer, attempts),
        Err(lost) => Decision::lost(attempts, &lost),
    }
}

/// The headers of a signature.
fn known(name: &str) -> Option<&'static str> {
    ["authorization", "x-amz-date", "x-amz-security-token"].into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

fn document(from: &str, mail: &Notice) -> Option<String> {
    let Notice::Mail { address, subject, text, headers } = mail else { return None };
    // SES accepts only printable ASCII in custom headers.
    let plain = |value: &str| -> String {
        value.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(HEADER).collect()
    };
    let headers: Vec<Value> =
        headers.iter().map(|(name, value)| json!({"Name": name, "Value": plain(value)})).collect();
    let document = json!({
        "FromEmailAddress": from,
        "Destination": {"ToAddresses": [address]},
        "Content": {"Simple": {
            "Subject": {"Data": subject, "Charset": "UTF-8"},
            "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
            "Headers": headers,
        }},
    });
    Some(document.to_string())
}
