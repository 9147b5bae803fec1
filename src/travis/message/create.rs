//! `build:create`: the build with its repository, stages and jobs.
//!
//! The columns of the build stand in the payload itself or in its member `build`; `repository`, `stages`, `jobs` and
//! `commit` beside them, or in `build` as well. A payload with an id alone moves a build that is there.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::notifications;
use super::payload::{id, time};
use crate::envelope::field::{Name, NumberOrName, Text, owned};
use crate::envelope::{Refusal, parse};
use crate::sorted;
use crate::travis::record::{Build, Create, Job, Message, Object, Repository, Resets, Run, Stage, State};

/// Columns of the build, or what stands around them.
#[derive(Deserialize)]
struct Columns<'a> {
    #[serde(borrow, default)]
    build: Option<Box<Columns<'a>>>,
    #[serde(default, deserialize_with = "id::optional")]
    repository_id: Option<i64>,
    #[serde(borrow, default)]
    number: Option<NumberOrName<'a>>,
    #[serde(borrow, default)]
    state: Option<Name<'a>>,
    #[serde(borrow, default)]
    previous_state: Option<Name<'a>>,
    #[serde(borrow, default)]
    event_type: Option<Name<'a>>,
    #[serde(borrow, default)]
    branch: Option<Name<'a>>,
    #[serde(default)]
    commit: Option<Map<String, Value>>,
    #[serde(default)]
    pull_request: Option<Map<String, Value>>,
    #[serde(default)]
    pull_request_number: Option<Value>,
    #[serde(borrow, default)]
    pull_request_title: Option<Text<'a>>,
    #[serde(default)]
    config: Option<Value>,
    #[serde(default, deserialize_with = "time")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    received_at: Option<Timestamp>,
    #[serde(borrow, default)]
    repository: Option<RawRepository<'a>>,
    #[serde(borrow, default)]
    stages: Option<Vec<RawStage<'a>>>,
    #[serde(borrow, default)]
    jobs: Option<Vec<RawJob<'a>>>,
}

/// Numbers of builds are strings in tables, and numbers in some payloads.
fn numeral(number: &NumberOrName<'_>) -> Option<String> {
    match number {
        NumberOrName::Number(number) => Some(number.to_string()),
        NumberOrName::Name(name) => name.filled().map(str::to_owned),
    }
}

#[derive(Deserialize)]
struct RawRepository<'a> {
    #[serde(default, deserialize_with = "id::optional")]
    id: Option<i64>,
    #[serde(borrow)]
    owner_name: Option<Name<'a>>,
    #[serde(borrow)]
    name: Option<Name<'a>>,
    #[serde(borrow)]
    slug: Option<Name<'a>>,
    #[serde(borrow)]
    url: Option<Name<'a>>,
    private: Option<bool>,
}

#[derive(Deserialize)]
struct RawStage<'a> {
    #[serde(default, deserialize_with = "id::optional")]
    id: Option<i64>,
    number: Option<i32>,
    #[serde(borrow)]
    name: Option<Name<'a>>,
    #[serde(borrow)]
    state: Option<Name<'a>>,
}

#[derive(Deserialize)]
struct RawJob<'a> {
    #[serde(default, deserialize_with = "id::optional")]
    id: Option<i64>,
    #[serde(default, deserialize_with = "id::optional")]
    stage_id: Option<i64>,
    #[serde(borrow)]
    stage_number: Option<Name<'a>>,
    #[serde(borrow, default)]
    number: Option<NumberOrName<'a>>,
    #[serde(borrow)]
    state: Option<Name<'a>>,
    allow_failure: Option<bool>,
    #[serde(borrow)]
    queue: Option<Name<'a>>,
    priority: Option<i32>,
    #[serde(borrow)]
    vm_size: Option<Name<'a>>,
    #[serde(default, deserialize_with = "time")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    queued_at: Option<Timestamp>,
}

/// Keys of a commit that are kept.
const COMMIT: &[&str] = &[
    "id",
    "sha",
    "commit",
    "branch",
    "tag",
    "ref",
    "message",
    "compare_url",
    "committed_at",
    "author_name",
    "author_email",
    "committer_name",
    "committer_email",
];
/// Keys of a pull request that are kept.
const PULL_REQUEST: &[&str] = &["number", "title", "head_commit", "base_commit", "head_ref", "base_ref", "head_slug"];

/// Reads the rows that a build brings.
pub(super) fn read(text: &str, message: Message) -> Result<Create, Refusal> {
    let Object::Build(id) = message.object else {
        return Err(Refusal::new("unknown-event", "event: only builds are created"));
    };
    let own: Columns<'_> = parse(text)?;
    let columns = own.build.as_deref().unwrap_or(&own);
    let repository = columns.repository.as_ref().or(own.repository.as_ref());
    let repository_id = repository.and_then(|repository| repository.id).or(columns.repository_id).or(own.repository_id);
    let Some(repository_id) = repository_id else {
        return Ok(Create { message, build: None, stages: Vec::new(), jobs: Vec::new() });
    };
    // The store puts its own clock in where the sender gave no time.
    let source = message.source();
    let repository = Repository { id: repository_id, ..repository.map(repository_row).unwrap_or_default() };

    let mut stages = Vec::new();
    for (index, raw) in columns.stages.as_ref().or(own.stages.as_ref()).into_iter().flatten().enumerate() {
        stages.push(Stage {
            id: raw.id.ok_or_else(|| missing("stages", index))?,
            build_id: id,
            number: raw.number,
            name: owned(raw.name.as_ref()),
            state: fresh(raw.state.as_ref()).or(Some(State::Created)),
            started_at: None,
            finished_at: None,
            source: source.clone(),
        });
    }
    let mut jobs = Vec::new();
    for (index, raw) in columns.jobs.as_ref().or(own.jobs.as_ref()).into_iter().flatten().enumerate() {
        let stage_number = owned(raw.stage_number.as_ref());
        if !stage_number.as_deref().is_none_or(is_path) {
            return Err(Refusal::new("bad-field", format!("jobs[{index}].stage_number: expected numbers, as in 1.2")));
        }
        jobs.push(Job {
            id: raw.id.ok_or_else(|| missing("jobs", index))?,
            build_id: id,
            repository_id,
            stage_id: raw.stage_id,
            stage_number,
            number: raw.number.as_ref().and_then(numeral),
            state: fresh(raw.state.as_ref()),
            allow_failure: raw.allow_failure.unwrap_or(false),
            queue: owned(raw.queue.as_ref()),
            priority: raw.priority,
            worker: None,
            vm_size: owned(raw.vm_size.as_ref()),
            created_at: raw.created_at.or(columns.created_at).or(message.sent_at),
            queued_at: raw.queued_at,
            received_at: None,
            started_at: None,
            finished_at: None,
            canceled_at: None,
            restarted_at: None,
            restarted_by: None,
            run: Run::default(),
            resets: Resets::default(),
            source: source.clone(),
        });
    }
    sorted::by(&mut stages, |a, b| a.id.cmp(&b.id));
    sorted::by(&mut jobs, |a, b| a.id.cmp(&b.id));
    let known: Vec<i64> = stages.iter().map(|stage| stage.id).collect();
    distinct("stages", &known)?;
    distinct("jobs", &jobs.iter().map(|job| job.id).collect::<Vec<_>>())?;
    let is_known = |stage: &i64| known.binary_search(stage).is_ok();
    if let Some(job) = jobs.iter().find(|job| job.stage_id.is_some_and(|stage| !is_known(&stage))) {
        return Err(Refusal::new("bad-field", format!("jobs: job {} is in a stage that is not in stages", job.id)));
    }

    let config = columns.config.as_ref();
    let build = Build {
        id,
        repository_id,
        number: columns.number.as_ref().and_then(numeral),
        state: fresh(columns.state.as_ref()),
        previous_state: columns.previous_state.as_ref().and_then(|word| State::named(word.as_str())),
        event_type: owned(columns.event_type.as_ref()),
        branch: owned(columns.branch.as_ref()).or_else(|| branch_of(columns.commit.as_ref())),
        commit: kept(columns.commit.as_ref().or(own.commit.as_ref()), COMMIT),
        pull_request: pull_request(columns),
        notifications: config.and_then(|config| config.get("notifications")).map(notifications::kept),
        fast_finish: fast_finish(config),
        config_error: config_error(config),
        duration: None,
        created_at: columns.created_at.or(message.sent_at),
        received_at: columns.received_at,
        started_at: None,
        finished_at: None,
        canceled_at: None,
        restarted_at: None,
        run_at: None,
        source,
    };
    Ok(Create { message, build: Some((repository, build)), stages, jobs })
}

fn missing(list: &str, index: usize) -> Refusal {
    Refusal::new("bad-field", format!("{list}[{index}].id: missing"))
}

/// Numbers with dots between them, each of which fits an integer of PostgreSQL.
fn is_path(text: &str) -> bool {
    text.split('.').all(|place| place.len() <= 9 && !place.is_empty() && place.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether sorted ids are there once each.
fn distinct(list: &str, ids: &[i64]) -> Result<(), Refusal> {
    match ids.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(Refusal::new("bad-field", format!("{list}: id {} is there twice", two[0]))),
        None => Ok(()),
    }
}

/// The state of a row that is new: what `build:create` itself leads to is not there yet.
fn fresh(word: Option<&Name<'_>>) -> Option<State> {
    word.and_then(|word| State::named(word.as_str())).filter(|state| *state != State::Created)
}

fn repository_row(raw: &RawRepository<'_>) -> Repository {
    let slug = raw.slug.as_ref().and_then(|slug| slug.as_str().split_once('/'));
    Repository {
        id: 0,
        owner_name: owned(raw.owner_name.as_ref()).or_else(|| slug.map(|(owner, _)| owner.to_owned())),
        name: owned(raw.name.as_ref()).or_else(|| slug.map(|(_, name)| name.to_owned())),
        private: raw.private,
        url: owned(raw.url.as_ref()).filter(|url| is_page(url)),
    }
}

/// An address of the web, without user and password.
fn is_page(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.contains(|c: char| c == '@' || c.is_control() || c.is_whitespace())
    })
}

fn branch_of(commit: Option<&Map<String, Value>>) -> Option<String> {
    commit?.get("branch")?.as_str().filter(|branch| branch.len() <= 1024 && !branch.contains('\0')).map(str::to_owned)
}

/// Whether a member is plain and PostgreSQL can store it. A hash is in an index, which holds no longer key.
fn fits(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let most = if matches!(key, "sha" | "number") { 1_024 } else { 65_536 };
            text.len() <= most && !text.contains('\0')
        }
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    }
}

/// The known keys of an object, as far as they can be kept.
fn kept(object: Option<&Map<String, Value>>, keys: &[&str]) -> Map<String, Value> {
    let members = object.into_iter().flatten().filter(|(key, value)| keys.contains(&key.as_str()) && fits(key, value));
    sorted::object(members.map(|(key, value)| (key.clone(), value.clone())))
}

fn pull_request(columns: &Columns<'_>) -> Option<Map<String, Value>> {
    let mut kept = kept(columns.pull_request.as_ref(), PULL_REQUEST);
    if let Some(number @ (Value::Number(_) | Value::String(_))) =
        columns.pull_request_number.as_ref().filter(|number| fits("number", number))
    {
        kept.entry("number").or_insert_with(|| number.clone());
    }
    if let Some(title) = owned(columns.pull_request_title.as_ref()) {
        kept.entry("title").or_insert(Value::String(title));
    }
    Some(kept).filter(|kept| !kept.is_empty())
}

/// `fast_finish` under `jobs` or, as it was once called, `matrix`.
fn fast_finish(config: Option<&Value>) -> bool {
    let under = |key: &str| config.and_then(|config| config.get(key)?.get("fast_finish")?.as_bool());
    under("jobs").or_else(|| under("matrix")).unwrap_or(false)
}

/// Whether reading the configuration has failed.
fn config_error(config: Option<&Value>) -> bool {
    let result = config.and_then(|config| config.get(".result")?.as_str());
    result.is_some_and(|result| result.contains("error"))
}
