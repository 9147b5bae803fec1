//! A CloudFormation custom resource: requested by an event, answered by a PUT to the address in it.
//!
//! CloudFormation waits for the response, up to an hour, so there must always be one; and it takes a changed
//! `PhysicalResourceId` for a replacement, so ours is constant. Source: AWS CloudFormation user guide, 'Custom resource
//! request and response objects'.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::platform::https;

/// The members of a request that are used; all are missing when the function is invoked by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Request {
    /// `Create`, `Update` or `Delete`.
    pub request_type: Option<String>,
    /// Address for the response.
    #[serde(rename = "ResponseURL")]
    pub response_url: Option<String>,
    /// Repeated in the response.
    pub stack_id: String,
    /// Repeated in the response.
    pub request_id: String,
    /// Repeated in the response.
    pub logical_resource_id: String,
    /// Properties of the resource in the template.
    pub resource_properties: Properties,
    /// Properties before the update.
    pub old_resource_properties: Properties,
}

/// The properties that are used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Properties {
    /// Changed to run the migration again.
    pub revision: String,
}

impl Request {
    /// Whether CloudFormation sent the request, and waits for the response.
    #[must_use]
    pub fn is_of_a_stack(&self) -> bool {
        self.response_url.is_some()
    }

    /// Checks that a database with this schema may be migrated. An empty database in place of one with a schema is a
    /// mistake, unless the revision changes too: CloudFormation replaces a created instance when its user or its name
    /// changes, and would delete the old one after a success.
    ///
    /// # Errors
    /// How to proceed, if it may not.
    pub fn may_change(&self, schema: i32) -> Result<(), String> {
        let is_same = self.resource_properties.revision == self.old_resource_properties.revision;
        if schema == 0 && is_same && self.request_type.as_deref() == Some("Update") {
            return Err("the database is empty, and the stack had one before: DatabaseUser, DatabaseName, \
                        DatabaseInstanceName or the address was changed, which replaces it. If this is intended, \
                        change MigrationRevision, too"
                .to_owned());
        }
        Ok(())
    }

    /// Whether the stack is deleted, in which case there is nothing to do: the data stays.
    #[must_use]
    pub fn is_delete(&self) -> bool {
        self.request_type.as_deref() == Some("Delete")
    }
}

/// The physical id of the schema in CloudFormation.
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

/// The response as JSON.
fn answer<T: Serialize>(request: &Request, result: Result<&T, &str>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Answer {
        status: if result.is_ok() { "SUCCESS" } else { "FAILED" },
        // A longer reason fails the whole response, which may have 4,096 bytes.
        reason: result.err().unwrap_or("done").chars().take(1000).collect(),
        physical_resource_id: PHYSICAL_ID,
        stack_id: &request.stack_id,
        request_id: &request.request_id,
        logical_resource_id: &request.logical_resource_id,
        data: result.ok(),
    })
}

/// Sends the result to CloudFormation; does nothing if the function was not invoked by it.
///
/// # Errors
/// When the response could not be sent in three attempts.
pub async fn respond<T: Serialize>(request: &Request, result: Result<&T, &str>) -> anyhow::Result<()> {
    let Some(url) = &request.response_url else { return Ok(()) };
    let body = answer(request, result)?;
    let client = https::client().timeout(Duration::from_secs(10)).build()?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        // The address is signed without a Content-Type.
        let sent = client.put(url).header("content-type", "").body(body.clone()).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            // The address is a credential: it must not get into the log with the error.
            Err(error) if attempts == 3 => return Err(error.without_url().into()),
            Err(_) => tokio::time::sleep(Duration::from_secs(attempts)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_differ_from_invocations_by_hand() {
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
    fn an_empty_database_in_place_of_another_needs_a_new_revision() {
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
    fn the_response_repeats_the_ids_of_the_request() {
        let request = Request { stack_id: "s".to_owned(), ..Request::default() };
        let done = answer(&request, Ok(&serde_json::json!({"to": 1}))).expect("JSON");
        assert!(done.contains(r#""Status":"SUCCESS""#) && done.contains(r#""StackId":"s""#), "{done}");
        let failed = answer::<()>(&request, Err(&"x".repeat(5000))).expect("JSON");
        assert!(failed.contains(r#""Status":"FAILED""#) && failed.len() < 4096, "{}", failed.len());
    }
}
