//! Limits on the times in messages.

use jiff::Timestamp;

use super::record::{MergeRequest, MrVersion, Record};
use crate::transport::time::second;
use crate::transport::{Latest, Rejection};

impl Record {
    /// Limits the times that the sender wrote.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
        match self {
            Self::Push(push) => {
                latest.cut_all([&mut push.committed_at]);
                push.times.values_mut().for_each(|at| latest.cut_micros(at));
            }
            Self::MergeRequest(merge_request, versions) => {
                merge_request.limit_times(latest);
                versions.iter_mut().for_each(|version| version.limit_times(latest));
            }
            Self::Versions(versions) => versions.iter_mut().for_each(|version| version.limit_times(latest)),
            Self::Renamed(renamed) => latest.cut(&mut renamed.at),
            Self::Deleted(branch) => latest.cut(&mut branch.deleted_at),
            Self::Ci(record) => record.limit_times(latest),
        }
        Ok(())
    }
}

impl MergeRequest {
    /// Limits the times that the sender wrote.
    pub fn limit_times(&mut self, latest: Latest) {
        latest.cut_all([&mut self.created_at, &mut self.updated_at, &mut self.merged_at]);
        let limit = |version_at: &mut Timestamp, message_at: &mut Timestamp| {
            latest.cut(message_at);
            latest.cut(version_at);
            *version_at = second(*version_at);
        };
        limit(&mut self.stamp.version_at, &mut self.stamp.message_at);
        latest.cut(&mut self.heard_at);
        self.heard_at = second(self.heard_at);
        if let Some(head) = &mut self.head {
            limit(&mut head.version_at, &mut head.message.0);
        }
        if let Some(author) = &mut self.author {
            limit(&mut author.version_at, &mut author.message.0);
        }
    }
}

impl MrVersion {
    /// Limits the times that the sender wrote.
    pub fn limit_times(&mut self, latest: Latest) {
        for (at, message_at, _) in self.head.iter_mut().chain([&mut self.seen]) {
            latest.cut(at);
            latest.cut(message_at);
        }
    }
}
