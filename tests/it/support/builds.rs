//! Messages about builds, as workers and the API send them.

use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

/// What a build is to be like, and how its jobs end.
#[derive(Clone, Debug)]
pub struct Build {
    /// Its id; those of its jobs are 100 times that and more.
    pub id: i64,
    /// Its repository.
    pub repository: i64,
    /// Whether it ends with its last required job.
    pub fast_finish: bool,
    /// Whether its jobs are in two stages, the first half in the first.
    pub staged: bool,
    /// Its jobs.
    pub jobs: Vec<Job>,
}

/// What a job is to be like.
#[derive(Clone, Debug)]
pub struct Job {
    /// How it ends.
    pub state: &'static str,
    /// Whether its build may pass without it.
    pub allow_failure: bool,
    /// Whether every message has all known times, as those of workers do, or only its own.
    pub reports_all: bool,
}

/// A second after the beginning of the day of these messages.
pub fn at(second: i64) -> String {
    format!("2026-03-12T{:02}:{:02}:{:02}Z", 8 + second / 3600, second / 60 % 60, second % 60)
}

/// A message of its own id and time.
pub fn delivery(event: &str, payload: &Value, second: i64) -> Delivery {
    let id = format!("{event}-{}-{second}", payload["id"]);
    let body = json!({"event": event, "payload": payload}).to_string().into_bytes();
    Delivery { id, body, sent_at: Some(at(second).parse().unwrap()), ..Delivery::default() }
}

/// The same message, as SNS sent it then and a queue accepts it now: its age counts from now.
pub fn fresh(message: &Delivery) -> Delivery {
    let text = std::str::from_utf8(&message.body).unwrap();
    let sent_at = message.sent_at.unwrap().to_string();
    let envelope = json!({"Type": "Notification", "MessageId": message.id, "Timestamp": sent_at, "Message": text});
    let sent_at = Some(hummingbird_status::platform::clock::now());
    Delivery { body: envelope.to_string().into_bytes(), sent_at, ..message.clone() }
}

impl Build {
    /// The id of a job.
    pub fn job_id(&self, index: usize) -> i64 {
        self.id * 100 + index as i64
    }

    /// Whether a job is in the second stage.
    fn is_late(&self, index: usize) -> bool {
        self.staged && index >= self.jobs.len().div_ceil(2)
    }

    /// `build:create`.
    pub fn create(&self) -> Delivery {
        let stage = |index| if self.is_late(index) { 2 } else { 1 };
        let jobs = self.jobs.iter().enumerate().map(|(index, job)| {
            let mut row = json!({"id": self.job_id(index), "number": format!("{}.{index}", self.id),
                "allow_failure": job.allow_failure});
            if self.staged {
                row["stage_id"] = json!(self.id * 100 + stage(index));
                row["stage_number"] = json!(format!("{}.{}", stage(index), index + 1));
            }
            row
        });
        let stages = [1, 2].map(|number| json!({"id": self.id * 100 + number, "number": number}));
        let payload = json!({
            "id": self.id, "number": self.id, "event_type": "push", "branch": "main", "previous_state": "passed",
            "repository": {"id": self.repository, "owner_name": "sven", "name": format!("r{}", self.repository)},
            "commit": {"sha": "62aae5f70ceee39123ef", "author_email": "sven@example.org"},
            "config": {"matrix": {"fast_finish": self.fast_finish}},
            "stages": if self.staged { json!(stages) } else { json!([]) },
            "jobs": jobs.collect::<Vec<_>>(),
        });
        delivery("build:create", &payload, 0)
    }

    /// Receive, start and finish of all jobs that get to run, in the order in which they are sent.
    pub fn run(&self) -> Vec<Delivery> {
        let stops = |(index, job): (usize, &Job)| !self.is_late(index) && !job.allow_failure && job.state != "passed";
        let stopped = self.staged && self.jobs.iter().enumerate().any(stops);
        let runs = self.jobs.iter().enumerate().filter(|(index, _)| !(stopped && self.is_late(*index)));
        runs.flat_map(|(index, job)| self.run_of(index, job)).collect()
    }

    fn run_of(&self, index: usize, job: &Job) -> [Delivery; 3] {
        let start = 10 + 40 * index as i64;
        let times =
            [("queued_at", start), ("received_at", start + 3), ("started_at", start + 7), ("finished_at", start + 30)];
        let message = |number: usize, event: &str, state: &str| {
            let mut payload = json!({"id": self.job_id(index), "state": state});
            payload["meta"] = json!({"uuid": format!("run-{}", self.job_id(index)), "state_update_count": number});
            let last = number + 1;
            let first = if job.reports_all || state == "cancelled" || number == 0 { 0 } else { last };
            for (name, second) in &times[first..=last] {
                payload[name] = json!(at(*second));
            }
            delivery(event, &payload, times[last].1 + 1)
        };
        [
            message(0, "job:test:receive", "received"),
            message(1, "job:test:start", "started"),
            message(2, "job:test:finish", job.state),
        ]
    }
}
