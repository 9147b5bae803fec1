//! One project, from the question to the rows.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::client::{Client, Page};
use super::error::{ApiError, Trouble};
use super::report::{Correction, Missing, Moved, RefusedItem, Report};
use super::{Options, address};
use crate::clock::{self, Deadline};
use crate::gitlab::{self, Answer, Change, Comparison, MergeRequest, Project, Record};
use crate::store::{Patient, StoreError};

/// A merge request of which something was heard so lately may be too new for a replica of GitLab's database: it is not
/// taken for deleted yet.
const TOO_NEW: SignedDuration = SignedDuration::from_secs(60);
/// A sweep begins so much before the last one did: updates are not seen in the order of their times.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// How far the first sweep of a project looks back.
const FIRST_SWEEP: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For how long the time of a head is asked for in vain.
const UNTIMED: SignedDuration = SignedDuration::from_hours(24);

/// A project at work.
pub(super) struct Check<'c> {
    pub(super) store: &'c Patient,
    pub(super) client: &'c Client,
    pub(super) options: &'c Options,
    /// For questions. What is written has a little longer: what was found out is not to be lost.
    pub(super) deadline: Deadline,
    pub(super) project: &'c Project,
    /// What was found so far; it stands even if the check does not come to its end.
    pub(super) found: Report,
    /// Numbers that were compared.
    compared: HashSet<i64>,
    /// Numbers of merge requests with heads of which the time is to be asked for.
    untimed: BTreeSet<i64>,
    /// Whether the project was seen to be the one that we know.
    confirmed: bool,
    /// Its path now: another one once a redirect led there.
    path: String,
}

/// What to do about one merge request.
struct Finding {
    record: MergeRequest,
    changes: Vec<Change>,
    is_new: bool,
}

impl<'c> Check<'c> {
    pub(super) fn new(
        store: &'c Patient,
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

    /// The open merge requests, then what has changed since the last time, then the heads that these led to.
    pub(super) async fn run(&mut self, started: Timestamp) -> Result<(), Trouble> {
        let path = self.project.path.as_str();
        let open = self.store.in_tx("reconcile_open", async |tx| gitlab::known(tx, path, None).await);
        let open = open.await?;
        let mut parts: Vec<&[MergeRequest]> = open.chunks(address::BULK).rev().collect();
        while let Some(part) = parts.pop() {
            match self.ask_for(part).await {
                // Some proxies take less than GitLab itself.
                Err(Trouble::Api(ApiError::Refused { status: 414 })) if part.len() > 1 => {
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
        Ok(())
    }

    /// Asks for merge requests by their numbers. One that a whole answer does not hold is deleted.
    async fn ask_for(&mut self, part: &[MergeRequest]) -> Result<(), Trouble> {
        let asked_at = clock::now();
        let iids: Vec<i64> = part.iter().map(|known| known.iid).collect();
        let url = address::by_number(&self.client.root, &self.project.path, &iids);
        let read = |text: &str| gitlab::read_merge_requests(text, &self.project.path, asked_at);
        let pages = self.client.pages(url, self.deadline, read).await?;
        let mut answer = Answer::default();
        for page in pages {
            let mut page = page;
            self.look_at(&mut page).await?;
            answer.merge_requests.extend(page.content.merge_requests);
            answer.refused.extend(page.content.refused);
        }
        answer.merge_requests.retain(|found| iids.contains(&found.iid));
        self.confirm(&answer, answer.merge_requests.is_empty()).await?;

        let there: HashSet<Option<i64>> = answer
            .merge_requests
            .iter()
            .map(|found| Some(found.iid))
            .chain(answer.refused.iter().map(|(iid, _)| *iid))
            .collect();
        // Whatever could not even be told apart may be any of those that are not there.
        let is_whole = !there.contains(&None);
        let is_old = |known: &&MergeRequest| asked_at.duration_since(known.stamp.message_at) > TOO_NEW;
        let absent = part.iter().filter(|known| is_whole && !there.contains(&Some(known.iid)));
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

    /// Asks for what has changed since the last sweep: the closed that were opened again, and those never heard of.
    async fn sweep(&mut self, started: Timestamp) -> Result<(), Trouble> {
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
            let mut page = self.client.get(url, self.deadline, read).await?;
            self.look_at(&mut page).await?;
            next = page.next;
            let answer = page.content;
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

    /// Notes where the project is now, and what could not be read. After a redirect each merge request tells its own path, and the
    /// rows that are kept follow it: nothing is written under the path that was asked for.
    async fn look_at(&mut self, page: &mut Page<Answer>) -> Result<(), StoreError> {
        let project = self.project.path.clone();
        if let Some(to) = page.moved_to.as_ref().filter(|to| **to != project) {
            if self.found.moved.is_empty() {
                self.found.moved.push(Moved { project: project.clone(), to: to.clone() });
            }
            let told = |found: &MergeRequest| found.told_path.as_ref().filter(|path| **path != self.path).cloned();
            let renamed = page.content.merge_requests.iter().find_map(|found| Some((told(found)?, found)));
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
                // In a dry run the rows stay where they are.
                if !self.options.dry_run {
                    self.path = path;
                }
            }
            for found in &mut page.content.merge_requests {
                if let Some(path) = &found.told_path {
                    path.clone_into(&mut found.project);
                }
            }
        }
        let refused = page.content.refused.iter().map(|(iid, refusal)| RefusedItem {
            project: project.clone(),
            iid: *iid,
            detail: refusal.detail.clone(),
        });
        self.found.refused.extend(refused);
        Ok(())
    }

    /// Whether a merge request is of the project that we know, as far as both tell.
    fn is_known(&self, found: &MergeRequest) -> bool {
        found.project_id.is_some_and(|id| self.project.id.is_none_or(|known| known == id))
    }

    /// Makes sure, where there is doubt, that this is not another project that took the path of the one we know: its
    /// merge requests have the same numbers and are others.
    async fn confirm(&mut self, answer: &Answer, is_empty: bool) -> Result<(), Trouble> {
        let Some(known) = self.project.id else { return Ok(()) };
        let differs = |found: &MergeRequest| found.project_id.is_some_and(|id| id != known);
        if self.confirmed || !(is_empty || answer.merge_requests.iter().any(differs)) {
            return Ok(());
        }
        let url = address::of_project(&self.client.root, &self.project.path);
        match self.client.get(url, self.deadline, gitlab::read_project_id).await {
            Ok(Page { content: found, .. }) if found != known => Err(Trouble::OtherProject { found, known }),
            // It was there a moment ago; who may see no more than its merge requests is not told its number.
            Ok(_) | Err(ApiError::Refused { .. }) => {
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
                // After a redirect an answer that does not name its path could only be written under the path that was asked for.
                None if answer.told_path.is_none() && !self.found.moved.is_empty() => {}
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

    /// Writes what differs, by the same statements as ingest does, and reports what was written.
    async fn settle(&mut self, findings: Vec<Finding>) -> Result<(), Trouble> {
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

    /// Writes records in one transaction; returns the numbers of those that changed something, or would have.
    async fn write(&self, records: &[Record]) -> Result<HashSet<usize>, StoreError> {
        if self.options.dry_run {
            return Ok((0..records.len()).collect());
        }
        let batch: Vec<(usize, &Record)> = records.iter().enumerate().collect();
        let kept = self.store.in_tx("reconcile", async |tx| gitlab::write(tx, &batch).await);
        Ok(kept.await?.into_iter().collect())
    }

    /// Asks since when the heads were heads that a list has just told of, and fills in those that nobody had told of.
    async fn time_heads(&mut self, started: Timestamp) -> Result<(), Trouble> {
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
            let pages = match self.client.pages(url, self.deadline, read).await {
                Ok(pages) => pages,
                // Gone meanwhile, or the token may not see them; the rest of the project is as good as without.
                Err(ApiError::Refused { status }) => {
                    tracing::debug!(gitlab.project = path, gitlab.iid = iid, status, "no versions");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let timed = self.store.in_tx("reconcile_timed", async |tx| gitlab::timed_heads(tx, path, iid).await);
            let timed = timed.await?;
            let versions = pages.into_iter().flat_map(|page| page.content);
            let versions: Vec<_> = versions.filter(|version| !timed.contains(&version.sha)).collect();
            let count = versions.len() as u64;
            if count > 0 && !self.write(&[Record::Versions(versions)]).await?.is_empty() {
                self.found.versions += count;
            }
        }
        Ok(())
    }
}
