//! Decodes a pipeline with its jobs (gitlabhq `doc/user/project/integrations/webhook_events.md`,
//! `lib/gitlab/data_builder/pipeline.rb`). Values of variables are not read.

use jiff::Timestamp;
use serde::Deserialize;

use super::{Project, User, host, page_url, time};
use crate::sources::gitlab::ci::{self, Job, MergeRequestRef, Origin, Pipeline, Sent};
use crate::sources::gitlab::record::Record;
use crate::sources::gitlab::{Settings, rules};
use crate::transport::field::{Bounded, Name, Text, owned};
use crate::transport::lenient::{Each, Optional, parse};
use crate::transport::{Decoded, Message, Rejection};

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    object_attributes: Attributes<'a>,
    #[serde(borrow, default)]
    merge_request: Optional<MergeRequest<'a>>,
    #[serde(borrow, default)]
    user: Optional<User<'a>>,
    #[serde(borrow)]
    project: Option<Project<'a>>,
    #[serde(borrow, default)]
    commit: Optional<Commit<'a>>,
    #[serde(borrow, default)]
    source_pipeline: Optional<Parent<'a>>,
    #[serde(borrow, default)]
    builds: Each<Build<'a>>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    id: i64,
    #[serde(default)]
    iid: Optional<i64>,
    #[serde(borrow, default)]
    name: Optional<Name<'a>>,
    #[serde(borrow, default)]
    r#ref: Optional<Bounded<'a, 4096>>,
    #[serde(default)]
    tag: Optional<bool>,
    #[serde(borrow, default)]
    sha: Optional<Name<'a>>,
    #[serde(borrow, default)]
    source: Optional<Name<'a>>,
    #[serde(borrow)]
    status: Name<'a>,
    #[serde(borrow, default)]
    detailed_status: Optional<Name<'a>>,
    #[serde(borrow, default)]
    stages: Each<Name<'a>>,
    #[serde(default, deserialize_with = "time::detail")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    finished_at: Option<Timestamp>,
    #[serde(borrow, default)]
    url: Optional<Name<'a>>,
}

#[derive(Deserialize)]
struct MergeRequest<'a> {
    iid: i64,
    #[serde(default)]
    target_project_id: Optional<i64>,
    #[serde(borrow, default)]
    source_branch: Optional<Name<'a>>,
    #[serde(borrow, default)]
    target_branch: Optional<Name<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Commit<'a> {
    #[serde(borrow)]
    title: Optional<Text<'a>>,
    url: Optional<Name<'a>>,
}

#[derive(Deserialize)]
struct Parent<'a> {
    pipeline_id: i64,
    #[serde(borrow, default)]
    project: Optional<Project<'a>>,
}

#[derive(Deserialize)]
struct Build<'a> {
    id: i64,
    #[serde(borrow, default)]
    stage: Optional<Name<'a>>,
    #[serde(borrow)]
    name: Name<'a>,
    #[serde(borrow)]
    status: Name<'a>,
    #[serde(default, deserialize_with = "time::detail")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    finished_at: Option<Timestamp>,
    #[serde(borrow, default)]
    failure_reason: Optional<Name<'a>>,
    #[serde(default)]
    allow_failure: Optional<bool>,
    #[serde(borrow, default)]
    user: Optional<User<'a>>,
    #[serde(borrow, default)]
    environment: Optional<Environment<'a>>,
}

/// `environment` of a job.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Environment<'a> {
    #[serde(borrow)]
    pub(super) name: Optional<Name<'a>>,
}

/// Decodes a pipeline and its jobs.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
    let hook: Hook<'_> = parse(message.payload)?;
    let attributes = hook.object_attributes;
    let project = hook.project.as_ref();
    let page = project.and_then(|project| project.web_url.as_ref());
    let commit_url = hook.commit.as_ref().and_then(|commit| commit.url.as_ref());
    let Some(path) = project.and_then(|project| project.path_with_namespace.as_ref()).and_then(Name::filled) else {
        return Err(Rejection::new("bad-field", "project.path_with_namespace: missing or empty"));
    };
    let Some(host) = host(message, &[page, attributes.url.as_ref(), commit_url]) else {
        return Err(Rejection::new("bad-field", "project.web_url: missing, and no other address names the host"));
    };
    let Some(status) = attributes.status.filled() else {
        return Err(Rejection::new("bad-field", "object_attributes.status: an empty string"));
    };
    let origin = Origin {
        host,
        project_id: project.and_then(|project| project.id),
        project: path.to_owned(),
        hosts: settings.hosts.clone(),
    };
    let mut pipeline = Pipeline {
        id: attributes.id,
        iid: attributes.iid.0,
        name: owned(attributes.name.as_ref()),
        status: status.to_owned(),
        detailed_status: owned(attributes.detailed_status.as_ref()),
        source: owned(attributes.source.as_ref()).unwrap_or_default(),
        git_ref: attributes.r#ref.as_ref().and_then(Bounded::filled).map(rules::kept_branch),
        tag: attributes.tag.0.unwrap_or_default(),
        sha: rules::commit(attributes.sha.as_ref()),
        title: hook.commit.as_ref().and_then(|commit| commit.title.as_ref()).and_then(Text::filled).map(rules::title),
        stages: attributes.stages.0.iter().filter_map(Name::filled).map(str::to_owned).collect(),
        url: attributes.url.as_ref().map(|url| url.as_str()).and_then(page_url),
        merge_request: hook.merge_request.as_ref().map(|request| MergeRequestRef {
            iid: request.iid,
            project_id: request.target_project_id.0,
            source_branch: owned(request.source_branch.as_ref()),
            target_branch: owned(request.target_branch.as_ref()),
        }),
        parent: hook.source_pipeline.as_ref().map(|parent| {
            let path = parent.project.as_ref().and_then(|project| project.path_with_namespace.as_ref());
            (owned(path), parent.pipeline_id)
        }),
        username: owned(hook.user.as_ref().and_then(|user| user.username.as_ref())),
        created_at: attributes.created_at,
        finished_at: attributes.finished_at,
        jobs: Vec::new(),
        content: 0,
        sent: Sent { at: message.sent_at, id: message.id.clone() },
        origin,
    };
    let page = page.map(|page| page.as_str());
    pipeline.jobs = hook.builds.0.iter().filter_map(|build| job(build, &pipeline, page)).collect();
    Ok(Decoded::Records(vec![Record::Ci(ci::Record::Pipeline(Box::new(pipeline.hashed())))]))
}

/// A job of the list. `page` is the URL of the project.
fn job(build: &Build<'_>, pipeline: &Pipeline, page: Option<&str>) -> Option<Job> {
    let status = build.status.filled()?;
    let has_failed = status == "failed";
    let job = Job {
        origin: pipeline.origin.clone(),
        id: build.id,
        pipeline_id: pipeline.id,
        stage: owned(build.stage.as_ref()),
        name: build.name.as_str().to_owned(),
        status: status.to_owned(),
        allow_failure: build.allow_failure.0.unwrap_or_default(),
        failure_reason: owned(build.failure_reason.as_ref()).filter(|_| has_failed),
        git_ref: pipeline.git_ref.clone(),
        merge_ref: pipeline.git_ref.as_deref().and_then(ci::rules::merge_ref).map(|(_, kind)| kind.to_owned()),
        tag: pipeline.tag,
        sha: pipeline.sha.clone(),
        environment: owned(build.environment.as_ref().and_then(|environment| environment.name.as_ref())),
        url: page.and_then(page_url).map(|page| format!("{page}/-/jobs/{}", build.id)),
        username: owned(build.user.as_ref().and_then(|user| user.username.as_ref())),
        created_at: build.created_at,
        started_at: build.started_at,
        finished_at: build.finished_at,
        content: 0,
        sent: pipeline.sent.clone(),
    };
    Some(job.hashed())
}
