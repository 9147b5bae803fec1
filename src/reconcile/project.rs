//! Checks one project: requests its merge requests, compares them with the stored ones, and writes the differences.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::client::{Client, Decoded};
use super::error::{ApiError, CheckError};
use super::report::{Correction, Missing, Moved, RejectedItem, Report};
use super::{Options, address};
use crate::checks::Touched;
use crate::db::{Retrying, StoreError, Tx};
use crate::platform::clock::{self, Deadline};
use crate::sources::gitlab::{self, Answer, Change, Comparison, MergeRequest, Project, Record};
use crate::sources::write_checks;

/// A merge request whose last message is more recent than this does not count as deleted when an answer lacks it: it
/// may be too new for a replica of GitLab's database.
const TOO_NEW: SignedDuration = SignedDuration::from_secs(60);
/// A sweep looks back to this much before the last one, because GitLab does not show updates in the order of their
/// times.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// How far the first sweep of a project looks back.
const FIRST_SWEEP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the time of a head is requested, when GitLab does not return it.
const UNTIMED: SignedDuration = SignedDuration::from_hours(24);

/// The check of a project.
pub(super) struct Check<'c> {
    pub(super) store: &'c Retrying,
    pub(super) client: &'c Client,
    pub(super) options: &'c Options,
    /// The deadline of requests. Writing may take a little longer, so that no finding is lost.
    pub(super) deadline: Deadline,
    pub(super) project: &'c Project,
    /// The findings so far; they are reported even if the check fails.
    pub(super) found: Report,
    /// Numbers of the merge requests that were compared.
    compared: HashSet<i64>,
    /// Numbers of the merge requests whose versions are to be requested, for the times of their heads.
    untimed: BTreeSet<i64>,
    /// Whether the project is known to be the stored one.
    confirmed: bool,
    /// Its current path, which differs from the stored one after a redirect.
    pub(super) path: String,
}

/// A merge request that is to be written.
struct Finding {
    record: MergeRequest,
    changes: Vec<Change>,
    is_new: bool,
}

impl<'c> Check<'c> {
    pub(super) fn new(
        store: &'c Retrying,
        client: &'c Client,
        options: &'c Options,
        deadline: Deadline,
        project: &'c Project,
    ) -> Self {
        Self {
            store,
            client,
            options,
            deadline,
            project,
            found: Report::default(),
            compared: HashSet::new(),
            untimed: BTreeSet::new(),
            confirmed: false,
            path: project.path.clone(),
        }
    }

    /// Checks the stored open merge requests, then those that changed since the last sweep, then the times of new
    /// heads, then the pipelines that have not ended.
    pub(super) async fn run(&mut self, started: Timestamp) -> Result<(), CheckError> {
        let path = self.project.path.as_str();
        let open = self.store.in_tx("reconcile_open", async |tx| gitlab::known(tx, path, None).await);
        let open = open.await?;
        let mut parts: Vec<&[MergeRequest]> = open.chunks(address::BULK).rev().collect();
        while let Some(part) = parts.pop() {
            match self.check_known(part).await {
                // Some proxies accept shorter URLs only than GitLab: 414 URI Too Long.
                Err(CheckError::Api(ApiError::Rejected { status: 414 })) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                other => other?,
            }
        }
        if self.options.sweep {
            self.sweep(started).await?;
            self.time_heads(started).await?;
        }
        self.check_pipelines(started).await
    }

    /// Requests stored merge requests by their numbers. One that a complete answer lacks is deleted.
    async fn check_known(&mut self, part: &[MergeRequest]) -> Result<(), CheckError> {
        let asked_at = clock::now();
        let iids: Vec<i64> = part.iter().map(|known| known.iid).collect();
        let url = address::by_number(&self.client.root, &self.project.path, &iids);
        let read = |text: &str| gitlab::read_merge_requests(text, &self.project.path, asked_at);
        let decoded = self.client.get_all(url, self.deadline, read).await?;
        let mut answer = Answer::default();
        for mut part in decoded {
            self.note_move(&mut part).await?;
            answer.merge_requests.extend(part.content.merge_requests);
            answer.refused.extend(part.content.refused);
        }
        answer.merge_requests.retain(|found| iids.contains(&found.iid));
        self.confirm(&answer, answer.merge_requests.is_empty()).await?;

        let present: HashSet<Option<i64>> = answer
            .merge_requests
            .iter()
            .map(|found| Some(found.iid))
            .chain(answer.refused.iter().map(|(iid, _)| *iid))
            .collect();
        // An item whose number cannot be read may be any of those that are missing.
        let is_whole = !present.contains(&None);
        let is_old = |known: &&MergeRequest| asked_at.duration_since(known.stamp.message_at) > TOO_NEW;
        let absent = part.iter().filter(|known| is_whole && !present.contains(&Some(known.iid)));
        let deleted: Vec<Finding> = absent
            .filter(is_old)
            .map(|known| gitlab::gone(known, asked_at))
            .map(|(record, changes)| Finding { record, changes, is_new: false })
            .collect();
        self.compared.extend(&iids);
        self.found.checked += iids.len() as u64;
        let known: HashMap<i64, &MergeRequest> = part.iter().map(|known| (known.iid, known)).collect();
        let mut findings = self.compare(&known, answer.merge_requests);
        findings.extend(deleted);
        self.settle(findings).await
    }

    /// Requests merge requests that changed since the last sweep, to find those that were reopened, and those that are
    /// missing in the table.
    async fn sweep(&mut self, started: Timestamp) -> Result<(), CheckError> {
        let since = self.options.since.or(self.project.swept_at.and_then(|at| at.checked_sub(OVERLAP).ok()));
        let since = since.or_else(|| started.checked_sub(FIRST_SWEEP).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let asked = self.path.clone();
        let mut next = Some(address::updated_after(&self.client.root, &asked, since));
        let mut seen = HashSet::new();
        while let Some(url) = next {
            if !seen.insert(url.clone()) {
                return Err(ApiError::Redirected.into());
            }
            let asked_at = clock::now();
            let read = |text: &str| gitlab::read_merge_requests(text, &asked, asked_at);
            let mut decoded = self.client.get(url, self.deadline, read).await?;
            self.note_move(&mut decoded).await?;
            next = decoded.next;
            let answer = decoded.content;
            self.confirm(&answer, false).await?;
            let iids: Vec<i64> = answer.merge_requests.iter().map(|found| found.iid).collect();
            let path = self.path.as_str();
            let known = self.store.in_tx("reconcile_known", async |tx| gitlab::known(tx, path, Some(&iids)).await);
            let known = known.await?;
            let known: HashMap<i64, &MergeRequest> = known.iter().map(|known| (known.iid, known)).collect();
            self.found.checked += iids.iter().filter(|iid| self.compared.insert(**iid)).count() as u64;
            let findings = self.compare(&known, answer.merge_requests);
            self.settle(findings).await?;
        }
        Ok(())
    }

    /// Notes a redirect to a new path, and the items that could not be read. After a redirect the new path is read from
    /// the merge requests, and the stored rows are renamed: nothing is written under the requested path.
    async fn note_move(&mut self, answer: &mut Decoded<Answer>) -> Result<(), StoreError> {
        let project = self.project.path.clone();
        if let Some(to) = answer.moved_to.as_ref().filter(|to| **to != project) {
            if self.found.moved.is_empty() {
                self.found.moved.push(Moved { project: project.clone(), to: to.clone() });
            }
            let new_path =
                |found: &MergeRequest| found.response_path.as_ref().filter(|path| **path != self.path).cloned();
            let renamed = answer.content.merge_requests.iter().find_map(|found| Some((new_path(found)?, found)));
            if let Some((path, found)) = renamed.filter(|(_, found)| self.is_known(found)) {
                let record = gitlab::Renamed {
                    host: found.host.clone(),
                    project_id: found.project_id.unwrap_or_default(),
                    before: Some(project.clone()),
                    path: path.clone(),
                    at: found.stamp.message_at,
                    hosts: self.options.settings.gitlab.hosts.clone(),
                };
                self.write(&[Record::Renamed(Box::new(record))]).await?;
                // In a dry run the rows keep their path.
                if !self.options.dry_run {
                    self.path = path;
                }
            }
            for found in &mut answer.content.merge_requests {
                if let Some(path) = &found.response_path {
                    path.clone_into(&mut found.project);
                }
            }
        }
        let rejected = answer.content.refused.iter().map(|(iid, rejection)| RejectedItem {
            project: project.clone(),
            iid: *iid,
            detail: rejection.detail.clone(),
        });
        self.found.refused.extend(rejected);
        Ok(())
    }

    /// Whether a merge request belongs to the stored project: it has a number of a project, and the stored number is
    /// the same or unknown.
    fn is_known(&self, found: &MergeRequest) -> bool {
        found.project_id.is_some_and(|id| self.project.id.is_none_or(|known| known == id))
    }

    /// Where an answer is doubtful, makes sure that the path does not belong to another project now: the merge requests
    /// of that one have the same numbers and are other ones.
    pub(super) async fn confirm(&mut self, answer: &Answer, is_empty: bool) -> Result<(), CheckError> {
        let Some(known) = self.project.id else { return Ok(()) };
        let differs = |found: &MergeRequest| found.project_id.is_some_and(|id| id != known);
        if self.confirmed || !(is_empty || answer.merge_requests.iter().any(differs)) {
            return Ok(());
        }
        let url = address::of_project(&self.client.root, &self.project.path);
        match self.client.get(url, self.deadline, gitlab::read_project_id).await {
            Ok(Decoded { content: found, .. }) if found != known => Err(CheckError::OtherProject { found, known }),
            // The project exists; a token that may only see its merge requests does not get its number.
            Ok(_) | Err(ApiError::Rejected { .. }) => {
                self.confirmed = true;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn compare(&mut self, known: &HashMap<i64, &MergeRequest>, answers: Vec<MergeRequest>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for answer in answers {
            match known.get(&answer.iid).map(|known| gitlab::compare(known, answer.clone())) {
                // After a redirect, an item without a path could only be written under the requested path, so it is
                // left out.
                None if answer.response_path.is_none() && !self.found.moved.is_empty() => {}
                None => findings.push(Finding { record: answer, changes: Vec::new(), is_new: true }),
                Some(Comparison::Same) => {}
                Some(Comparison::Older) => self.found.overtaken += 1,
                Some(Comparison::Differs(record, changes)) => {
                    findings.push(Finding { record: *record, changes, is_new: false });
                }
            }
        }
        findings
    }

    /// Writes the findings by the same statements as ingest, with their version guard, and reports those that were
    /// written.
    async fn settle(&mut self, findings: Vec<Finding>) -> Result<(), CheckError> {
        if findings.is_empty() {
            return Ok(());
        }
        let record = |finding: &Finding| {
            let versions = finding.record.mentioned().into_iter().collect();
            let hosts = self.options.settings.gitlab.hosts.clone();
            Record::MergeRequest(Box::new(MergeRequest { hosts, ..finding.record.clone() }), versions)
        };
        let kept = self.write(&findings.iter().map(record).collect::<Vec<_>>()).await?;
        for (number, Finding { record, changes, is_new }) in findings.into_iter().enumerate() {
            if !kept.contains(&number) {
                self.found.overtaken += 1;
                continue;
            }
            if is_new || changes.iter().any(|change| change.field == "sha") {
                self.untimed.insert(record.iid);
            }
            let MergeRequest { project, iid, state, .. } = record;
            match () {
                () if is_new => self.found.missing.push(Missing { project, iid, state }),
                () if changes.is_empty() => self.found.refreshed += 1,
                () => self.found.corrections.push(Correction { project, iid, changes }),
            }
        }
        Ok(())
    }

    /// Writes records in one transaction; returns the indexes of those that changed a row. In a dry run those are all.
    pub(super) async fn write(&self, records: &[Record]) -> Result<HashSet<usize>, StoreError> {
        if self.options.dry_run || records.is_empty() {
            return Ok((0..records.len()).collect());
        }
        let batch: Vec<(usize, &Record)> = records.iter().enumerate().collect();
        let write = async |tx: &mut Tx<'_>| {
            let mut touched = Touched::default();
            let kept = gitlab::write(tx, &batch, &mut touched).await?;
            write_checks(tx, &touched).await?;
            Ok(kept)
        };
        Ok(self.store.in_tx("reconcile", write).await?.into_iter().collect())
    }

    /// Requests the versions of merge requests with new heads, to store the times of those heads, and heads that are
    /// missing.
    async fn time_heads(&mut self, started: Timestamp) -> Result<(), CheckError> {
        if self.options.dry_run {
            return Ok(());
        }
        let path = self.path.clone();
        let path = path.as_str();
        let since = started.checked_sub(UNTIMED).unwrap_or(started);
        let left = self.store.in_tx("reconcile_untimed", async |tx| gitlab::untimed(tx, path, since).await);
        self.untimed.extend(left.await?);
        while let Some(iid) = self.untimed.pop_first() {
            let url = address::versions(&self.client.root, path, iid);
            let asked_at = clock::now();
            let read = |text: &str| gitlab::read_versions(text, path, iid, asked_at);
            let answers = match self.client.get_all(url, self.deadline, read).await {
                Ok(answers) => answers,
                // The merge request was deleted meanwhile, or the token may not see its versions: the others are
                // checked.
                Err(ApiError::Rejected { status }) => {
                    tracing::debug!(gitlab.project = path, gitlab.iid = iid, status, "no versions");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let timed = self.store.in_tx("reconcile_timed", async |tx| gitlab::timed_heads(tx, path, iid).await);
            let timed = timed.await?;
            let versions = answers.into_iter().flat_map(|answer| answer.content);
            let versions: Vec<_> = versions.filter(|version| !timed.contains(&version.sha)).collect();
            let count = versions.len() as u64;
            if count > 0 && !self.write(&[Record::Versions(versions)]).await?.is_empty() {
                self.found.versions += count;
            }
        }
        Ok(())
    }
}
