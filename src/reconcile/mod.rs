//! Finds what lost messages left wrong, and repairs it: asks GitLab about the merge requests that we know, and lets the
//! families look for what got stuck.
//!
//! ```text
//! upkeep   ─► partitions and old rows
//! projects that we know, longest unchecked first, in three quarters of the time
//!   └ each:  open merge requests, 100 a request ─► compare ─► gitlab::write, as ingest does
//!            changed since the last sweep        ─► compare ─► ..     (reopened, never heard of)
//!            versions of those with a new head              ─► ..
//! families ─► sweep: what should have ended long ago
//!          ─► tasks: what messages left to be done, chunk by chunk
//! ```
//!
//! An answer says what was true when it was asked for, so a webhook that was sent later wins, whichever is written first.
//! A project that cannot be asked about keeps its rows as they are. A run that is out of time leaves projects to the
//! next one, which begins with them.

mod address;
mod client;
mod error;
mod limits;
mod project;
mod reach;
mod report;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;

use self::client::Client;
pub use self::client::Pace;
use self::error::Trouble;
pub use self::error::{ApiError, SetupError};
use self::project::Check;
use self::reach::Reach;
pub use self::report::{Correction, Missing, Moved, RefusedItem, Report, Unreachable, Worked};
use crate::clock::{self, Deadline};
use crate::config::{GitLab, Retention};
use crate::family::{Family, Settings, Task, Tasks};
use crate::gitlab::{self, Checked, Project};
use crate::store::{Patient, Store, StoreError, chain};
use crate::upkeep;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Paths of projects; all that we know if there is none.
    pub projects: Vec<String>,
    /// Write nothing.
    pub dry_run: bool,
    /// Sweep over what changed after this, instead of after the last sweep.
    pub since: Option<Timestamp>,
    /// Look beyond the open merge requests that we know: sweep over what changed, and ask for the times of heads.
    pub sweep: bool,
    /// Projects at a time.
    pub concurrency: usize,
    /// How patient to be with GitLab.
    pub pace: Pace,
    /// Choices of the families.
    pub settings: Settings,
    /// How long what is kept; `None` for no upkeep.
    pub retention: Option<Retention>,
}

impl Default for Options {
    fn default() -> Self {
        let pace = Pace::default();
        let settings = Settings::default();
        let projects = Vec::new();
        Self { projects, dry_run: false, since: None, sweep: true, concurrency: 4, pace, settings, retention: None }
    }
}

/// What the scheduled function may be asked by hand; an event of the schedule asks for nothing in particular.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Request {
    /// See [`Options::projects`].
    pub projects: Vec<String>,
    /// See [`Options::dry_run`].
    pub dry_run: bool,
    /// See [`Options::since`].
    pub since: Option<Timestamp>,
}

impl From<Request> for Options {
    fn from(request: Request) -> Self {
        let Request { projects, dry_run, since } = request;
        Self { projects, dry_run, since, ..Self::default() }
    }
}

/// The run could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// An instance is configured wrongly.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The database is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReconcileError {
    /// One word for errors that call for the same.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Setup(_) => "Configuration",
            Self::Store(error) => error.error_type(),
        }
    }
}

/// So many projects in a row without an answer, and the instance is left alone.
const SILENT_PROJECTS: u32 = 3;
/// How often a transaction is tried again while the database is away.
const TRIES: u32 = 5;
/// Time kept back for what comes after the projects.
const RESERVE: Duration = Duration::from_secs(2);
/// Of the time, what projects leave to the tasks of the families, which come after them: a quarter.
const TASKS_SHARE: u32 = 4;
/// Of the time, what upkeep may take before all else: an eighth. It takes less than a second, but after a long pause; and
/// projects may take all that there is, run after run.
const UPKEEP_SHARE: u32 = 8;

/// All that the workers of a run share.
struct Run<'w> {
    store: Patient,
    clients: Vec<Client>,
    options: Options,
    deadline: Deadline,
    /// Time that projects leave to the tasks of the families.
    for_tasks: Duration,
    watch: &'w dyn Fn(usize, usize),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Projects to be done, with the number of their instance.
    queue: VecDeque<(usize, Project)>,
    report: Report,
    /// How many there were, and how many are done with, well or not.
    projects: usize,
    done: usize,
    /// Of each instance: projects in a row without an answer, and whether it is not asked any more.
    silent: Vec<u32>,
    stopped: Vec<bool>,
    /// Of each instance: what became of it.
    reach: Vec<Reach>,
    /// Tasks of families that are not done.
    tasks: Vec<Task>,
}

/// Compares what is kept with what GitLab says, corrects it, and lets the families sweep. `watch` is told of each project
/// that is done with: how many are, of how many.
///
/// # Errors
/// When the run could not begin. What goes wrong later is in the report, beside what was done until then.
pub async fn run(
    store: &Store,
    instances: &[GitLab],
    options: Options,
    deadline: Deadline,
    watch: impl Fn(usize, usize),
) -> Result<Report, ReconcileError> {
    let started = clock::now();
    let made = instances.iter().zip(1..).map(|(gitlab, number)| Client::new(gitlab, number, options.pace));
    let clients = made.collect::<Result<Vec<_>, _>>()?;
    let store = Patient::until(store, deadline).at_most(TRIES);
    store.check_schema().await?;
    let projects = store.in_tx("reconcile_projects", async |tx| gitlab::projects(tx).await).await?;
    let mut state = State {
        report: Report { dry_run: options.dry_run, started_at: Some(started), ..Report::default() },
        silent: vec![0; clients.len()],
        stopped: vec![false; clients.len()],
        reach: vec![Reach::Untried; clients.len()],
        ..State::default()
    };
    for project in wanted(projects, &options.projects) {
        match instance_of(&project, &clients) {
            Ok(number) => state.queue.push_back((number, project)),
            Err(problem) => state.report.unreachable.push(Unreachable { project: project.path, problem }),
        }
    }
    state.projects = state.queue.len();
    state.tasks = if options.dry_run { Vec::new() } else { Task::ALL.to_vec() };
    let workers = options.concurrency.clamp(1, 64);
    let for_tasks = if state.tasks.is_empty() { Duration::ZERO } else { deadline.remaining() / TASKS_SHARE };
    let run = Run { store, clients, options, deadline, for_tasks, watch: &watch, state: Mutex::new(state) };
    run.keep_up(started).await;
    // On one thread: they wait for GitLab nearly all of the time.
    join_all((0..workers).map(|_| run.work())).await;
    run.sweep_families(started).await;
    run.work_for_families(deadline.or_within(deadline.remaining().saturating_sub(RESERVE))).await;
    let reach = std::mem::take(&mut run.state().reach);
    let mut report = std::mem::take(&mut run.state().report);
    let silent = reach.iter().zip(&run.clients).find_map(|(reach, client)| reach.silence(&client.host));
    report.stopped = report.stopped.or(silent);
    report.requests = run.clients.iter().map(Client::requests).sum();
    report.limited = run.clients.iter().map(Client::limited).sum();
    report.seconds = clock::now().duration_since(started).as_secs_f64();
    report.sort();
    Ok(report)
}

/// The projects that were asked for, known or not; all that are known if none was.
fn wanted(known: Vec<Project>, paths: &[String]) -> Vec<Project> {
    if paths.is_empty() {
        return known;
    }
    let find = |path: &String| known.iter().find(|project| project.path == *path).cloned();
    let unknown =
        |path: &String| Project { path: path.clone(), id: None, page: None, checked_at: None, swept_at: None };
    paths.iter().map(|path| find(path).unwrap_or_else(|| unknown(path))).collect()
}

/// The instance that a project is on: the only one, else the one whose host its pages have.
fn instance_of(project: &Project, clients: &[Client]) -> Result<usize, String> {
    if clients.len() == 1 {
        return Ok(0);
    }
    let host = project.page.as_deref().and_then(|page| page.split_once("://")).map(|(_, rest)| rest);
    let host = host.and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
    let found = clients.iter().position(|client| client.host == host);
    found.ok_or_else(|| format!("none of the configured instances has the host '{host}'"))
}

impl Run<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        // No lock is held while anything can fail, so what is in there is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time that is left for projects.
    fn for_projects(&self) -> Duration {
        let left = self.deadline.remaining();
        left.saturating_sub(RESERVE.max(self.for_tasks))
    }

    /// Takes project after project until there is none.
    async fn work(&self) {
        loop {
            let (number, project) = {
                let mut state = self.state();
                let Some((number, project)) = state.queue.pop_front() else { return };
                if state.stopped[number] || self.for_projects().is_zero() {
                    state.report.left.push(project.path);
                    continue;
                }
                (number, project)
            };
            let started = clock::now();
            let deadline = self.deadline.or_within(self.for_projects());
            let mut check = Check::new(&self.store, &self.clients[number], &self.options, deadline, &project);
            let result = check.run(started).await;
            let found = std::mem::take(&mut check.found);
            self.finish(number, project, started, found, result).await;
        }
    }

    /// Keeps what came of a project, and decides whether to go on with its instance.
    async fn finish(
        &self,
        number: usize,
        project: Project,
        started: Timestamp,
        found: Report,
        result: Result<(), Trouble>,
    ) {
        let problem = {
            let mut state = self.state();
            state.report.add(found);
            state.done += 1;
            (self.watch)(state.done, state.projects);
            state.reach[number].take(&result);
            match result {
                Ok(()) => {
                    state.silent[number] = 0;
                    state.report.projects += 1;
                    None
                }
                Err(Trouble::Api(ApiError::OutOfTime)) => return state.report.left.push(project.path),
                Err(Trouble::Api(ApiError::Limited)) => {
                    // It would be the same for the next project.
                    state.stopped[number] = true;
                    return state.report.left.push(project.path);
                }
                Err(Trouble::Api(error @ ApiError::Unauthorized)) => {
                    state.stopped[number] = true;
                    state.report.stopped = Some(format!("{}: {error}{}", self.clients[number].host, self.hint(number)));
                    return state.report.left.push(project.path);
                }
                Err(Trouble::Store(error)) => {
                    state.stopped.fill(true);
                    state.report.stopped = Some(chain(&error));
                    return state.report.left.push(project.path);
                }
                Err(error) => {
                    if matches!(error, Trouble::Api(ApiError::Unanswered { .. })) {
                        state.silent[number] += 1;
                        if state.silent[number] >= SILENT_PROJECTS {
                            state.stopped[number] = true;
                            state.report.stopped = Some(format!("{}: {error}", self.clients[number].host));
                        }
                    }
                    let hint = match error {
                        Trouble::Api(ApiError::Refused { status: 403 | 404 }) => self.hint(number),
                        _ => "",
                    };
                    let problem = format!("{error}{hint}");
                    state
                        .report
                        .unreachable
                        .push(Unreachable { project: project.path.clone(), problem: problem.clone() });
                    Some(problem)
                }
            }
        };
        if self.options.dry_run {
            return;
        }
        // A sweep that began later than the last one ended has left a gap.
        let whole = self.options.since.is_none_or(|since| project.swept_at.is_some_and(|swept| since <= swept));
        let swept_at = (problem.is_none() && self.options.sweep && whole).then_some(started);
        let checked = [Checked { project: project.path, checked_at: started, swept_at, problem }];
        let keep = self.store.in_tx("reconcile_checked", async |tx| gitlab::keep_checked(tx, &checked).await);
        if let Err(error) = keep.await {
            // The rows are right; only the order of the next run is not.
            tracing::warn!(error = chain(&error), "cannot keep when a project was checked");
        }
    }

    /// Why an instance may show nothing.
    fn hint(&self, number: usize) -> &'static str {
        if self.clients[number].is_anonymous() { ": no token is configured" } else { "" }
    }

    /// Lets each family look for what got stuck, in a transaction of its own.
    async fn sweep_families(&self, now: Timestamp) {
        for family in Family::ALL {
            let write = !self.options.dry_run;
            let swept =
                self.store.in_tx("sweep", async |tx| family.sweep(tx, &self.options.settings, now, write).await);
            match swept.await {
                Ok((stale, due)) => {
                    let mut state = self.state();
                    state.report.stale.extend(stale);
                    state.report.due = state.report.due.and(due);
                }
                Err(error) => self.state().report.stopped = Some(format!("{family}: {}", chain(&error))),
            }
        }
    }

    /// Makes partitions and throws away what is old. What is left of it is left to the next run, and no fault of this one.
    async fn keep_up(&self, now: Timestamp) {
        let Some(retention) = &self.options.retention else { return };
        let until = self.deadline.or_within(self.deadline.remaining() / UPKEEP_SHARE);
        let report = upkeep::run(&self.store, retention, now, until, self.options.dry_run).await;
        self.state().report.upkeep = Some(report);
    }

    /// Does what messages left to be done, chunk by chunk and task by task, until it is done or the time is over. What a
    /// chunk has done stands, and the next run goes on from there.
    async fn work_for_families(&self, until: Deadline) {
        let mut tasks = std::mem::take(&mut self.state().tasks);
        let mut work = Tasks::new(clock::processor_time);
        while !tasks.is_empty() && !until.remaining().is_zero() {
            // One that has nothing to do may be given something by another.
            let mut more = false;
            let mut able = Vec::new();
            for task in tasks {
                match work.chunk(task, &self.store, &self.options.settings).await {
                    Ok((step, due)) => {
                        let mut state = self.state();
                        state.report.work(task.name(), step);
                        state.report.due = state.report.due.and(due);
                        more |= step.more;
                        able.push(task);
                    }
                    Err(error) => self.state().report.stopped = Some(format!("{}: {}", task.name(), chain(&error))),
                }
            }
            tasks = if more { able } else { Vec::new() };
        }
        self.state().tasks = tasks;
    }
}
