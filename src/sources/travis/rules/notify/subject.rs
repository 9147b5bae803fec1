//! The build that a notification is about, with the texts that notifications use.

use serde_json::Value;

use super::words;
use crate::checks::is_whole_hash;
use crate::sources::travis::record::{Build, Job, Repository, Stage, State};

/// The subject of a notification.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'r> {
    /// Its repository.
    pub repository: &'r Repository,
    /// The build.
    pub build: &'r Build,
    /// Its stages, by id.
    pub stages: &'r [Stage],
    /// Its jobs, by id.
    pub jobs: &'r [Job],
    /// Base address of the pages of builds, without a slash at the end.
    pub pages: &'r str,
}

/// Length of an abbreviated commit.
const SHORT_SHA: usize = 7;

impl Subject<'_> {
    /// `owner/name`, as far as it is known.
    #[must_use]
    pub fn slug(&self) -> String {
        self.repository.slug().unwrap_or_default()
    }

    /// A member of the commit.
    #[must_use]
    pub fn commit(&self, member: &str) -> Option<&str> {
        self.build.commit.get(member).and_then(Value::as_str)
    }

    /// The commit that was built; of a pull request a merge of it.
    #[must_use]
    pub fn sha(&self) -> &str {
        self.commit("sha").or_else(|| self.commit("commit")).unwrap_or_default()
    }

    /// The commit that gets the status: the head of a pull request, else the commit that was built.
    #[must_use]
    pub fn head_sha(&self) -> &str {
        let head = self.of_pull_request("head_commit").and_then(Value::as_str);
        head.filter(|_| self.is_pull_request()).unwrap_or_else(|| self.sha())
    }

    /// The commit that gets the status, if its hash is whole.
    #[must_use]
    pub fn whole_head_sha(&self) -> Option<&str> {
        Some(self.head_sha()).filter(|sha| is_whole_hash(sha))
    }

    /// The first characters of the commit.
    #[must_use]
    pub fn short_sha(&self) -> String {
        self.sha().chars().take(SHORT_SHA).collect()
    }

    /// The branch.
    #[must_use]
    pub fn branch(&self) -> &str {
        self.build.branch.as_deref().or_else(|| self.commit("branch")).unwrap_or_default()
    }

    /// Whether the build is of a pull request.
    #[must_use]
    pub fn is_pull_request(&self) -> bool {
        self.build.event_type.as_deref() == Some("pull_request")
    }

    /// A member of the pull request.
    #[must_use]
    pub fn of_pull_request(&self, member: &str) -> Option<&Value> {
        self.build.pull_request.as_ref()?.get(member)
    }

    /// Number of the pull request.
    #[must_use]
    pub fn pull_request_number(&self) -> String {
        match self.of_pull_request("number") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    /// Number of the build.
    #[must_use]
    pub fn number(&self) -> &str {
        self.build.number.as_deref().unwrap_or_default()
    }

    /// State of the build.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.build.state.unwrap_or(State::Created).name()
    }

    /// Its state in words, see [`words`].
    #[must_use]
    pub fn words(&self) -> (&'static str, &'static str) {
        words(self.build.state, self.build.previous_state)
    }

    /// Its state as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("The build {}.", self.words().1)
    }

    /// Address of the page of the build.
    #[must_use]
    pub fn page(&self) -> String {
        format!("{}/{}/builds/{}", self.pages, self.slug(), self.build.id)
    }

    /// Address of the page of the build for links from forges.
    #[must_use]
    pub fn page_of_host(&self) -> String {
        format!("{}/github/{}/builds/{}", self.pages, self.slug(), self.build.id)
    }

    /// `1 min 0 sec`, or `?` where it is not known: before the end, or when no job has both of its times.
    #[must_use]
    pub fn duration(&self) -> String {
        let is_timed = |job: &Job| match (job.started_at, job.finished_at) {
            (Some(_), Some(_)) => true,
            // A job that was canceled before it ran has no times.
            (start, _) => start.is_none() && job.state == Some(State::Canceled),
        };
        let known = |seconds: &i32| *seconds > 0 || self.jobs.iter().any(is_timed);
        match self.build.duration.filter(known) {
            Some(seconds) => format!("{} min {} sec", seconds / 60, seconds % 60),
            None => "?".to_owned(),
        }
    }

    /// Host of the repository, in lower case, without port: from its address, else from the one that compares commits.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        let urls = [self.repository.url.as_deref(), self.commit("compare_url")];
        urls.into_iter().flatten().find_map(|url| {
            let (scheme, rest) = url.split_once("://")?;
            let authority = rest.split(['/', '?', '#', '\\']).next()?;
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let host = host.split_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
            let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
            (matches!(scheme, "http" | "https") && is_host).then_some(host)
        })
    }
}
