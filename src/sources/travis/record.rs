//! Records of the source: builds with their stages and jobs, and the messages that change them.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A state of a job, a stage or a build (facts: `travis-hub.md` 2.1); `None` before the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waiting to be started.
    Created,
    /// Chosen by the scheduler.
    Queued,
    /// Received by a worker.
    Received,
    /// Running.
    Started,
    /// Ended with success.
    Passed,
    /// Ended with a failure.
    Failed,
    /// Ended by a technical error.
    Errored,
    /// Ended by a user, a newer build or an earlier stage.
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

    /// The name in tables and messages.
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

    /// Whether the state is final.
    #[must_use]
    pub fn is_finished(self) -> bool {
        self >= Self::Passed
    }
}

/// The event of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// `build:create`.
    Create,
    /// `job:receive`.
    Receive,
    /// `job:start`, `build:start`.
    Start,
    /// `job:finish`, `build:finish`, with the final state.
    Finish(State),
    /// `job:cancel`, `build:cancel`.
    Cancel,
    /// `job:restart`, `build:restart`.
    Restart,
    /// `job:reset`: the worker could not run it.
    Reset,
}

impl Event {
    /// The name in messages.
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

/// The object of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A job, by id.
    Job(i64),
    /// All jobs of a build, by its id.
    Build(i64),
}

/// The details of a message: the keys of the payload that are read (an allow-list).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// When the scheduler chose the job.
    pub queued_at: Option<Timestamp>,
    /// When a worker received it.
    pub received_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The worker's id of the run.
    pub uuid: Option<String>,
    /// Number of the message within the run.
    pub count: Option<i64>,
    /// Number of the run. An extension: no upstream worker sends it.
    pub attempt: Option<i32>,
    /// Size of the machine.
    pub vm_size: Option<String>,
    /// Id of the user that restarted it.
    pub restarted_by: Option<i64>,
    /// Reason of the cancellation.
    pub reason: Option<String>,
    /// Whether a newer build caused the cancellation, not a user.
    pub auto: bool,
}

/// A message about an existing job or build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its job or build.
    pub object: Object,
    /// Its event.
    pub event: Event,
    /// Its details.
    pub details: Details,
    /// Its id; a redelivery has the same id.
    pub id: String,
    /// When it was sent. `None` until the store inserts the database's clock.
    pub sent_at: Option<Timestamp>,
}

/// The content of one message.
#[derive(Clone, Debug)]
pub enum Record {
    /// `build:create`, with the rows.
    Create(Box<Create>),
    /// Any other message.
    Message(Box<Message>),
}

/// A build with all that belongs to it, as its `build:create` brings it.
#[derive(Clone, Debug)]
pub struct Create {
    /// The message, which also changes the states of new rows.
    pub message: Message,
    /// Repository and build; `None` when the message has an id only.
    pub build: Option<(Repository, Build)>,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// Its jobs.
    pub jobs: Vec<Job>,
}

/// A repository, with the values that a build gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// Key.
    pub id: i64,
    /// `owner` of `owner/name`.
    pub owner_name: Option<String>,
    /// `name` of `owner/name`.
    pub name: Option<String>,
    /// Whether it is private.
    pub private: Option<bool>,
    /// Address of its page at the forge.
    pub url: Option<String>,
}

impl Repository {
    /// This repository, with missing values filled in from the other one.
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

/// The message that gave a row its state. A later message is greater.
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
    /// State.
    pub state: Option<State>,
    /// Final state of the build before it on its branch, or the value of the message that created this build.
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
    /// Whether it ends with its last required job, without waiting for jobs that may fail.
    pub fast_finish: bool,
    /// Whether its configuration cannot be used, so that it cannot be restarted.
    pub config_error: bool,
    /// Sum of the durations of its jobs in seconds.
    pub duration: Option<i32>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When the first of its jobs reached a worker.
    pub received_at: Option<Timestamp>,
    /// When the first of its jobs began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
    /// When it was last restarted.
    pub restarted_at: Option<Timestamp>,
    /// When its present run began, by the restart or the reset of any of its jobs.
    pub run_at: Option<Timestamp>,
    /// Whether any message said that it or one of its required jobs failed, in whatever run; `None` if that was not
    /// recorded from its beginning.
    pub ever_bad: Option<bool>,
    /// The message that gave it its state.
    pub source: Source,
}

/// A stage: a group of jobs that run in parallel. Key: id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Key.
    pub id: i64,
    /// Its build.
    pub build_id: i64,
    /// Number in the order of the stages.
    pub number: Option<i32>,
    /// Name.
    pub name: Option<String>,
    /// State.
    pub state: Option<State>,
    /// When the first of its jobs began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The message that gave it its state.
    pub source: Source,
}

/// The present run of a job, and the values that distinguish its messages from those of earlier runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of the run, from 1; a restart adds one.
    pub attempt: i32,
    /// When a restart or a reset began it.
    pub at: Option<Timestamp>,
    /// Id of the message that began it.
    pub message_id: Option<String>,
    /// The worker's id of the run.
    pub uuid: Option<String>,
    /// Highest number of its messages.
    pub count: Option<i64>,
    /// The worker's id of the previous run.
    pub previous_uuid: Option<String>,
}

impl Default for Run {
    fn default() -> Self {
        Self { attempt: 1, at: None, message_id: None, uuid: None, count: None, previous_uuid: None }
    }
}

/// The resets of a job: a worker could not run it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resets {
    /// Number of resets.
    pub count: i32,
    /// Time of the first one.
    pub first_at: Option<Timestamp>,
    /// Time of the last one.
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
    /// Position in the order of the stages: `1.2` is the second job of the first stage; longer where stages nest.
    pub stage_number: Option<String>,
    /// `7.1`: first job of build 7.
    pub number: Option<String>,
    /// State.
    pub state: Option<State>,
    /// Whether its build may pass although it fails.
    pub allow_failure: bool,
    /// Queue of workers.
    pub queue: Option<String>,
    /// Priority; jobs with a higher one start first.
    pub priority: Option<i32>,
    /// Name of the worker that runs it.
    pub worker: Option<String>,
    /// Size of the machine.
    pub vm_size: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When the scheduler chose it.
    pub queued_at: Option<Timestamp>,
    /// When a worker received it.
    pub received_at: Option<Timestamp>,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When a user or a newer build canceled it. Not set when an earlier stage that failed did.
    pub canceled_at: Option<Timestamp>,
    /// When it was last restarted.
    pub restarted_at: Option<Timestamp>,
    /// Id of the user that restarted it.
    pub restarted_by: Option<i64>,
    /// Its present run.
    pub run: Run,
    /// Its resets.
    pub resets: Resets,
    /// The message that gave it its state.
    pub source: Source,
}

impl Job {
    /// Whether its state is final.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.is_some_and(State::is_finished)
    }

    /// Whether it was canceled because an earlier stage did not pass.
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
