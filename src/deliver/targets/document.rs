//! The configuration of the targets as it is written: TOML, before its values are checked and its secrets are looked
//! up.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::TargetsError;
use crate::platform::environment::{self, Lookup};

/// The id of a GitHub App: its number, or its client id.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum AppId {
    Number(u64),
    Client(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    target: Vec<Raw>,
}

/// A target as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) name: String,
    pub(super) kind: String,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    pub(super) api: Option<String>,
    pub(super) token: Option<String>,
    pub(super) app_id: Option<AppId>,
    pub(super) installation_id: Option<u64>,
    pub(super) api_key: Option<String>,
    pub(super) ca_bundle: Option<String>,
    pub(super) context: Option<String>,
    #[serde(default)]
    pub(super) states: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) ignore_branches: Vec<String>,
    #[serde(default)]
    pub(super) ignore_sources: Vec<String>,
    pub(super) topic_arn: Option<String>,
    pub(super) overflow: Option<String>,
    #[serde(alias = "families")]
    pub(super) sources: Option<Vec<String>>,
    pub(super) events: Option<Vec<String>>,
    pub(super) url: Option<String>,
    pub(super) secret: Option<String>,
    #[serde(default)]
    pub(super) allow_private: bool,
    pub(super) pages: Option<String>,
    #[serde(default)]
    pub(super) beside_check_runs: bool,
    pub(super) verdict: Option<String>,
    pub(super) verdict_page: Option<String>,
    pub(super) from: Option<String>,
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) except: Vec<String>,
    #[serde(default)]
    pub(super) channels: Vec<String>,
    pub(super) key: Option<String>,
    pub(super) format: Option<String>,
    pub(super) concurrency: Option<usize>,
    pub(super) interval_ms: Option<u64>,
    pub(super) max_age_hours: Option<u64>,
    pub(super) max_attempts: Option<i32>,
}

/// The targets of the document, as they are written.
///
/// # Errors
/// When the file cannot be read, or the document cannot be parsed.
pub(super) fn written(lookup: Lookup<'_>) -> Result<Vec<Raw>, TargetsError> {
    let text = environment::document(lookup, "DELIVERY_TARGETS");
    let text = text.map_err(|(path, source)| TargetsError::File { path, source })?;
    text.map_or_else(|| Ok(Vec::new()), |text| document(&text))
}

fn document(text: &str) -> Result<Vec<Raw>, TargetsError> {
    // The whole error of the parser quotes the line, which may hold a secret against all advice.
    let document: Result<Document, _> = toml::from_str(text);
    document.map(|document| document.target).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        TargetsError::Document(format!("line {line}: {}", error.message()))
    })
}
