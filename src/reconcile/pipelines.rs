//! Asks about pipelines whose end no webhook reported, and about those that were deleted, which none reports.

use jiff::{SignedDuration, Timestamp};

use super::address;
use super::error::{ApiError, CheckError};
use super::project::Check;
use super::report::{PipelineCorrection, RejectedItem};
use crate::checks::Touched;
use crate::db::{StoreError, Tx};
use crate::platform::clock;
use crate::sources::gitlab::{self, Change, Record, ci};
use crate::sources::write_checks;

/// How long a pipeline may be without a change before GitLab is asked about it.
const UNCHANGED: SignedDuration = SignedDuration::from_hours(2);
/// How often GitLab is asked about a pipeline that waits for a person, at most.
const HELD: SignedDuration = SignedDuration::from_hours(24);
/// The most pipelines of a project that one run asks about, with two requests each. The next run continues.
const MOST: i64 = 100;

/// What the answers about the pipelines of a project came to.
#[derive(Default)]
struct Answers {
    records: Vec<Record>,
    changes: Vec<(i64, Vec<Change>)>,
    asked: Vec<ci::Pipeline>,
    gone: Vec<ci::Pipeline>,
}

impl Check<'_> {
    /// Checks the stored pipelines that have not ended.
    pub(super) async fn check_pipelines(&mut self, started: Timestamp) -> Result<(), CheckError> {
        let path = self.path.clone();
        let ago = |span: SignedDuration| started.checked_sub(span).unwrap_or(started);
        let (unchanged, held) = (ago(UNCHANGED), ago(HELD));
        let open = self.store.in_tx("reconcile_pipelines", async |tx| {
            gitlab::open_pipelines(tx, path.as_str(), unchanged, held, MOST).await
        });
        let open = open.await?;
        if open.is_empty() {
            return Ok(());
        }
        let mut answers = Answers::default();
        let mut result = Ok(());
        for known in open {
            result = self.ask(known, &mut answers).await;
            if result.is_err() {
                break;
            }
        }
        // A path that leads to another project, or to none, says nothing about a pipeline.
        if result.is_ok() && !answers.gone.is_empty() {
            result = self.confirm(&gitlab::Answer::default(), true).await;
        }
        if result.is_err() {
            answers.gone.clear();
        }
        self.settle_pipelines(answers, started).await?;
        result
    }

    /// Asks about one pipeline and its jobs.
    async fn ask(&mut self, known: ci::Pipeline, answers: &mut Answers) -> Result<(), CheckError> {
        let asked_at = clock::now();
        let url = address::pipeline(&self.client.root, &self.path, known.id);
        let answer = match self.client.get(url, self.deadline, gitlab::read_pipeline).await {
            Ok(answer) => answer.content,
            Err(ApiError::Rejected { status: 404 }) => {
                answers.gone.push(known);
                return Ok(());
            }
            Err(error) => return self.unless_rejected(known, error, answers),
        };
        if let (Some(found), Some(expected)) = (answer.project_id, known.origin.project_id)
            && found != expected
        {
            return Err(CheckError::OtherProject { found, known: expected });
        }
        let url = address::jobs(&self.client.root, &self.path, known.id);
        let read = |text: &str| gitlab::read_jobs(text, &known, asked_at);
        let jobs = match self.client.get_all(url, self.deadline, read).await {
            Ok(pages) => pages.into_iter().flat_map(|page| page.content).collect(),
            Err(error) => return self.unless_rejected(known, error, answers),
        };
        let (mut pipeline, changes) = gitlab::answered(&known, &answer, jobs, asked_at);
        pipeline.origin.hosts = self.options.settings.gitlab.hosts.clone();
        self.found.pipelines_checked += 1;
        answers.records.push(Record::Ci(ci::Record::Pipeline(Box::new(pipeline))));
        answers.changes.push((known.id, changes));
        answers.asked.push(known);
        Ok(())
    }

    /// Reports a pipeline that GitLab does not show to this token. Any other error ends the check.
    fn unless_rejected(
        &mut self,
        known: ci::Pipeline,
        error: ApiError,
        answers: &mut Answers,
    ) -> Result<(), CheckError> {
        let ApiError::Rejected { .. } = error else { return Err(error.into()) };
        let detail = format!("pipeline {}: {error}", known.id);
        self.found.refused.push(RejectedItem { project: self.path.clone(), iid: None, detail });
        answers.asked.push(known);
        Ok(())
    }

    /// Writes what was found by the statements of ingest, and reports what was written.
    async fn settle_pipelines(&mut self, answers: Answers, started: Timestamp) -> Result<(), StoreError> {
        let Answers { records, changes, asked, gone } = answers;
        let kept = self.write(&records).await?;
        for (number, (id, changes)) in changes.into_iter().enumerate() {
            if kept.contains(&number) && !changes.is_empty() {
                self.found.pipelines.push(PipelineCorrection { project: self.path.clone(), id, changes });
            }
        }
        for pipeline in &gone {
            let change = Change { field: "status", old: pipeline.status.clone(), new: "deleted".to_owned() };
            let changes = vec![change];
            self.found.pipelines.push(PipelineCorrection { project: self.path.clone(), id: pipeline.id, changes });
        }
        if self.options.dry_run {
            return Ok(());
        }
        let mark = async |tx: &mut Tx<'_>| {
            let mut touched = Touched::default();
            gitlab::mark_asked(tx, &asked, &gone, started, &mut touched).await?;
            write_checks(tx, &touched).await.map(drop)
        };
        self.store.in_tx("reconcile_asked", mark).await
    }
}
