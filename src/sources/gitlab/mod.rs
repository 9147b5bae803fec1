//! The source `gitlab`: pushes, merge requests and their versions, pipelines, jobs and deployments ([`ci`]), from
//! webhooks and (during reconcile) from the API.
//!
//! Webhooks arrive late, twice, again after years and in any order, and their `updated_at` has whole seconds only. The
//! versions that decide which record is newer are in `record.rs`, the formats and their peculiarities in `message/`.

pub mod ci;
mod claims;
mod difference;
mod limits;
mod locations;
mod message;
mod moment;
mod record;
mod rules;
mod store;

use std::sync::Arc;

pub use self::difference::{Change, Comparison, compare, gone};
pub use self::message::{
    Answer, PipelineAnswer, answered, decode, read_jobs, read_merge_requests, read_pipeline, read_project_id,
    read_versions,
};
pub use self::record::{Author, Heads, MergeRequest, MrVersion, Push, Record, Renamed, Stamp};
pub use self::store::{
    Checked, PUSHES, Project, TABLES, add_old_repositories, checks, fill_hosts, known, lock_pushes, lock_rows,
    mark_asked, open_pipelines, projects, push_times, reads, save_checked, sweep, timed_heads, untimed, write,
};

use crate::transport::Message;

/// Configured hosts, in their order. If projects on two hosts have the same path, the project on the first host keeps
/// it.
pub type Hosts = Arc<[String]>;

/// Settings of this source.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Branches whose pushes are kept, in addition to each project's default branch; `*` means all.
    pub branches: Vec<String>,
    /// Hosts of the configured GitLab instances, in their order.
    pub hosts: Hosts,
}

impl Default for Settings {
    fn default() -> Self {
        Self { branches: vec!["main".to_owned()], hosts: Hosts::from(["gitlab.com".to_owned()]) }
    }
}

/// Whether the message is a webhook or a system hook of GitLab.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    message.head.has("object_kind") || (message.head.has("event_name") && !message.head.has("apiVersion"))
}
