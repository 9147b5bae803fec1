//! Events of Buildkite about builds of `acme/app`.

use hummingbird_status::transport::Delivery;
use serde_json::{Value, json};

/// What an event says.
#[derive(Clone, Debug)]
pub struct Event<'e> {
    /// Which build; its uuid.
    pub build: &'e str,
    /// Its number.
    pub number: u64,
    /// Its commit.
    pub sha: &'e str,
    /// Its state.
    pub state: &'e str,
    /// Second of the hour at which it was so.
    pub second: u32,
    /// URL of the repository.
    pub repo: &'e str,
    /// Pipeline.
    pub pipeline: &'e str,
}

/// A commit.
pub const SHA: &str = "5a741616cdf07dc87c5adafe784321eeeb639e33";
/// Host of the repository, unless said otherwise.
pub const HOST: &str = "ghe.acme.example";

/// Build 7 of `app`.
pub fn event(state: &str, second: u32) -> Event<'_> {
    Event { build: "7", number: 7, sha: SHA, state, second, repo: "git@ghe.acme.example:acme/app.git", pipeline: "app" }
}

fn at(second: u32) -> String {
    format!("2026-03-10T09:{:02}:{:02}Z", second / 60, second % 60)
}

impl Event<'_> {
    /// The event as EventBridge sends it.
    pub fn document(&self) -> Value {
        let ends = matches!(self.state, "passed" | "failed" | "blocked" | "canceled");
        let time = |second: u32| at(second).replace('T', " ").replace('Z', " UTC");
        json!({
            "version": "0", "id": format!("{}-{}-{}-{}", self.build, self.number, self.state, self.second),
            "detail-type": "Build Finished", "source": "aws.partner/buildkite.com/acme/1", "time": at(self.second),
            "detail": {
                "build": {
                    "uuid": self.build, "number": self.number, "commit": self.sha, "state": self.state, "branch": "main",
                    "started_at": (self.state != "scheduled").then(|| time(0)),
                    "finished_at": ends.then(|| time(self.second)),
                },
                "pipeline": {"slug": self.pipeline, "repo": self.repo},
                "organization": {"slug": "acme"},
            },
        })
    }

    /// The same, as a queue delivers it that accepted it just now.
    pub fn delivery(&self) -> Delivery {
        let sent_at = Some(hummingbird_status::platform::clock::now());
        Delivery { id: "d".to_owned(), body: self.document().to_string().into_bytes(), sent_at, ..Delivery::default() }
    }
}
