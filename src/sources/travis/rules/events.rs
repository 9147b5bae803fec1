//! Announcements: outbox events about jobs and builds, commands to workers, and notifications.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Rows;
use super::notify::{self, About, Addon, On, Subject, github};
use crate::outbox::{Notice, PAGES};
use crate::sources::travis::record::{Event, Job, Message, Object, State};

/// An outbox event about a build or a job. Announcements are in the order in which the changes happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    /// `job:started`, `build:finished`, `worker:cancel_job`.
    pub event: &'static str,
    /// Id of the build.
    pub build_id: i64,
    /// The destination of a notification; `None` for all subscribers. It is a part of the outbox key, so that
    /// deliveries to different destinations do not wait for each other.
    pub destination: Option<String>,
    /// Attributes for the filters of subscribers.
    pub attributes: BTreeMap<String, String>,
    /// Content for consumers.
    pub payload: Map<String, Value>,
    /// Number of the message in its batch; `None` for a pending message from `travis_pending`.
    pub message: Option<usize>,
}

impl Rows {
    pub(super) fn job_happened(&mut self, index: usize, event: Event) {
        let name = match event {
            Event::Create => "job:created",
            Event::Receive => "job:received",
            Event::Start => "job:started",
            Event::Finish(_) => "job:finished",
            Event::Cancel => "job:canceled",
            Event::Restart | Event::Reset => "job:restarted",
        };
        let job = &self.jobs[index];
        let mut payload = Map::from_iter([
            ("id".to_owned(), json!(job.id)),
            ("state".to_owned(), json!(job.state.map(State::name))),
            ("job".to_owned(), job_payload(job)),
        ]);
        self.add_context(&mut payload);
        self.announce(name, job_state(job), payload);
    }

    pub(super) fn build_happened(&mut self, event: Event) {
        let name = match event {
            Event::Create => "build:created",
            Event::Receive => return,
            Event::Start => "build:started",
            Event::Finish(_) => "build:finished",
            Event::Cancel => "build:canceled",
            Event::Restart | Event::Reset => "build:restarted",
        };
        let mut payload = Map::from_iter([
            ("id".to_owned(), json!(self.build.id)),
            ("state".to_owned(), json!(self.build.state.map(State::name))),
            ("job_ids".to_owned(), json!(self.jobs.iter().map(|job| job.id).collect::<Vec<_>>())),
        ]);
        self.add_context(&mut payload);
        self.announce(name, self.build.state.map_or("", State::name), payload);
        self.announce_to_host();
        match event {
            Event::Start => self.notify(On::Started),
            Event::Finish(_) => self.notify(On::Finished),
            Event::Cancel => self.notify(On::Canceled),
            _ => {}
        }
    }

    /// Whether all jobs have ended, those that may fail included.
    pub(super) fn all_have_ended(&self) -> bool {
        self.jobs.iter().all(Job::is_finished)
    }

    /// Announces the notifications that are due, with destinations and texts.
    pub(super) fn notify(&mut self, on: On) {
        let about = About {
            on,
            state: self.build.state,
            previous_state: self.build.previous_state,
            all_jobs_finished: self.all_have_ended(),
            is_pull_request: self.build.event_type.as_deref() == Some("pull_request"),
        };
        // Each recipient gets one mail, even if several configurations name it.
        let mut mailed = HashSet::new();
        for due in notify::due(self.build.notifications.as_ref(), about) {
            if on == On::Canceled && self.outcome.is_automatic && due.addon == Addon::Email {
                continue;
            }
            let subject = self.subject();
            let (short, _) = subject.words();
            let mut payload = Map::from_iter([
                ("id".to_owned(), json!(self.build.id)),
                ("state".to_owned(), json!(self.build.state.map(State::name))),
                ("addon".to_owned(), json!(due.addon.name())),
                ("index".to_owned(), json!(due.index)),
                ("short".to_owned(), json!(short)),
                ("full".to_owned(), json!(subject.sentence())),
            ]);
            self.add_context(&mut payload);
            let destination = |number: usize| format!("{}/{}.{number}", due.addon.name(), due.index);
            if matches!(due.addon, Addon::Hipchat | Addon::Campfire | Addon::Flowdock | Addon::Pushover) {
                // No kind of target supports these; other subscribers can use the texts.
                self.announce_to(destination(0), due.addon.event(), payload);
                continue;
            }
            for (number, notice) in notify::notices(&subject, &due).into_iter().enumerate() {
                if let Notice::Mail { address, .. } = &notice
                    && !mailed.insert(address.to_lowercase())
                {
                    continue;
                }
                let mut payload = payload.clone();
                notice.put_into(&mut payload);
                self.announce_to(destination(number), due.addon.event(), payload);
            }
        }
    }

    /// Announces the commit status and the check run for the host of the repository, if the host and the full hash of
    /// the commit are known. For a build without jobs only its end is announced, as an earlier state might stay
    /// forever.
    fn announce_to_host(&mut self) {
        if self.jobs.is_empty() && !self.build.state.is_some_and(State::is_finished) {
            return;
        }
        let subject = self.subject();
        let is_known = subject.whole_head_sha().is_some() && subject.slug().contains('/');
        let Some(host) = subject.host().filter(|_| is_known) else { return };
        let mut payload = Map::from_iter([
            ("id".to_owned(), json!(self.build.id)),
            ("state".to_owned(), json!(self.build.state.map(State::name))),
        ]);
        github::status(&subject, &host).put_into(&mut payload);
        github::check_run(&subject, &host).put_into(&mut payload);
        self.announce_to("host".to_owned(), "notify:host", payload);
    }

    /// The build as the subject of notifications.
    fn subject(&self) -> Subject<'_> {
        Subject {
            repository: &self.repository,
            build: &self.build,
            stages: &self.stages,
            jobs: &self.jobs,
            pages: PAGES,
        }
    }

    /// Announces to workers that a job is canceled: the worker that runs it stops. The command is idempotent.
    pub(super) fn cancel_at_worker(&mut self, index: usize, message: &Message) {
        let what = if matches!(message.object, Object::Build(_)) { "Build" } else { "Job" };
        let reason = message.details.reason.clone().unwrap_or_else(|| format!("{what} Cancelled: Reason unknown"));
        let payload = Map::from_iter([
            ("type".to_owned(), json!("cancel_job")),
            ("job_id".to_owned(), json!(self.jobs[index].id)),
            ("source".to_owned(), json!("hub")),
            ("reason".to_owned(), json!(reason)),
        ]);
        self.announce("worker:cancel_job", "", payload);
    }

    fn announce_to(&mut self, destination: String, event: &'static str, payload: Map<String, Value>) {
        self.announce_with(Some(destination), event, self.build.state.map_or("", State::name), payload);
    }

    fn announce(&mut self, event: &'static str, state: &str, payload: Map<String, Value>) {
        self.announce_with(None, event, state, payload);
    }

    fn announce_with(
        &mut self,
        destination: Option<String>,
        event: &'static str,
        state: &str,
        payload: Map<String, Value>,
    ) {
        let mut attributes = BTreeMap::new();
        let filled = [
            ("state", Some(state.to_owned())),
            ("repository", self.repository.slug()),
            ("branch", self.build.branch.clone()),
            ("event_type", self.build.event_type.clone()),
        ];
        for (name, value) in filled {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.insert(name.to_owned(), value);
            }
        }
        self.outcome.happened.push(Announcement {
            event,
            build_id: self.build.id,
            destination,
            attributes,
            payload,
            message: None,
        });
    }

    /// Adds build, repository and commit, so that consumers need no further request.
    fn add_context(&self, payload: &mut Map<String, Value>) {
        let build = &self.build;
        let repository = &self.repository;
        payload.insert(
            "build".to_owned(),
            json!({
                "id": build.id, "number": build.number, "state": build.state.map(State::name),
                "previous_state": build.previous_state.map(State::name), "event_type": build.event_type,
                "branch": build.branch, "duration": build.duration, "created_at": time(build.created_at),
                "received_at": time(build.received_at), "started_at": time(build.started_at),
                "finished_at": time(build.finished_at), "canceled_at": time(build.canceled_at),
                "restarted_at": time(build.restarted_at), "pull_request": build.pull_request,
            }),
        );
        payload.insert(
            "repository".to_owned(),
            json!({
                "id": repository.id, "owner_name": repository.owner_name, "name": repository.name,
                "slug": repository.slug(), "private": repository.private,
            }),
        );
        payload.insert("commit".to_owned(), Value::Object(build.commit.clone()));
    }
}

fn job_state(job: &Job) -> &'static str {
    job.state.map_or("", State::name)
}

fn job_payload(job: &Job) -> Value {
    json!({
        "id": job.id, "number": job.number, "state": job.state.map(State::name), "stage_id": job.stage_id,
        "stage_number": job.stage_number, "allow_failure": job.allow_failure, "queue": job.queue,
        "vm_size": job.vm_size,
        "attempt": job.run.attempt, "created_at": time(job.created_at), "queued_at": time(job.queued_at),
        "received_at": time(job.received_at), "started_at": time(job.started_at), "finished_at": time(job.finished_at),
        "canceled_at": time(job.canceled_at), "restarted_at": time(job.restarted_at), "restarted_by": job.restarted_by,
    })
}

fn time(at: Option<Timestamp>) -> Value {
    json!(at.map(|at| at.to_string()))
}
