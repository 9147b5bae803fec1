//! Decodes a deployment (gitlabhq `lib/gitlab/data_builder/deployment.rb`).

use jiff::Timestamp;
use serde::Deserialize;

use super::{Project, User, host, page_url, time};
use crate::sources::gitlab::ci::{self, Deployment, Origin, Sent};
use crate::sources::gitlab::record::Record;
use crate::sources::gitlab::{Settings, rules};
use crate::transport::field::{Bounded, Name, Text, owned};
use crate::transport::lenient::{Optional, parse};
use crate::transport::{Decoded, Message, Rejection};

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    status: Name<'a>,
    #[serde(default, deserialize_with = "time::optional")]
    status_changed_at: Option<Timestamp>,
    deployment_id: Option<i64>,
    deployable_id: Option<i64>,
    #[serde(borrow, default)]
    deployable_url: Optional<Name<'a>>,
    #[serde(borrow, default)]
    environment: Optional<Name<'a>>,
    #[serde(borrow, default)]
    environment_tier: Optional<Name<'a>>,
    #[serde(borrow, default)]
    environment_external_url: Optional<Name<'a>>,
    #[serde(borrow)]
    project: Option<Project<'a>>,
    #[serde(borrow, default)]
    short_sha: Optional<Name<'a>>,
    #[serde(borrow, default)]
    user: Optional<User<'a>>,
    #[serde(borrow, default)]
    commit_url: Optional<Name<'a>>,
    #[serde(borrow, default)]
    commit_title: Optional<Text<'a>>,
    #[serde(borrow, default)]
    r#ref: Optional<Bounded<'a, 4096>>,
}

/// Decodes a deployment.
pub(super) fn read(message: &Message<'_>, settings: &Settings) -> Result<Decoded<Record>, Rejection> {
    let hook: Hook<'_> = parse(message.payload)?;
    let project = hook.project.as_ref();
    let page = project.and_then(|project| project.web_url.as_ref());
    let Some(path) = project.and_then(|project| project.path_with_namespace.as_ref()).and_then(Name::filled) else {
        return Err(Rejection::new("bad-field", "project.path_with_namespace: missing or empty"));
    };
    let Some(host) = host(message, &[page, hook.deployable_url.as_ref(), hook.commit_url.as_ref()]) else {
        return Err(Rejection::new("bad-field", "project.web_url: missing, and no other address names the host"));
    };
    let Some(status) = hook.status.filled() else {
        return Err(Rejection::new("bad-field", "status: an empty string"));
    };
    let project_id = project.and_then(|project| project.id);
    let id = match (hook.deployment_id, hook.deployable_id) {
        (Some(id), _) => id.to_string(),
        // Older releases of GitLab send no number. A job deploys once.
        (None, Some(job)) => format!("job {}/{job}", project_id.unwrap_or_default()),
        (None, None) => return Err(Rejection::new("bad-field", "deployment_id and deployable_id: missing")),
    };
    let url = |member: &Optional<Name<'_>>| member.as_ref().map(|url| url.as_str()).and_then(page_url);
    let hash = hook.commit_url.as_ref().and_then(|url| ci::rules::commit_of(url.as_str()));
    let deployment = Deployment {
        origin: Origin { host, project_id, project: path.to_owned(), hosts: settings.hosts.clone() },
        id,
        environment: owned(hook.environment.as_ref()).unwrap_or_else(|| "?".to_owned()),
        tier: owned(hook.environment_tier.as_ref()),
        environment_url: url(&hook.environment_external_url),
        status: status.to_owned(),
        job_id: hook.deployable_id,
        job_url: url(&hook.deployable_url),
        git_ref: hook.r#ref.as_ref().and_then(Bounded::filled).map(rules::kept_branch),
        sha: hash.map(str::to_owned).or_else(|| rules::commit(hook.short_sha.as_ref())),
        title: hook.commit_title.as_ref().and_then(Text::filled).map(rules::title),
        commit_url: url(&hook.commit_url),
        username: owned(hook.user.as_ref().and_then(|user| user.username.as_ref())),
        changed_at: hook.status_changed_at,
        content: 0,
        sent: Sent { at: message.sent_at, id: message.id.clone() },
    };
    Ok(Decoded::Records(vec![Record::Ci(ci::Record::Deployment(Box::new(deployment.hashed())))]))
}
