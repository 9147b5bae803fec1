//! Decodes a job (gitlabhq `lib/gitlab/data_builder/build.rb`). `commit.id` of its hook is the number of the pipeline,
//! and is not used.

use jiff::Timestamp;
use serde::Deserialize;

use super::pipeline::Environment;
use super::{Project, User, host, page_url, path_in, time};
use crate::sources::gitlab::ci::{self, Job, Origin, Sent};
use crate::sources::gitlab::record::Record;
use crate::sources::gitlab::{Settings, rules};
use crate::transport::field::{Bounded, Name, owned};
use crate::transport::lenient::{Optional, parse};
use crate::transport::{Decoded, Message, Rejection};

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow, default)]
    r#ref: Optional<Bounded<'a, 4096>>,
    #[serde(default)]
    tag: Optional<bool>,
    #[serde(borrow, default)]
    sha: Optional<Name<'a>>,
    build_id: i64,
    #[serde(borrow)]
    build_name: Name<'a>,
    #[serde(borrow, default)]
    build_stage: Optional<Name<'a>>,
    #[serde(borrow)]
    build_status: Name<'a>,
    #[serde(default, deserialize_with = "time::detail")]
    build_created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    build_started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::detail")]
    build_finished_at: Option<Timestamp>,
    #[serde(default)]
    build_allow_failure: Optional<bool>,
    #[serde(borrow, default)]
    build_failure_reason: Optional<Name<'a>>,
    pipeline_id: i64,
    project_id: Option<i64>,
    #[serde(borrow, default)]
    user: Optional<User<'a>>,
    #[serde(borrow, default)]
    repository: Optional<Repository<'a>>,
    #[serde(borrow)]
    project: Option<Project<'a>>,
    #[serde(borrow, default)]
    environment: Optional<Environment<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Repository<'a> {
    #[serde(borrow)]
    homepage: Optional<Name<'a>>,
}

/// Decodes a job.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
    let hook: Hook<'_> = parse(message.payload)?;
    let project = hook.project.as_ref();
    // Older releases of GitLab send no `project`.
    let homepage = hook.repository.as_ref().and_then(|repository| repository.homepage.as_ref());
    let web_url = project.and_then(|project| project.web_url.as_ref());
    let page = [web_url, homepage].into_iter().flatten().find(|url| page_url(url.as_str()).is_some());
    let path = owned(project.and_then(|project| project.path_with_namespace.as_ref()));
    let Some(path) = path.or_else(|| page.and_then(|page| path_in(page.as_str()))) else {
        let detail = "project.path_with_namespace and repository.homepage: missing or empty";
        return Err(Rejection::new("bad-field", detail));
    };
    let Some(host) = host(message, &[page]) else {
        return Err(Rejection::new("bad-field", "project.web_url and repository.homepage: no host"));
    };
    let Some(status) = hook.build_status.filled() else {
        return Err(Rejection::new("bad-field", "build_status: an empty string"));
    };
    let git_ref = hook.r#ref.as_ref().and_then(Bounded::filled);
    let reason = owned(hook.build_failure_reason.as_ref());
    let job = Job {
        origin: Origin {
            host,
            project_id: hook.project_id.or_else(|| project.and_then(|project| project.id)),
            project: path,
            hosts: settings.hosts.clone(),
        },
        id: hook.build_id,
        pipeline_id: hook.pipeline_id,
        stage: owned(hook.build_stage.as_ref()),
        name: hook.build_name.as_str().to_owned(),
        failure_reason: reason.filter(|_| status == "failed"),
        status: status.to_owned(),
        allow_failure: hook.build_allow_failure.0.unwrap_or_default(),
        merge_ref: git_ref.and_then(ci::rules::merge_ref).map(|(_, kind)| kind.to_owned()),
        git_ref: git_ref.map(rules::kept_branch),
        tag: hook.tag.0.unwrap_or_default(),
        sha: rules::commit(hook.sha.as_ref()),
        environment: owned(hook.environment.as_ref().and_then(|environment| environment.name.as_ref())),
        url: page.map(|page| page.as_str()).and_then(page_url).map(|page| format!("{page}/-/jobs/{}", hook.build_id)),
        username: owned(hook.user.as_ref().and_then(|user| user.username.as_ref())),
        created_at: hook.build_created_at,
        started_at: hook.build_started_at,
        finished_at: hook.build_finished_at,
        content: 0,
        sent: Sent { at: message.sent_at, id: message.id.clone() },
    };
    Ok(Decoded::Records(vec![Record::Ci(ci::Record::Job(Box::new(job.hashed())))]))
}
