//! The statement of a record about the path of its project, and the move of a record to another path. Pure.

use super::Hosts;
use super::locations::{Claim, Id, UNKNOWN};
use super::record::{MrVersion, Record};

impl Record {
    /// The configured hosts, if the record has them.
    pub(super) fn hosts(&self) -> Option<&Hosts> {
        match self {
            Self::Push(push) => Some(&push.hosts),
            Self::MergeRequest(merge_request, _) => Some(&merge_request.hosts),
            Self::Renamed(renamed) => Some(&renamed.hosts),
            Self::Versions(_) | Self::Deleted(_) => None,
            Self::Ci(record) => Some(&record.origin().hosts),
        }
    }

    /// The claim about the path of the project; `None` for a record without the project's number.
    pub(super) fn claim(&self) -> Option<Claim> {
        let (host, project_id, path) = self.project()?;
        let project_id = project_id?;
        let claim = |said_at, rank, before| Claim {
            host: host.map(str::to_owned),
            project_id,
            path: path.to_owned(),
            said_at,
            rank,
            before,
        };
        Some(match self {
            Self::Push(push) => claim(push.said_at(), 0, None),
            Self::MergeRequest(merge_request, _) => claim(merge_request.stamp.version_at, 0, None),
            Self::Renamed(renamed) => claim(renamed.at, 1, renamed.before.clone()),
            // Its path is replaced by the current one, and says nothing new about the project.
            Self::Versions(_) | Self::Deleted(_) | Self::Ci(_) => return None,
        })
    }

    /// Host, number and path of the project.
    pub(super) fn project(&self) -> Option<(Option<&str>, Option<i64>, &str)> {
        match self {
            Self::Push(push) => Some((push.host.as_deref(), push.project_id, &push.repo)),
            Self::MergeRequest(r, _) => Some((r.host.as_deref(), r.project_id, &r.project)),
            Self::Versions(heads) => Some((None, None, &heads.first()?.project)),
            Self::Renamed(renamed) => Some((renamed.host.as_deref(), Some(renamed.project_id), &renamed.path)),
            // A branch belongs to the path that its checks name, which does not follow renames.
            Self::Deleted(_) => None,
            Self::Ci(record) => {
                let origin = record.origin();
                // Without its number the project is not known to have another path.
                origin.project_id.map(|id| (Some(&*origin.host), Some(id), &*origin.project))
            }
        }
    }

    /// The paths in the record.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let before = match self {
            Self::Renamed(renamed) => renamed.before.as_deref(),
            _ => None,
        };
        self.project().map(|(.., path)| path).into_iter().chain(before)
    }

    /// Sets the project and the path of the record.
    pub(super) fn move_to(&mut self, (host, project_id): &Id, path: &str) {
        let host = (host != UNKNOWN).then(|| host.clone());
        let move_heads =
            |heads: &mut Vec<MrVersion>| heads.iter_mut().for_each(|head| path.clone_into(&mut head.project));
        match self {
            Self::Push(push) => {
                (push.host, push.project_id) = (host, Some(*project_id));
                path.clone_into(&mut push.repo);
            }
            Self::MergeRequest(merge_request, heads) => {
                (merge_request.host, merge_request.project_id) = (host, Some(*project_id));
                path.clone_into(&mut merge_request.project);
                move_heads(heads);
            }
            Self::Versions(heads) => move_heads(heads),
            Self::Renamed(_) | Self::Deleted(_) => {}
            Self::Ci(record) => record.move_to(path),
        }
    }
}
