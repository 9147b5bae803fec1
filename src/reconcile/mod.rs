//! Repairs rows that are wrong because webhooks were lost: asks GitLab about the stored merge requests, and lets the
//! sources find objects that got stuck.
//!
//! ```text
//! maintenance ─► partitions and retention
//! stored projects, longest unchecked first, in three quarters of the time
//!   └ each:  open merge requests, 100 a request ─► compare ─► gitlab::write, as ingest does
//!            changed since the last sweep       ─► compare ─► ..     (reopened ones, missing ones)
//!            versions of those with a new head             ─► ..
//!            pipelines that have not ended after 2 hours   ─► ..     (and those that were deleted)
//! sources ─► sweep: objects that should have ended long ago
//!         ─► tasks: deferred work of ingest, chunk by chunk
//! ```
//!
//! The version of an answer is the time of its request, so the version guard lets a webhook that was sent later win, in
//! any order of writing. A project that cannot be asked about keeps its rows. A run that is out of time leaves projects
//! to the next run, which begins with them.

mod address;
mod client;
mod error;
mod limits;
mod pipelines;
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
use self::error::CheckError;
pub use self::error::{ApiError, SetupError};
use self::project::Check;
use self::reach::Reach;
pub use self::report::{Correction, Missing, Moved, PipelineCorrection, RejectedItem, Report, Unreachable, Worked};
use crate::db::{Retrying, Store, StoreError};
use crate::maintenance;
use crate::maintenance::Retention;
use crate::platform::clock::{self, Deadline};
use crate::platform::environment::GitLab;
use crate::platform::failure::chain;
use crate::sources::gitlab::{self, Checked, Project};
use crate::sources::{Settings, Source, Task, Tasks};

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Paths of projects; empty for all stored projects.
    pub projects: Vec<String>,
    /// Report without writing.
    pub dry_run: bool,
    /// Sweep over merge requests that changed after this time, instead of after the last sweep.
    pub since: Option<Timestamp>,
    /// Also check other merge requests than the stored open ones: sweep over those that changed, and ask for the times
    /// of heads.
    pub sweep: bool,
    /// Projects that are checked at a time.
    pub concurrency: usize,
    /// Retry policy and time limits of requests to GitLab.
    pub pace: Pace,
    /// Settings of the sources.
    pub settings: Settings,
    /// Retention for maintenance; `None` for no maintenance.
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

/// The event of the scheduled function. A schedule sends none of these members; an operator who invokes it may.
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

/// The run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// An instance is configured wrongly.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The database is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReconcileError {
    /// The class of the error, for logs; errors with the same remedy have the same class.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Setup(_) => "Configuration",
            Self::Store(error) => error.error_type(),
        }
    }
}

/// Circuit breaker: after this many projects in a row without an answer the instance is not asked any more.
const SILENT_PROJECTS: u32 = 3;
/// Attempts of a transaction while the database is unavailable.
const ATTEMPTS: u32 = 5;
/// Time that is reserved for the end of the run, after projects and tasks.
const RESERVE: Duration = Duration::from_secs(2);
/// The share of the time that is reserved for the tasks of the sources, after the projects: a quarter.
const TASKS_SHARE: u32 = 4;
/// The share of the time that maintenance may take: an eighth. It comes first, because projects may take all of the
/// time in each run. It takes less than a second, and longer only after a long pause.
const MAINTENANCE_SHARE: u32 = 8;

/// The data that the workers of a run share.
struct Run<'w> {
    store: Retrying,
    clients: Vec<Client>,
    options: Options,
    deadline: Deadline,
    /// Time that is reserved for the tasks of the sources.
    for_tasks: Duration,
    watch: &'w dyn Fn(usize, usize),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Projects to be checked, with the number of their instance.
    queue: VecDeque<(usize, Project)>,
    report: Report,
    /// The number of projects, and of those that were checked or failed.
    projects: usize,
    done: usize,
    /// For each instance: projects in a row without an answer, and whether it is not asked any more.
    silent: Vec<u32>,
    stopped: Vec<bool>,
    /// For each instance: whether it answered.
    reach: Vec<Reach>,
    /// Tasks of sources that are not done.
    tasks: Vec<Task>,
}

/// Compares the stored merge requests with those of GitLab, corrects them, and lets the sources sweep. `watch` is
/// called after each project with the number of projects that are done, and of all projects.
///
/// # Errors
/// When the run could not begin. Later failures are in the report, beside the work that was done.
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
    let store = Retrying::until(store, deadline).at_most(ATTEMPTS);
    store.check_schema().await?;
    let projects = store.in_tx("reconcile_projects", async |tx| gitlab::projects(tx).await).await?;
    let mut state = State {
        report: Report { dry_run: options.dry_run, started_at: Some(started), ..Report::default() },
        silent: vec![0; clients.len()],
        stopped: vec![false; clients.len()],
        reach: vec![Reach::Untried; clients.len()],
        ..State::default()
    };
    for project in select(projects, &options.projects) {
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
    run.maintain(started).await;
    // The workers share one thread, because they nearly always wait for GitLab.
    join_all((0..workers).map(|_| run.work())).await;
    run.sweep_sources(started).await;
    run.run_tasks(deadline.or_within(deadline.remaining().saturating_sub(RESERVE))).await;
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

/// The requested projects, stored or not; all stored ones if none was requested.
fn select(known: Vec<Project>, paths: &[String]) -> Vec<Project> {
    if paths.is_empty() {
        return known;
    }
    let find = |path: &String| known.iter().find(|project| project.path == *path).cloned();
    let unknown =
        |path: &String| Project { path: path.clone(), id: None, page: None, checked_at: None, swept_at: None };
    paths.iter().map(|path| find(path).unwrap_or_else(|| unknown(path))).collect()
}

/// The instance of a project: the only one, else the one with the host of the project's web page.
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
        // Nothing can fail while the lock is held, so a poisoned lock is used all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that remains for projects.
    fn for_projects(&self) -> Duration {
        let left = self.deadline.remaining();
        left.saturating_sub(RESERVE.max(self.for_tasks))
    }

    /// Checks projects of the queue until it is empty.
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

    /// Stores the result of a project, and decides whether its instance is asked any more.
    async fn finish(
        &self,
        number: usize,
        project: Project,
        started: Timestamp,
        found: Report,
        result: Result<(), CheckError>,
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
                Err(CheckError::Api(ApiError::OutOfTime)) => return state.report.left.push(project.path),
                Err(CheckError::Api(ApiError::Limited)) => {
                    // The rate limit applies to the next project too.
                    state.stopped[number] = true;
                    return state.report.left.push(project.path);
                }
                Err(CheckError::Api(error @ ApiError::Unauthorized)) => {
                    state.stopped[number] = true;
                    state.report.stopped = Some(format!("{}: {error}{}", self.clients[number].host, self.hint(number)));
                    return state.report.left.push(project.path);
                }
                Err(CheckError::Store(error)) => {
                    state.stopped.fill(true);
                    state.report.stopped = Some(chain(&error));
                    return state.report.left.push(project.path);
                }
                Err(error) => {
                    if matches!(error, CheckError::Api(ApiError::Unanswered { .. })) {
                        state.silent[number] += 1;
                        if state.silent[number] >= SILENT_PROJECTS {
                            state.stopped[number] = true;
                            state.report.stopped = Some(format!("{}: {error}", self.clients[number].host));
                        }
                    }
                    let hint = match error {
                        CheckError::Api(ApiError::Rejected { status: 403 | 404 }) => self.hint(number),
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
        // A sweep since a later time than the last sweep leaves a gap, so it does not count as one.
        let whole = self.options.since.is_none_or(|since| project.swept_at.is_some_and(|swept| since <= swept));
        let swept_at = (problem.is_none() && self.options.sweep && whole).then_some(started);
        let checked = [Checked { project: project.path, checked_at: started, swept_at, problem }];
        let keep = self.store.in_tx("reconcile_checked", async |tx| gitlab::save_checked(tx, &checked).await);
        if let Err(error) = keep.await {
            // The rows are correct; only the order of the next run is wrong.
            tracing::warn!(error = chain(&error), "cannot store when a project was checked");
        }
    }

    /// A possible reason why GitLab does not show a project.
    fn hint(&self, number: usize) -> &'static str {
        if self.clients[number].is_anonymous() { ": no token is configured" } else { "" }
    }

    /// Lets each source find objects that got stuck, in a transaction of its own.
    async fn sweep_sources(&self, now: Timestamp) {
        for source in Source::ALL {
            let write = !self.options.dry_run;
            let swept =
                self.store.in_tx("sweep", async |tx| source.sweep(tx, &self.options.settings, now, write).await);
            match swept.await {
                Ok((stuck, due)) => {
                    let mut state = self.state();
                    state.report.stale.extend(stuck);
                    state.report.due = state.report.due.and(due);
                }
                Err(error) => self.state().report.stopped = Some(format!("{source}: {}", chain(&error))),
            }
        }
    }

    /// Does maintenance. Work that it leaves to the next run does not make this run incomplete.
    async fn maintain(&self, now: Timestamp) {
        let Some(retention) = &self.options.retention else { return };
        let until = self.deadline.or_within(self.deadline.remaining() / MAINTENANCE_SHARE);
        let report = maintenance::run(&self.store, retention, now, until, self.options.dry_run).await;
        self.state().report.upkeep = Some(report);
    }

    /// Runs the tasks of the sources, one chunk of each in turn, until they are done or the time is over. Each chunk is
    /// committed, and the next run continues from there.
    async fn run_tasks(&self, until: Deadline) {
        let mut tasks = std::mem::take(&mut self.state().tasks);
        let mut work = Tasks::new(clock::processor_time);
        while !tasks.is_empty() && !until.remaining().is_zero() {
            // A task without work may get some from another task, so tasks end together.
            let mut more = false;
            let mut working = Vec::new();
            for task in tasks {
                match work.chunk(task, &self.store, &self.options.settings).await {
                    Ok((done, due)) => {
                        let mut state = self.state();
                        state.report.work(task.name(), done);
                        state.report.due = state.report.due.and(due);
                        more |= done.more;
                        working.push(task);
                    }
                    Err(error) => self.state().report.stopped = Some(format!("{}: {}", task.name(), chain(&error))),
                }
            }
            tasks = if more { working } else { Vec::new() };
        }
        self.state().tasks = tasks;
    }
}
