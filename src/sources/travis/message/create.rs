//! Decodes `build:create`: the build with its repository, stages and jobs.
//!
//! The columns of the build are members of the payload itself or of its member `build`; `repository`, `stages`, `jobs`
//! and `commit` are next to them, or in `build` as well. A payload with only an id changes an existing build.
//!
//! A message is rejected only because of the ids of the build, its repository or its jobs: an invalid detail is cut or
//! left out, and a job of a missing stage has no stage.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::notifications;
use super::payload::Id;
use crate::sources::travis::record::{Build, Create, Job, Message, Object, Repository, Resets, Run, Stage, State};
use crate::transport::field::{Name, NumberOrName, Text, owned};
use crate::transport::lenient::{self, Each, Optional, parse};
use crate::transport::{Head, Rejection, time};

/// Columns of the build, or the payload around them.
#[derive(Deserialize)]
struct Columns<'a> {
    #[serde(borrow, default, deserialize_with = "lenient::object")]
    build: Option<Box<Columns<'a>>>,
    repository_id: Option<Id>,
    #[serde(borrow, default)]
    number: Optional<NumberOrName<'a>>,
    #[serde(borrow, default)]
    state: Optional<Name<'a>>,
    #[serde(borrow, default)]
    previous_state: Optional<Name<'a>>,
    #[serde(borrow, default)]
    event_type: Optional<Name<'a>>,
    #[serde(borrow, default)]
    branch: Optional<Name<'a>>,
    #[serde(borrow, default)]
    commit: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pull_request: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pull_request_number: Optional<NumberOrName<'a>>,
    #[serde(borrow, default)]
    pull_request_title: Optional<Text<'a>>,
    #[serde(borrow, default)]
    config: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "time::known")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::known")]
    received_at: Option<Timestamp>,
    #[serde(borrow, default, deserialize_with = "lenient::object")]
    repository: Option<RawRepository<'a>>,
    #[serde(borrow, default)]
    stages: Optional<Each<RawStage<'a>>>,
    #[serde(borrow, default)]
    jobs: Option<Vec<RawJob<'a>>>,
}

/// The number of a build or job as a string, as tables have it; some payloads have a number.
fn numeral(number: &NumberOrName<'_>) -> Option<String> {
    match number {
        NumberOrName::Number(number) => Some(number.to_string()),
        NumberOrName::Name(name) => name.filled().map(str::to_owned),
    }
}

#[derive(Deserialize)]
struct RawRepository<'a> {
    id: Option<Id>,
    #[serde(borrow, default)]
    owner_name: Optional<Name<'a>>,
    #[serde(borrow, default)]
    name: Optional<Name<'a>>,
    #[serde(borrow, default)]
    slug: Optional<Name<'a>>,
    #[serde(borrow, default)]
    url: Optional<Name<'a>>,
    #[serde(default)]
    private: Optional<bool>,
}

#[derive(Deserialize)]
struct RawStage<'a> {
    #[serde(default)]
    id: Optional<Id>,
    #[serde(default)]
    number: Optional<i32>,
    #[serde(borrow, default)]
    name: Optional<Name<'a>>,
    #[serde(borrow, default)]
    state: Optional<Name<'a>>,
}

#[derive(Deserialize)]
struct RawJob<'a> {
    id: Option<Id>,
    #[serde(default)]
    stage_id: Optional<Id>,
    #[serde(borrow, default)]
    stage_number: Optional<Name<'a>>,
    #[serde(borrow, default)]
    number: Optional<NumberOrName<'a>>,
    #[serde(borrow, default)]
    state: Optional<Name<'a>>,
    #[serde(default)]
    allow_failure: Optional<bool>,
    #[serde(borrow, default)]
    queue: Optional<Name<'a>>,
    #[serde(default)]
    priority: Optional<i32>,
    #[serde(borrow, default)]
    vm_size: Optional<Name<'a>>,
    #[serde(default, deserialize_with = "time::known")]
    created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::known")]
    queued_at: Option<Timestamp>,
}

/// Keys of a commit that are stored.
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
/// Keys of a pull request that are stored.
const PULL_REQUEST: &[&str] = &["number", "title", "head_commit", "base_commit", "head_ref", "base_ref", "head_slug"];

/// Decodes the rows of a new build.
///
/// # Errors
/// When an id is missing, invalid or there twice.
pub(super) fn read(text: &str, message: Message) -> Result<Create, Rejection> {
    let Object::Build(id) = message.object else {
        return Err(Rejection::new("unknown-event", "event: only builds are created"));
    };
    let own: Columns<'_> = parse(text)?;
    let columns = own.build.as_deref().unwrap_or(&own);
    let repository = columns.repository.as_ref().or(own.repository.as_ref());
    let repository_id = repository.and_then(|repository| repository.id).or(columns.repository_id).or(own.repository_id);
    let Some(Id(repository_id)) = repository_id else {
        if columns.jobs.is_some() || own.jobs.is_some() {
            return Err(Rejection::new("bad-field", "repository.id: missing beside jobs"));
        }
        return Ok(Create { message, build: None, stages: Vec::new(), jobs: Vec::new() });
    };
    // Where the sender gave no time, the store inserts the database's clock.
    let source = message.source();
    let repository = Repository { id: repository_id, ..repository.map(repository_row).unwrap_or_default() };

    let mut stages = Vec::new();
    for raw in columns.stages.as_ref().or(own.stages.as_ref()).into_iter().flat_map(|stages| &stages.0) {
        let Some(Id(stage)) = raw.id.0 else {
            lenient::dropped();
            continue;
        };
        stages.push(Stage {
            id: stage,
            build_id: id,
            number: raw.number.0,
            name: owned(raw.name.as_ref()),
            state: initial_state(raw.state.as_ref()).or(Some(State::Created)),
            started_at: None,
            finished_at: None,
            source: source.clone(),
        });
    }
    let mut jobs = Vec::new();
    for (index, raw) in columns.jobs.as_ref().or(own.jobs.as_ref()).into_iter().flatten().enumerate() {
        let stage_number = owned(raw.stage_number.as_ref()).filter(|number| stored_if(is_path(number)));
        jobs.push(Job {
            id: raw.id.ok_or_else(|| Rejection::new("bad-field", format!("jobs[{index}].id: missing")))?.0,
            build_id: id,
            repository_id,
            stage_id: raw.stage_id.as_ref().map(|id| id.0),
            stage_number,
            number: raw.number.as_ref().and_then(numeral),
            state: initial_state(raw.state.as_ref()),
            allow_failure: raw.allow_failure.0.unwrap_or(false),
            queue: owned(raw.queue.as_ref()),
            priority: raw.priority.0,
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
    stages.sort_by_key(|item| item.id);
    jobs.sort_by_key(|item| item.id);
    let known: Vec<i64> = stages.iter().map(|stage| stage.id).collect();
    distinct("stages", &known)?;
    distinct("jobs", &jobs.iter().map(|job| job.id).collect::<Vec<_>>())?;
    for job in &mut jobs {
        job.stage_id = job.stage_id.filter(|stage| stored_if(known.binary_search(stage).is_ok()));
    }

    let config = columns.config.or(own.config);
    let commit = stored(columns.commit.or(own.commit), COMMIT);
    let build = Build {
        id,
        repository_id,
        number: columns.number.as_ref().and_then(numeral),
        state: initial_state(columns.state.as_ref()),
        previous_state: columns.previous_state.as_ref().and_then(|name| State::named(name.as_str())),
        event_type: owned(columns.event_type.as_ref()),
        branch: owned(columns.branch.as_ref()).or_else(|| branch_of(&commit)),
        commit,
        pull_request: pull_request(columns),
        notifications: member(config, &["notifications"]).as_ref().map(notifications::without_secrets),
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
        ever_bad: Some(false),
        source,
    };
    Ok(Create { message, build: Some((repository, build)), stages, jobs })
}

/// Whether a stage number is valid: numbers separated by dots, each within the range of PostgreSQL's integer.
fn is_path(text: &str) -> bool {
    text.split('.').all(|part| part.len() <= 9 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Checks that sorted ids are distinct.
fn distinct(list: &str, ids: &[i64]) -> Result<(), Rejection> {
    match ids.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(Rejection::new("bad-field", format!("{list}: id {} is there twice", two[0]))),
        None => Ok(()),
    }
}

/// The state of a new row before `build:create` is applied, which sets `created`.
fn initial_state(name: Option<&Name<'_>>) -> Option<State> {
    name.and_then(|name| State::named(name.as_str())).filter(|state| *state != State::Created)
}

fn repository_row(raw: &RawRepository<'_>) -> Repository {
    let slug = raw.slug.as_ref().and_then(|slug| slug.as_str().split_once('/'));
    Repository {
        id: 0,
        owner_name: owned(raw.owner_name.as_ref()).or_else(|| slug.map(|(owner, _)| owner.to_owned())),
        name: owned(raw.name.as_ref()).or_else(|| slug.map(|(_, name)| name.to_owned())),
        private: raw.private.0,
        url: owned(raw.url.as_ref()).filter(|url| is_page(url)),
    }
}

/// Whether the text is an address of the web, without user and password.
fn is_page(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.contains(|c: char| c == '@' || c.is_control() || c.is_whitespace())
    })
}

/// Returns whether a detail is stored, and counts it as dropped if not.
fn stored_if(fits: bool) -> bool {
    if !fits {
        lenient::dropped();
    }
    fits
}

fn branch_of(commit: &Map<String, Value>) -> Option<String> {
    let branch = commit.get("branch")?.as_str()?;
    Some(branch[..branch.floor_char_boundary(1024)].to_owned())
}

/// The allowed keys of an object whose values are strings, numbers or booleans. A hash is in an index, which limits the
/// length of keys.
fn stored(object: Option<&RawValue>, keys: &[&str]) -> Map<String, Value> {
    let Some(object) = object else { return Map::new() };
    let Ok(head) = Head::read(object.get()) else {
        lenient::dropped();
        return Map::new();
    };
    let max_length = |key: &str| if matches!(key, "sha" | "number") { 1_024 } else { 65_536 };
    let value = |key: &str, raw: &RawValue| match raw.get().as_bytes().first()? {
        b'"' => lenient::read::<Text<'_>>(raw)
            .filter(|text| stored_if(text.as_str().len() <= max_length(key)))
            .map(|text| Value::String(text.as_str().to_owned())),
        b'n' => None,
        _ => {
            let plain =
                serde_json::from_str(raw.get()).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
            plain.or_else(|| {
                lenient::dropped();
                None
            })
        }
    };
    let members = head.members().filter(|(key, _)| keys.contains(key));
    Map::from_iter(members.filter_map(|(key, raw)| Some((key.to_owned(), value(key, raw)?))))
}

fn pull_request(columns: &Columns<'_>) -> Option<Map<String, Value>> {
    let mut stored = stored(columns.pull_request, PULL_REQUEST);
    let number = columns.pull_request_number.as_ref().map(|number| match number {
        NumberOrName::Number(number) => Value::from(*number),
        NumberOrName::Name(name) => Value::from(name.as_str()),
    });
    if let Some(number) = number {
        stored.entry("number").or_insert(number);
    }
    if let Some(title) = owned(columns.pull_request_title.as_ref()) {
        stored.entry("title").or_insert(Value::String(title));
    }
    Some(stored).filter(|stored| !stored.is_empty())
}

/// A value in a configuration, by its path. It is read level by level, so that other members may have any form.
fn member(config: Option<&RawValue>, path: &[&str]) -> Option<Value> {
    let (name, rest) = path.split_first()?;
    let head = Head::read(config?.get()).ok()?;
    let raw = head.get(name)?;
    if rest.is_empty() { serde_json::from_str(raw.get()).ok() } else { member(Some(raw), rest) }
}

/// `fast_finish` under `jobs` or its former name `matrix`.
fn fast_finish(config: Option<&RawValue>) -> bool {
    let under = |key: &str| member(config, &[key, "fast_finish"]).and_then(|value| value.as_bool());
    under("jobs").or_else(|| under("matrix")).unwrap_or(false)
}

/// Whether Travis could not read the configuration.
fn config_error(config: Option<&RawValue>) -> bool {
    member(config, &[".result"]).is_some_and(|result| result.as_str().is_some_and(|result| result.contains("error")))
}
