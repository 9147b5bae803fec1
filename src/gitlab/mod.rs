//! The family `gitlab`: pushes, merge requests and their versions, from webhooks and (at reconcile) from the API.
//!
//! Webhooks come late, twice, again after years and in any order, and their `updated_at` knows whole seconds only. What counts as
//! newer is in `record.rs`, the formats and their traps in `message/`.

mod difference;
mod limits;
mod message;
mod placed;
mod places;
mod record;
mod rules;
mod store;

pub use self::difference::{Change, Comparison, compare, gone};
pub use self::message::{Answer, decode, read_merge_requests, read_project_id, read_versions};
pub use self::record::{Author, Heads, Hosts, MergeRequest, MrVersion, Push, Record, Renamed, Stamp};
pub use self::store::{
    Checked, Project, fill_hosts, keep_checked, known, projects, reads, timed_heads, untimed, write,
};

use crate::envelope::Message;

/// What a deployment chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Branches whose pushes are kept, beside each project's default branch; `*` stands for all.
    pub branches: Vec<String>,
    /// Hosts of the instances that are configured, in their order.
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
