//! What the family keeps: builds with their stages and jobs, and the messages that move them.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A state of a job, a stage or a build (facts: `travis-hub.md` 2.1); `None` where nothing was decided yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waits to be started.
    Created,
    /// Chosen by the scheduler.
    Queued,
    /// A worker has it.
    Received,
    /// Runs.
    Started,
    /// Ended well.
    Passed,
    /// Ended badly.
    Failed,
    /// Did not get to an end of its own.
    Errored,
    /// Ended by somebody.
    Canceled,
}

impl State {
    const NAMES: [(Self, &str); 8] = [
        (Self::Created, "created"),
        (Self::Queued, "queued"),
        (Self::Received, "received"),
        (Self::Started, "started"),
        (Self::Passed, "passed"),
        (Self::Failed, "failed"),
        (Self::Errored, "errored"),
        (Self::Canceled, "canceled"),
    ];

    /// As in tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The state of a name; workers write `cancelled`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "cancelled" { "canceled" } else { name };
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub fn is_finished(self) -> bool {
        self >= Self::Passed
    }
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// `build:create`.
    Create,
    /// `job:receive`.
    Receive,
    /// `job:start`, `build:start`.
    Start,
    /// `job:finish`, `build:finish`, with the state that was reached.
    Finish(State),
    /// `job:cancel`, `build:cancel`.
    Cancel,
    /// `job:restart`, `build:restart`.
    Restart,
    /// `job:reset`: the worker could not run it.
    Reset,
}

impl Event {
    /// As in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Receive => "receive",
            Self::Start => "start",
            Self::Finish(_) => "finish",
            Self::Cancel => "cancel",
            Self::Restart => "restart",
            Self::Reset => "reset",
        }
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A job, by id.
    Job(i64),
    /// All jobs of a build, by its id.
    Build(i64),
}

/// What a message says beside its event: the payload keys that are read, and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When the scheduler chose the job.
    pub queued_at: Option<Timestamp>,
    /// When a worker got it.
    pub received_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The worker's id of the run.
    pub uuid: Option<String>,
    /// Number of the message within the run.
    pub count: Option<i64>,
    /// Number of the run; ours, no upstream worker sends it.
    pub attempt: Option<i32>,
    /// Size of the machine.
    pub vm_size: Option<String>,
    /// Who restarted.
    pub restarted_by: Option<i64>,
    /// Why it was canceled.
    pub reason: Option<String>,
    /// Whether a newer build was the reason, and no person.
    pub auto: bool,
}

/// A message about what is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub object: Object,
    /// What it asks for.
    pub event: Event,
    /// What else it says.
    pub told: Told,
    /// Its id; a redelivery has the same.
    pub id: String,
    /// When it was sent. `None` until the store puts its own clock in.
    pub sent_at: Option<Timestamp>,
}

/// What a message is to the family.
#[derive(Clone, Debug)]
pub enum Record {
    /// `build:create`: the rows.
    Create(Box<Create>),
    /// Any other.
    Message(Box<Message>),
}

/// A build with all that belongs to it, as its `build:create` brings it.
#[derive(Clone, Debug)]
pub struct Create {
    /// The message, which also moves what is new.
    pub message: Message,
    /// Where it belongs; `None` when the message names an id only.
    pub build: Option<(Repository, Build)>,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// Its jobs.
    pub jobs: Vec<Job>,
}

/// A repository, as far as a build brings it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// Key.
    pub id: i64,
    /// `owner` of `owner/name`.
    pub owner_name: Option<String>,
    /// `name` of `owner/name`.
    pub name: Option<String>,
    /// Whether only some may see it.
    pub private: Option<bool>,
    /// Its page at the host of repositories.
    pub url: Option<String>,
}

impl Repository {
    /// This, and what only the other one knows.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self {
            id: self.id,
            owner_name: self.owner_name.clone().or_else(|| other.owner_name.clone()),
            name: self.name.clone().or_else(|| other.name.clone()),
            private: self.private.or(other.private),
            url: self.url.clone().or_else(|| other.url.clone()),
        }
    }

    /// `owner/name`, if both are known.
    #[must_use]
    pub fn slug(&self) -> Option<String> {
        Some(format!("{}/{}", self.owner_name.as_ref()?, self.name.as_ref()?))
    }
}

/// The message that gave a row its state. Later ones are greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// When it was sent.
    pub message_at: Timestamp,
    /// Its id.
    pub message_id: String,
}

/// A build. Key: id.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// Key.
    pub id: i64,
    /// Its repository.
    pub repository_id: i64,
    /// Number within the repository.
    pub number: Option<String>,
    /// Where it stands.
    pub state: Option<State>,
    /// How the build before it on its branch ended, or what the message that created this one says.
    pub previous_state: Option<State>,
    /// `push`, `pull_request`, `api`, `cron`.
    pub event_type: Option<String>,
    /// Branch.
    pub branch: Option<String>,
    /// Commit: `sha`, `message`, `author_name`, ..
    pub commit: Map<String, Value>,
    /// Pull request: `number`, `title`, ..
    pub pull_request: Option<Map<String, Value>>,
    /// `notifications` of its configuration.
    pub notifications: Option<Value>,
    /// Whether it ends with its last required job.
    pub fast_finish: bool,
    /// Whether its configuration cannot be used, so that it cannot be restarted.
    pub config_error: bool,
    /// Seconds that its jobs ran, together.
    pub duration: Option<i32>,
    /// When it came into being.
    pub created_at: Option<Timestamp>,
    /// When the first of its jobs reached a worker.
    pub received_at: Option<Timestamp>,
    /// When the first of its jobs began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
    /// When it was last begun anew.
    pub restarted_at: Option<Timestamp>,
    /// When its present run began, by the restart or the reset of any of its jobs.
    pub run_at: Option<Timestamp>,
    /// What gave it its state.
    pub source: Source,
}

/// A stage: jobs that run beside each other. Key: id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Key.
    pub id: i64,
    /// Its build.
    pub build_id: i64,
    /// Place among the stages.
    pub number: Option<i32>,
    /// Name.
    pub name: Option<String>,
    /// Where it stands.
    pub state: Option<State>,
    /// When the first of its jobs began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What gave it its state.
    pub source: Source,
}

/// Which run of a job this is, and what tells its messages from those of runs before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number, from 1; a restart adds one.
    pub attempt: i32,
    /// When it was begun by a restart or a reset.
    pub at: Option<Timestamp>,
    /// The message that began it.
    pub message_id: Option<String>,
    /// The worker's id of it.
    pub uuid: Option<String>,
    /// Highest number of a message of it.
    pub count: Option<i64>,
    /// The worker's id of the run before.
    pub previous_uuid: Option<String>,
}

impl Default for Run {
    fn default() -> Self {
        Self { attempt: 1, at: None, message_id: None, uuid: None, count: None, previous_uuid: None }
    }
}

/// How often workers gave a job back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resets {
    /// How often.
    pub count: i32,
    /// When first.
    pub first_at: Option<Timestamp>,
    /// When last.
    pub last_at: Option<Timestamp>,
}

/// A job. Key: id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Key.
    pub id: i64,
    /// Its build.
    pub build_id: i64,
    /// Its repository.
    pub repository_id: i64,
    /// Its stage.
    pub stage_id: Option<i64>,
    /// Place among the stages: `1.2` is the second job of the first stage; deeper where stages nest.
    pub stage_number: Option<String>,
    /// `7.1`: first job of build 7.
    pub number: Option<String>,
    /// Where it stands.
    pub state: Option<State>,
    /// Whether its build may pass without it.
    pub allow_failure: bool,
    /// Queue of workers.
    pub queue: Option<String>,
    /// Higher ones first.
    pub priority: Option<i32>,
    /// Which worker has it.
    pub worker: Option<String>,
    /// Size of the machine.
    pub vm_size: Option<String>,
    /// When it came into being.
    pub created_at: Option<Timestamp>,
    /// When the scheduler chose it.
    pub queued_at: Option<Timestamp>,
    /// When a worker got it.
    pub received_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When somebody canceled it. Not set where a stage that failed before it did.
    pub canceled_at: Option<Timestamp>,
    /// When it was last restarted.
    pub restarted_at: Option<Timestamp>,
    /// By whom.
    pub restarted_by: Option<i64>,
    /// Its present run.
    pub run: Run,
    /// How often it was given back.
    pub resets: Resets,
    /// What gave it its state.
    pub source: Source,
}

impl Job {
    /// Whether nothing more is expected of it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.is_some_and(State::is_finished)
    }

    /// Whether it was canceled because a stage before it did not pass.
    #[must_use]
    pub fn canceled_by_stage(&self) -> bool {
        self.state == Some(State::Canceled) && self.canceled_at.is_none() && self.stage_id.is_some()
    }
}

/// A run of a job that was restarted. Key: (job, number).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The job as it was.
    pub job: Job,
    /// Number of the run.
    pub number: i32,
}
