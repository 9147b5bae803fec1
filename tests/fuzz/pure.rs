//! Targets that read bytes, without a database.

use hummingbird_status::deliver::targets::{pulled, targets as read_targets};
use hummingbird_status::ingest::{Batch, read};
use hummingbird_status::sources::Settings;
use hummingbird_status::sources::buildkite::rules::repo;
use hummingbird_status::sources::gitlab::{read_merge_requests, read_project_id, read_versions};
use hummingbird_status::sources::kcidb;
use hummingbird_status::submit::Intake;
use hummingbird_status::transport::lambda::Invocation;
use hummingbird_status::transport::{Delivery, Limits};
use serde_json::json;

use crate::corpus::documents;
use crate::drive::{Run, Target};

/// The decompression limit here: small, so that bombs are rejected early.
const UNFOLDS: usize = 1 << 18;
/// The memory limit beside the input: a few times the decompression limit.
const HELD: usize = 64 * UNFOLDS;

/// Settings with narrow limits.
pub fn settings() -> Settings {
    Settings { limits: Limits { decoded_bytes: UNFOLDS, ..Limits::default() }, ..Settings::default() }
}

/// The outcome of deliveries as text. `Err` if an invariant is violated.
fn outcome(batch: &Batch) -> Result<String, String> {
    for (_, rejected) in &batch.refused {
        let is_explained = !rejected.reason.is_empty() && !rejected.detail.is_empty() && rejected.reason != "panic";
        let fits = !rejected.detail.contains('\0') && rejected.detail.chars().count() <= 501;
        if !is_explained || !fits {
            return Err(format!("rejected by `{}`: `{}`", rejected.reason, rejected.detail));
        }
    }
    let words = batch.refused.iter().map(|(at, rejected)| format!("{at} {}: {}", rejected.reason, rejected.detail));
    let ignored = batch.ignored.iter().map(|(at, source, why)| format!("{at} {source:?} {why}"));
    let all: Vec<String> = words.chain(ignored).collect();
    let records: Vec<String> = batch.records.iter().map(|record| format!("{record:?}")).collect();
    let kind = match () {
        () if !batch.refused.is_empty() => "rejected",
        () if !records.is_empty() => "kept",
        () if !batch.ignored.is_empty() => "ignored",
        () => return Err("nothing came of it".to_owned()),
    };
    Ok(format!("{kind}:\n{}\n{}", all.join("\n"), records.join("\n")))
}

fn target(corpus: Vec<Vec<u8>>, run: Run) -> Target {
    Target { corpus, packs: true, memory: HELD, twice: true, run }
}

/// The event of a function invocation.
pub fn envelope() -> Target {
    let settings = settings();
    let corpus = ["envelope", "konflux", "gitlab", "buildkite"].map(documents).concat();
    target(
        corpus,
        Box::new(move |input| {
            let deliveries = Invocation::read(input).deliveries;
            if deliveries.is_empty() { Ok("nothing".to_owned()) } else { outcome(&read(&deliveries, &settings)) }
        }),
    )
}

/// Messages of a source.
pub fn source(name: &'static str) -> Target {
    let settings = settings();
    target(
        documents(name),
        Box::new(move |input| {
            let delivery = Delivery { id: "m".to_owned(), body: input.to_vec(), ..Delivery::default() };
            outcome(&read(&[delivery], &settings))
        }),
    )
}

/// The problems that a submitter is answered, which agree with the rejections.
pub fn problems() -> Target {
    let settings = settings();
    let run = move |input: &[u8]| {
        // A compressed body is decoded before it is checked.
        let Some(text) = std::str::from_utf8(input).ok().filter(|text| text.starts_with('{')) else {
            return Ok("no object".to_owned());
        };
        let problems = kcidb::problems(text, &kcidb::Rights::default());
        if let Some(problem) = problems.iter().find(|problem| problem.what.is_empty()) {
            return Err(format!("nothing said of {problem:?}"));
        }
        let delivery = Delivery { id: "m".to_owned(), body: input.to_vec(), ..Delivery::default() };
        let batch = read(&[delivery], &settings);
        let is_one = batch.messages.len() == 1 && batch.refused.is_empty() && batch.ignored.is_empty();
        let is_ours = is_one && batch.messages[0].source.name() == "kcidb";
        let is_submission = matches!(&batch.records[..], [(_, record)] if format!("{record:?}").contains("Submission"));
        if is_ours && is_submission && !problems.is_empty() {
            return Err(format!("kept, and {problems:?}"));
        }
        let is_rejected = matches!(&batch.refused[..], [(_, rejected)] if rejected.family == Some("kcidb"));
        if is_rejected && batch.messages.is_empty() && batch.ignored.is_empty() && problems.is_empty() {
            return Err(format!("no problem, but rejected: {}", batch.refused[0].1.detail));
        }
        Ok(format!("{} problems:\n{problems:?}", problems.len().min(3)))
    };
    Target { packs: false, ..target(documents("kcidb"), Box::new(run)) }
}

/// Messages of all sources in envelopes that senders write, with any times: no time is later than the known time of the
/// delivery plus five minutes.
pub fn times() -> Target {
    let settings = settings();
    let sources = ["konflux", "gitlab", "buildkite", "travis", "bots", "kcidb"];
    let mut corpus = sources.map(documents).concat();
    let later = ["2998-01-01T00:00:00Z", "2026-12-01 00:00:00 UTC", "2026-11-30T00:05:01Z"];
    for (number, document) in corpus.clone().into_iter().enumerate() {
        let text = String::from_utf8_lossy(&document).into_owned();
        let time = later[number % later.len()];
        // Each time of the document, in any of its formats, is moved to the future.
        let moved = text.replace("2026-03", &time[..7]).replace("2026-01", &time[..7]);
        let data: serde_json::Value = serde_json::from_str(&moved).unwrap_or_default();
        corpus.push(moved.into_bytes());
        corpus.push(
            json!({"specversion": "1.0", "id": "c", "source": "/s", "type": "t", "time": time, "data": data})
                .to_string()
                .into_bytes(),
        );
    }
    let known: jiff::Timestamp = "2026-11-30T00:00:00Z".parse().unwrap();
    let latest = known + jiff::SignedDuration::from_mins(5);
    let run = move |input: &[u8]| {
        let attributes = [("source".to_owned(), "bot".to_owned())];
        let mut delivery =
            Delivery { id: "m".to_owned(), body: input.to_vec(), sent_at: Some(known), ..Delivery::default() };
        if input.len().is_multiple_of(2) {
            delivery.attributes = attributes.into();
        }
        // A notification in a queue has the time of its topic, which is bounded by our own clock.
        delivery.received_at = Some(known);
        let batch = read(&[delivery], &settings);
        let sent = batch.messages.iter().filter_map(|message| message.sent_at);
        let rejected = batch.refused.iter().filter_map(|(_, rejected)| rejected.sent_at);
        if let Some(late) = sent.chain(rejected).find(|at| *at > latest) {
            return Err(format!("sent at {late}"));
        }
        for (_, record) in &batch.records {
            let shown = format!("{record:?}");
            for name in ["message_at", "version_at", "event_at", "created_at", "updated_at", "started_at", " at"] {
                for part in shown.split(&format!("{name}: ")).skip(1) {
                    let part = part.strip_prefix("Some(").unwrap_or(part);
                    let end = part.find(|c: char| !(c.is_ascii_digit() || "-:.TZ".contains(c))).unwrap_or(part.len());
                    if part[..end].parse::<jiff::Timestamp>().is_ok_and(|at| at > latest) {
                        return Err(format!("{name} {}: {shown}", &part[..end]));
                    }
                }
            }
        }
        outcome(&batch)
    };
    target(corpus, Box::new(run))
}

/// URLs of repositories, alone and where messages hold them.
pub fn urls() -> Target {
    let settings = settings();
    let corpus = [
        "https://github.com/acme/app.git",
        "git@ghe.acme.example:acme/app.git",
        "ssh://git@h.example:2222/a/b/c.git/",
        "git://h/a/b?x=1#y",
        "https://user:pw@gitlab.com/group/sub/app/-/merge_requests/7",
        "HTTPS://H.EXAMPLE./A/B",
        "/var/lib/git/app.git",
        "file:///a/b",
        "h:a/b",
        "https://[::1]:8080/a/b",
    ];
    let run = move |input: &[u8]| {
        let url = String::from_utf8_lossy(input).into_owned();
        let found = repo(&url);
        if let Some(found) = &found {
            let host = found.host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            let path = found.path.split('/').all(|part| !matches!(part, "" | "." | ".."));
            let plain = !found.path.contains(['\0', '%', '@', ':', '?', '#', '\\', ' ']);
            if !host || found.host.is_empty() || !path || !plain {
                return Err(format!("{found:?}"));
            }
            let again = repo(&format!("https://{}/{}", found.host, found.path));
            if again.as_ref().map(|again| &again.host) != Some(&found.host) {
                return Err(format!("{found:?}, and then {again:?}"));
            }
        }
        let git = json!({"source": {"git": {"url": url, "context": url}}});
        let metadata = json!({"name": "c", "uid": "u", "creationTimestamp": "2026-03-10T12:00:00Z", "annotations": {
            "build.appstudio.openshift.io/repo": url, "pipelinesascode.tekton.dev/repo-url": url,
            "pipelinesascode.tekton.dev/log-url": url,
        }});
        let messages = [
            json!({"apiVersion": "appstudio.redhat.com/v1alpha1", "kind": "Component", "metadata": metadata,
                "spec": git}),
            json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata}),
            json!({"object_kind": "push", "ref": "refs/heads/main", "after": "a", "before": "b",
                "project": {"path_with_namespace": "g/p", "default_branch": "main", "web_url": url,
                "git_http_url": url}}),
            json!({"build": {"id": "u", "number": 7, "state": "passed", "commit": "c", "branch": "main"},
                "pipeline": {"id": "p", "slug": "x", "repo": url}, "organization": {"id": "o", "slug": "x"}}),
        ];
        let delivery = |message: &serde_json::Value| Delivery {
            id: "m".to_owned(),
            body: message.to_string().into_bytes(),
            ..Delivery::default()
        };
        let batch = read(&messages.each_ref().map(delivery), &settings);
        outcome(&batch).map(|said| format!("{}:\n{found:?}{said}", if found.is_some() { "repository" } else { "none" }))
    };
    let corpus = corpus.map(|url| url.as_bytes().to_vec()).to_vec();
    Target { packs: false, ..target(corpus, Box::new(run)) }
}

/// The secret of all documents here.
const PLANTED: &str = "hunter2hunter2hunter2";

fn no_secret(said: String) -> Result<String, String> {
    if said.contains(PLANTED) { Err(format!("a secret is shown: {said}")) } else { Ok(said) }
}

/// A target that reads a configuration document, with a lookup for the variables and secrets that it names.
fn looked_up<'t>(variable: &'static str, text: &'t str) -> impl Fn(&str) -> Option<String> + 't {
    move |name| match name {
        _ if name == variable => Some(format!("#=\n{text}")),
        "TOKEN" => Some(PLANTED.to_owned()),
        "KEY" => Some(include_str!("../it/deliver/hook-key.pem").to_owned()),
        "DELIVERY_SECRETS" | "INTAKE_SECRETS" => Some(format!("{{\"a\": \"{PLANTED}\"}}")),
        _ => None,
    }
}

/// The document of targets (`DELIVERY_TARGETS`).
pub fn targets() -> Target {
    let pages = "pages = 'https://ci.acme.example'";
    let corpus = [
        "[[target]]\nname = 'a'\nkind = 'github'\nhosts = ['h.example']\ntoken = 'env:TOKEN'\nstates = { blocked = \
            'pending' }\n\
         context = 'ci/{pipeline}'\nignore_branches = ['x/*']\nconcurrency = 4\ninterval_ms = 5\nmax_age_hours = 3\n"
            .to_owned(),
        "target = [{name = 'b', kind = 'gitlab', hosts = ['gitlab.com'], token = 'secret:a', api = \
            'https://h.example/api/v4'}]"
            .to_owned(),
        "[[target]]\nname = 'c'\nkind = 'sns'\ntopic_arn = 'arn:aws:sns:eu-west-1:123456789012:t'\nfamilies = \
            ['travis']\n\
         events = ['build:*']\noverflow = 's3://b/p/'"
            .to_owned(),
        "[[target]]\nname = 'd'\nkind = 'webhook'\nurl = 'https://h.example/in'\nsecret = 'env:TOKEN'\nallow_private \
            = true"
            .to_owned(),
        format!("[[target]]\nname = 'e'\nkind = 'slack'\nhosts = ['*']\ntoken = 'env:TOKEN'\n{pages}"),
        format!(
            "[[target]]\nname = 'f'\nkind = 'mail'\nhosts = ['h.example']\nfrom = 'a@h.example'\nregion = \
            'r'\n{pages}"
        ),
        format!(
            "[[target]]\nname = 'g'\nkind = 'travis_webhook'\nhosts = ['h']\nkey = 'env:KEY'\nformat = \
            'json'\n{pages}"
        ),
        format!(
            "[[target]]\nname = 'h'\nkind = 'check_run'\nhosts = ['github.com']\napp_id = 1\ninstallation_id = 2\n\
                 key = 'env:KEY'\n{pages}"
        ),
        "[[target]]\nname = 'i'\nkind = 'github'\nhosts = ['h.example']\napi_key = 'env:TOKEN'".to_owned(),
    ];
    let run = |input: &[u8]| {
        let text = String::from_utf8_lossy(input).into_owned();
        let lookup = looked_up("DELIVERY_TARGETS", &text);
        let said = match (read_targets(&lookup), pulled(&lookup)) {
            (Ok(targets), _) => format!("taken:\n{targets:?}"),
            (Err(error), _) if error.to_string().len() < 8 => return Err(format!("nothing said: {error}")),
            (Err(error), _) => format!("rejected:\n{error}"),
        };
        no_secret(said)
    };
    let corpus = corpus.map(String::into_bytes).to_vec();
    // (RSA keys are checked, too.)
    Target { packs: false, memory: HELD, ..target(corpus, Box::new(run)) }
}

/// The document of tokens (`INTAKE_TOKENS`).
pub fn tokens() -> Target {
    let corpus = [
        "[[token]]\nname = 'maestro'\ntoken = 'env:TOKEN'\norigins = ['maestro']\nown_ids = true",
        "token = [{name = 'cron', token = 'secret:a', bots = ['nightly-*']}, {name = 'x', token = 'env:TOKEN', jobs = \
            true}]",
        "[[token]]\nname = 'board'\nalgorithm = 'HS256'\nkey = 'env:KEY'\njobs = true\nsubmit = true",
    ];
    let run = |input: &[u8]| {
        let text = String::from_utf8_lossy(input).into_owned();
        let store = crate::support::store_of("postgres://u:p@127.0.0.1:1/x", 1);
        let said = match Intake::new(store, Settings::default(), &looked_up("INTAKE_TOKENS", &text)) {
            Ok(intake) => format!("taken: {}", intake.is_open()),
            Err(error) => format!("rejected:\n{error}"),
        };
        no_secret(said)
    };
    Target { packs: false, ..target(corpus.map(|text| text.as_bytes().to_vec()).to_vec(), Box::new(run)) }
}

/// Answers of GitLab to reconcile.
pub fn answers() -> Target {
    let item = json!({
        "id": 1007, "iid": 7, "project_id": 7, "title": "Change 7", "state": "opened",
        "created_at": "2026-03-10T09:00:00.123Z",
        "updated_at": "2026-03-10T10:00:00.849Z", "merged_at": null, "target_branch": "main", "source_branch": "b7",
        "author": {"id": 3, "username": "robin"}, "source_project_id": 7, "target_project_id": 7, "labels": ["rebuild"],
        "draft": false, "sha": "0000000000000000000000000000000000000007", "merge_commit_sha": null,
        "references": {"short": "!7", "full": "g/p!7"}, "web_url": "https://gitlab.example.com/g/p/-/merge_requests/7",
    });
    let version =
        json!([{"id": 1, "head_commit_sha": "a7", "created_at": "2026-03-10T09:00:00.123Z", "state": "collected"}]);
    let project = json!({"id": 7, "path_with_namespace": "g/p"});
    let corpus = [json!([item, item]), json!([item]), version, project].map(|answer| answer.to_string().into_bytes());
    let run = |input: &[u8]| {
        let Ok(text) = std::str::from_utf8(input) else { return Ok("no text".to_owned()) };
        let at = jiff::Timestamp::UNIX_EPOCH;
        let list = read_merge_requests(text, "g/p", at);
        let said =
            format!("{list:?}\n{:?}\n{:?}", read_versions(text, "g/p", 7, jiff::Timestamp::MAX), read_project_id(text));
        Ok(format!("{}:\n{said}", if list.is_ok() { "read" } else { "rejected" }))
    };
    Target { packs: false, ..target(corpus.to_vec(), Box::new(run)) }
}
