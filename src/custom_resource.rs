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
    /// What the template gives it.
    pub resource_properties: Properties,
    /// What the template gave it before.
    pub old_resource_properties: Properties,
}

/// The part of the properties that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Properties {
    /// Changed to run the migration again.
    pub revision: String,
}

impl Request {
    /// Whether CloudFormation asks, and waits for the answer.
    #[must_use]
    pub fn is_of_a_stack(&self) -> bool {
        self.response_url.is_some()
    }

    /// Whether a database with this schema may be migrated. An empty one in place of one that had a schema was not meant, unless
    /// the revision says so: CloudFormation replaces a created instance when its user or its name changes, and would delete the
    /// old one if we answered with success.
    ///
    /// # Errors
    /// What to do, if it may not.
    pub fn may_change(&self, schema: i32) -> Result<(), String> {
        let is_same = self.resource_properties.revision == self.old_resource_properties.revision;
        if schema == 0 && is_same && self.request_type.as_deref() == Some("Update") {
            return Err("the database is empty, and the stack had one before: DatabaseUser, DatabaseName, DatabaseInstanceName or \
                        the address was changed, which replaces it. If that is meant, change MigrationRevision, too"
                .to_owned());
        }
        Ok(())
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
    fn an_empty_database_in_place_of_another_has_to_be_meant() {
        let request = |kind: &str, old: &str, new: &str| -> Request {
            let request = serde_json::json!({"RequestType": kind, "ResourceProperties": {"Revision": new},
                "OldResourceProperties": {"Revision": old, "DatabaseHost": "h"}});
            serde_json::from_value(request).expect("request")
        };
        assert!(request("Update", "1", "1").may_change(0).is_err_and(|why| why.contains("MigrationRevision")));
        assert_eq!(request("Update", "1", "1").may_change(1), Ok(()));
        assert_eq!(request("Update", "1", "2").may_change(0), Ok(()));
        assert_eq!(request("Create", "", "1").may_change(0), Ok(()));
        assert_eq!(Request::default().may_change(0), Ok(()));
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
