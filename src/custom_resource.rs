//! A CloudFormation custom resource: asked by an event, answered by a PUT to the address in it.
//!
//! CloudFormation waits for the answer, up to an hour, so there must be one whatever happens; and it takes another
//! `PhysicalResourceId` than before for a replacement, so ours is always the same.
//! Source: AWS CloudFormation user guide, 'Custom resource request and response objects'.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::https;

/// The part of a request that is needed; a function that is invoked by hand gets none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Request {
    /// `Create`, `Update` or `Delete`.
    pub request_type: Option<String>,
    /// Where to put the answer.
    #[serde(rename = "ResponseURL")]
    pub response_url: Option<String>,
    /// To be repeated in the answer.
    pub stack_id: String,
    /// To be repeated in the answer.
    pub request_id: String,
    /// To be repeated in the answer.
    pub logical_resource_id: String,
}

impl Request {
    /// Whether CloudFormation asks, and waits for the answer.
    #[must_use]
    pub fn is_of_a_stack(&self) -> bool {
        self.response_url.is_some()
    }

    /// Whether the stack goes, in which case there is nothing to do: the data stays.
    #[must_use]
    pub fn is_delete(&self) -> bool {
        self.request_type.as_deref() == Some("Delete")
    }
}

/// The name that the schema has towards CloudFormation.
const PHYSICAL_ID: &str = "hummingbird-status-schema";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a, T> {
    status: &'static str,
    reason: String,
    physical_resource_id: &'static str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    data: Option<&'a T>,
}

/// The JSON of the answer.
fn answer<T: Serialize>(request: &Request, result: Result<&T, &str>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Answer {
        status: if result.is_ok() { "SUCCESS" } else { "FAILED" },
        // Longer ones fail the whole answer, which may have 4,096 bytes.
        reason: result.err().unwrap_or("done").chars().take(1000).collect(),
        physical_resource_id: PHYSICAL_ID,
        stack_id: &request.stack_id,
        request_id: &request.request_id,
        logical_resource_id: &request.logical_resource_id,
        data: result.ok(),
    })
}

/// Tells CloudFormation how it went; does nothing if the function was not invoked by it.
///
/// # Errors
/// When the answer could not be delivered in three tries.
pub async fn respond<T: Serialize>(request: &Request, result: Result<&T, &str>) -> anyhow::Result<()> {
    let Some(url) = &request.response_url else { return Ok(()) };
    let body = answer(request, result)?;
    let client = https::client().timeout(Duration::from_secs(10)).build()?;
    let mut tries = 0;
    loop {
        tries += 1;
        // The address is signed without a Content-Type.
        let sent = client.put(url).header("content-type", "").body(body.clone()).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            // The address is a credential: it must not get into the log with the error.
            Err(error) if tries == 3 => return Err(error.without_url().into()),
            Err(_) => tokio::time::sleep(Duration::from_secs(tries)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_invocations_by_hand() {
        let request: Request = serde_json::from_str(
            r#"{"RequestType":"Delete","ResponseURL":"https://x","StackId":"s","RequestId":"r","LogicalResourceId":"l",
                "ResourceProperties":{"ServiceTimeout":"1320"}}"#,
        )
        .expect("request");
        assert!(request.is_delete() && request.is_of_a_stack());
        let by_hand: Request = serde_json::from_str("{}").expect("by hand");
        assert!(by_hand == Request::default() && !by_hand.is_of_a_stack());
    }

    #[test]
    fn the_answer_repeats_what_it_must() {
        let request = Request { stack_id: "s".to_owned(), ..Request::default() };
        let done = answer(&request, Ok(&serde_json::json!({"to": 1}))).expect("JSON");
        assert!(done.contains(r#""Status":"SUCCESS""#) && done.contains(r#""StackId":"s""#), "{done}");
        let failed = answer::<()>(&request, Err(&"x".repeat(5000))).expect("JSON");
        assert!(failed.contains(r#""Status":"FAILED""#) && failed.len() < 4096, "{}", failed.len());
    }
}
