//! Texts of notifications, compared with tables of upstream's texts.

use hummingbird_status::deliver::notice::slack_address;
use hummingbird_status::deliver::states::Forge;
use hummingbird_status::outbox::Notice;
use hummingbird_status::sources::travis::rules::Rows;
use hummingbird_status::sources::travis::rules::notify::{Subject, github, mail, slack, template, webhook};
use hummingbird_status::sources::travis::{Build, Details, Event, Job, Message, Object, Repository, State};
use serde_json::{Map, Value, json};

use super::pure;
use super::tables::{Found, pair};

/// The address of upstream's pages when the tables were made.
const PAGES: &str = "https://travis-ci.org";
const HOST: &str = "travis-ci.org";

/// A build as upstream passes it to the renderers.
struct Input {
    repository: Repository,
    build: Build,
    jobs: Vec<Job>,
}

impl Input {
    fn of(input: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (repository, build, commit) = (&input["repository"], &input["build"], &input["commit"]);
        let mut commit = commit.as_object().cloned().unwrap_or_default();
        commit.insert("tag".to_owned(), input["tag"]["name"].clone());
        let mut pull_request = input["pull_request"].as_object().cloned().unwrap_or_default();
        for member in ["base_commit", "head_commit"] {
            pull_request.insert(member.to_owned(), input["request"][member].clone());
        }
        let state = |member: &str| build[member].as_str().and_then(State::named);
        let time = |member: &str| build[member].as_str().map(|at| at.parse().unwrap());
        Self {
            repository: Repository {
                id: repository["id"].as_i64().unwrap(),
                owner_name: text(&repository["owner_name"]),
                name: text(&repository["name"]),
                private: None,
                url: text(&repository["url"]),
            },
            build: Build {
                number: build["number"].as_i64().map(|number| number.to_string()),
                state: state("state"),
                previous_state: state("previous_state"),
                event_type: text(&build["type"]),
                branch: None,
                commit,
                pull_request: Some(pull_request),
                duration: build["duration"].as_i64().map(|seconds| i32::try_from(seconds).unwrap()),
                started_at: time("started_at"),
                finished_at: time("finished_at"),
                ..pure::build(&json!({"id": build["id"]}))
            },
            jobs: input["jobs"].as_array().into_iter().flatten().map(pure::job).collect(),
        }
    }

    /// The default build of tables that give only a few members.
    fn usual(row: &Value) -> Self {
        let state = if row["build_state"].is_null() { &row["state"] } else { &row["build_state"] };
        let kind = if row["type"].is_null() { json!("push") } else { row["type"].clone() };
        let slug = row["repository"].as_str().unwrap_or("octo/minimal");
        let (owner, name) = slug.split_once('/').unwrap();
        let or = |member: &str, usual: Value| if row[member].is_null() { usual } else { row[member].clone() };
        Self::of(&json!({
            "repository": {"id": 1, "owner_name": owner, "name": name, "url": format!("https://github.com/{slug}")},
            "request": {"base_commit": "base-commit", "head_commit": "head-commit"},
            "pull_request": {"number": 1, "title": "title"},
            "commit": {
                "id": 1, "sha": if kind == "pull_request" { json!("62aae5f70ceee39123ef") } else { or("sha",
                json!("62aae5f70ceee39123ef")) },
                "branch": or("branch", json!("master")), "message": "the commit message", "author_name": "Octo Cat",
                "compare_url": "https://github.com/octo/minimal/compare/master...develop",
            },
            "build": {
                "id": 1, "number": or("number", json!(2)), "state": state, "previous_state": row["previous_state"],
                "started_at": "2014-04-03T10:21:05Z", "finished_at": "2014-04-03T10:22:05Z", "duration": 60,
                "type": kind,
            },
        }))
    }

    fn subject(&self) -> Subject<'_> {
        Subject { repository: &self.repository, build: &self.build, stages: &[], jobs: &self.jobs, pages: PAGES }
    }
}

pub fn email_subject(row: &Value) -> Found {
    let input = Input::usual(row);
    let Notice::Mail { subject, headers, .. } = mail::mail(&input.subject(), HOST, "a@example.org") else { panic!() };
    let headers: Map<String, Value> = headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
    pair(&json!([row["subject"], row["headers"]]), json!([subject, headers]))
}

pub fn check_run(row: &Value) -> Found {
    let input = Input::usual(row);
    let Notice::CheckRun { mut body, path, .. } = github::check_run(&input.subject(), "github.com") else { panic!() };
    assert_eq!(path, "octo/minimal");
    for member in ["title", "summary"] {
        body[member] = body["output"][member].take();
    }
    body.as_object_mut().unwrap().remove("output");
    pair(&row["expected"], body)
}

pub fn github_status(row: &Value) -> Found {
    let input = Input::usual(row);
    let status = github::status(&input.subject(), "github.com");
    let mut found = json!({
        "state": Forge::Github.word(status.state), "description": status.description, "target_url": status.url,
        "context": status.context,
    });
    if status.sha != row["sha"].as_str().unwrap() {
        return Found::Other(json!(status.sha));
    }
    // Upstream has no description for it, and posts none.
    if row["build_state"] == "received" && row["payload"]["state"].is_null() && found["state"] == "pending" {
        found["state"] = Value::Null;
        found["description"] = Value::Null;
        return if found == row["payload"] { Found::Deviates("received-is-pending") } else { Found::Other(found) };
    }
    pair(&row["payload"], found)
}

pub fn slack_message(row: &Value) -> Found {
    let input = Input::usual(row);
    let address = slack::room(row["target"].as_str().unwrap()).unwrap();
    let body = slack::message(&input.subject(), None, address.channel);
    pair(&json!([row["url"], row["body"]]), json!([slack_address(address.account, address.token), body]))
}

pub fn slack_target(row: &Value) -> Found {
    let address = slack::room(row["target"].as_str().unwrap());
    let parsed = address.map(|address| json!([slack_address(address.account, address.token), address.channel]));
    pair(&json!([row["valid"], row["parsed"]]), json!([address.is_some(), parsed]))
}

pub fn templates(row: &Value) -> Found {
    let mut input = Input::of(&row["input"]);
    let (text, source) = (row["template"].as_str().unwrap(), row["opts"]["source"].as_str());
    let found = template::fill(text, &input.subject(), source);
    if row["expected"] == json!(found) {
        return Found::Same;
    }
    // Upstream looks for the number of a pull request in a member that does not have it.
    input.build.pull_request.as_mut().unwrap().remove("number");
    let without = template::fill(text, &input.subject(), source);
    if row["expected"] == json!(without) {
        Found::Deviates("number-of-pull-request")
    } else {
        Found::Other(json!(found))
    }
}

pub fn webhook_payload(row: &Value) -> Found {
    let input = Input::of(&row["input"]);
    let found = webhook::document(&input.subject());
    if row["payload"] == found {
        return Found::Same;
    }
    let mut expected = row["payload"].clone();
    expected["config"] = json!({});
    for job in expected["matrix"].as_array_mut().unwrap() {
        job["config"] = json!({});
    }
    if expected == found { Found::Deviates("config-not-kept") } else { Found::Other(found) }
}

/// Upstream's add-ons that this product has; others read the broadcasts.
const HERE: [&str; 10] = [
    "campfire",
    "email",
    "flowdock",
    "github_check_status",
    "github_status",
    "hipchat",
    "irc",
    "pushover",
    "slack",
    "webhook",
];

/// By the rules: a build with all notifications configured, and an event of it.
pub fn subscriptions(row: &Value) -> Found {
    let event = row["event"].as_str().unwrap();
    let upstream = row["addons"].as_array().unwrap().iter().filter_map(Value::as_str);
    let expected: Vec<&str> = upstream.filter(|addon| HERE.contains(addon)).collect();
    let always = |mut config: Value| {
        for rule in ["on_start", "on_success", "on_failure", "on_cancel"] {
            config[rule] = json!("always");
        }
        config
    };
    let mut input = Input::usual(&json!({"sha": "62aae5f70ceee39123ef".repeat(2)}));
    input.build.notifications = Some(json!({
        "email": always(json!({"recipients": "a@example.org"})),
        "webhooks": always(json!({"urls": "https://example.org/"})),
        "irc": always(json!({"channels": "irc.example.org#a"})), "slack": always(json!({"rooms": "team:token"})),
        "hipchat": always(json!({"rooms": "x"})), "campfire": always(json!({"rooms": "x"})),
        "flowdock": always(json!({"rooms": "x"})), "pushover": always(json!({"users": "x"})),
    }));
    let (before, object, asked) = match event {
        "build:created" => (None, Object::Build(1), Event::Create),
        "build:started" => (Some(State::Created), Object::Job(11), Event::Start),
        "build:finished" => (Some(State::Started), Object::Job(11), Event::Finish(State::Passed)),
        "build:canceled" => (Some(State::Started), Object::Build(1), Event::Cancel),
        "build:restarted" => (Some(State::Passed), Object::Build(1), Event::Restart),
        // A requeue: no add-on of upstream subscribes to its own event of it.
        "build:reseted" => (Some(State::Started), Object::Job(11), Event::Reset),
        _ => (Some(State::Started), Object::Job(11), Event::Receive),
    };
    input.build.state = before;
    let job = |id: i64| pure::job(&json!({"id": id, "state": before.map(State::name)}));
    // An event of a job alone happens while another job of the build is running.
    let jobs = if event.starts_with("job:") { vec![job(11), job(12)] } else { vec![job(11)] };
    let mut rows = Rows::new(input.repository, input.build, Vec::new(), jobs);
    let at = Some("2014-04-03T10:30:00Z".parse().unwrap());
    rows.apply(&Message { object, event: asked, details: Details::default(), id: "m".to_owned(), sent_at: at });
    let mut found: Vec<&str> = Vec::new();
    for happened in &rows.outcome.happened {
        match happened.event.strip_prefix("notify:") {
            Some("host") => found.extend(["github_check_status", "github_status"]),
            Some("webhooks") => found.push("webhook"),
            Some(addon) => found.push(addon),
            None => {}
        }
    }
    found.sort_unstable();
    if event == "build:reseted" && expected.is_empty() && found == ["github_check_status", "github_status"] {
        return Found::Deviates("build-reset-is-restart");
    }
    pair(&json!(expected), json!(found))
}
