//! Decodes responses of the REST API about one pipeline and its jobs (gitlabhq `doc/api/pipelines.md`,
//! `doc/api/jobs.md`). They lack what hooks have of the merge request and of the pipeline that started it.

use jiff::Timestamp;
use serde::Deserialize;

use super::{User, api, page_url, time};
use crate::sources::gitlab::ci::{self, Job, Pipeline, Sent};
use crate::sources::gitlab::{Change, rules};
use crate::transport::field::{Bounded, Name, owned};
use crate::transport::lenient::{self, Each, Optional};
use crate::transport::time::second;
use crate::transport::{Latest, Rejection};

/// What a response says about a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineAnswer {
    /// Number of its project.
    pub project_id: Option<i64>,
    status: String,
    detailed_status: Option<String>,
    finished_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Item<'a> {
    project_id: Option<i64>,
    #[serde(borrow)]
    status: Name<'a>,
    #[serde(borrow, default)]
    detailed_status: Optional<Detailed<'a>>,
    #[serde(default, deserialize_with = "time::detail")]
    finished_at: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detailed<'a> {
    #[serde(borrow)]
    label: Optional<Name<'a>>,
}

#[derive(Deserialize)]
struct JobItem<'a> {
    id: i64,
    #[serde(borrow)]
    name: Name<'a>,
    #[serde(borrow)]
    status: Name<'a>,
    #[serde(borrow, default)]
    stage: Optional<Name<'a>>,
    #[serde(borrow, default)]
    r#ref: Optional<Bounded<'a, 4096>>,
    #[serde(default)]
    tag: Optional<bool>,
    #[serde(default)]
    allow_failure: Optional<bool>,
    #[serde(borrow, default)]
    failure_reason: Optional<Name<'a>>,
    #[serde(borrow, default)]
    web_url: Optional<Name<'a>>,
    #[serde(borrow, default)]
    user: Optional<User<'a>>,
    #[serde(default, deserialize_with = "time::detail")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    finished_at: Option<Timestamp>,
}

/// Decodes the response of `GET /projects/:path/pipelines/:id`.
///
/// # Errors
/// When the response has no status.
pub fn read_pipeline(text: &str) -> Result<PipelineAnswer, Rejection> {
    let item: Item<'_> = lenient::parse(text)?;
    let Some(status) = item.status.filled() else {
        return Err(Rejection::new("bad-field", "status: an empty string"));
    };
    Ok(PipelineAnswer {
        project_id: item.project_id,
        status: status.to_owned(),
        detailed_status: owned(item.detailed_status.as_ref().and_then(|detailed| detailed.label.as_ref())),
        finished_at: item.finished_at.map(second),
    })
}

/// Decodes a page of `GET /projects/:path/pipelines/:id/jobs`: the jobs of a stored pipeline, without those that were
/// retried. A job that cannot be decoded is left out.
///
/// # Errors
/// When the response is no list.
pub fn read_jobs(text: &str, pipeline: &Pipeline, asked_at: Timestamp) -> Result<Vec<Job>, Rejection> {
    if !text.trim_start().starts_with('[') {
        return Err(Rejection::new("bad-field", "expected a list"));
    }
    let items: Each<JobItem<'_>> = lenient::parse(text)?;
    Ok(items.0.iter().filter_map(|item| job(item, pipeline, asked_at)).collect())
}

fn job(item: &JobItem<'_>, pipeline: &Pipeline, asked_at: Timestamp) -> Option<Job> {
    let status = item.status.filled()?;
    let git_ref = item.r#ref.as_ref().and_then(Bounded::filled);
    let reason = owned(item.failure_reason.as_ref());
    let mut job = Job {
        origin: pipeline.origin.clone(),
        id: item.id,
        pipeline_id: pipeline.id,
        stage: owned(item.stage.as_ref()),
        name: item.name.as_str().to_owned(),
        failure_reason: reason.filter(|_| status == "failed"),
        status: status.to_owned(),
        allow_failure: item.allow_failure.0.unwrap_or_default(),
        merge_ref: git_ref.and_then(ci::rules::merge_ref).map(|(_, kind)| kind.to_owned()),
        git_ref: git_ref.map(rules::kept_branch),
        tag: item.tag.0.unwrap_or_default(),
        sha: pipeline.sha.clone(),
        environment: None,
        url: item.web_url.as_ref().map(|url| url.as_str()).and_then(page_url),
        username: owned(item.user.as_ref().and_then(|user| user.username.as_ref())),
        created_at: item.created_at,
        started_at: item.started_at,
        finished_at: item.finished_at,
        content: 0,
        sent: sent(asked_at),
    };
    job.limit_times(Latest::of(Some(asked_at)));
    Some(job.hashed())
}

fn sent(asked_at: Timestamp) -> Sent {
    Sent { at: Some(asked_at), id: format!("{}{asked_at}", api::ASKED) }
}

/// The stored pipeline as the answers have it, and what differs. What answers lack stays as it is stored.
#[must_use]
pub fn answered(
    known: &Pipeline,
    answer: &PipelineAnswer,
    jobs: Vec<Job>,
    asked_at: Timestamp,
) -> (Pipeline, Vec<Change>) {
    let is_same = known.status == answer.status;
    let mut pipeline = Pipeline {
        status: answer.status.clone(),
        detailed_status: if is_same { known.detailed_status.clone() } else { answer.detailed_status.clone() },
        finished_at: answer.finished_at.or(known.finished_at),
        jobs,
        sent: sent(asked_at),
        ..known.clone()
    };
    pipeline.limit_times(Latest::of(Some(asked_at)));
    let change = Change { field: "status", old: known.status.clone(), new: answer.status.clone() };
    (pipeline.hashed(), if is_same { Vec::new() } else { vec![change] })
}
