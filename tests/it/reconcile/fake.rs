//! A scripted GitLab on loopback: projects with merge requests in the shape of the API, and faults as they are wanted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response, Uri};
use hummingbird_status::platform::environment::GitLab;
use hummingbird_status::platform::secret::Secret;
use serde_json::{Value, json};

/// The token that the fake takes.
pub const TOKEN: &str = "glpat-do-not-show";

/// The data, the received requests, and planted answers.
#[derive(Default)]
pub struct State {
    /// Merge requests by path of the project and number.
    pub projects: BTreeMap<String, BTreeMap<i64, Value>>,
    /// Versions by path and number, newest first.
    pub versions: BTreeMap<(String, i64), Value>,
    /// Pipelines by path and number, each with its jobs.
    pub pipelines: BTreeMap<(String, i64), (Value, Vec<Value>)>,
    /// Numbers of projects, where that is not 7.
    pub ids: BTreeMap<String, i64>,
    /// Answers for the next requests whose path and query hold the text, first come first served.
    pub script: VecDeque<(String, Answer)>,
    /// The answer to all requests.
    pub always: Option<Answer>,
    /// Every request: path and query.
    pub asked: Vec<String>,
    /// The header that signed each of them.
    pub signed: Vec<String>,
    /// The largest page size.
    pub page: Option<usize>,
}

/// A planted answer.
pub type Answer = Arc<dyn Fn(&mut State, &Uri) -> Response<Body> + Send + Sync>;

/// A running fake.
pub struct Fake {
    /// Its address.
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// An answer with a status, headers and a body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.into())).unwrap()
}

/// The same as a line of a script.
pub fn fixed(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let body = body.to_owned();
    Arc::new(move |_, _| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        answer(status, &headers, body.clone())
    })
}

impl Fake {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serve = move |uri: Uri, headers: HeaderMap| {
            let shared = Arc::clone(&shared);
            async move { respond(&shared, &uri, &headers).await }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(serve)).into_future());
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The instance as it is configured.
    pub fn instance(&self) -> GitLab {
        GitLab { url: self.url.clone(), token: Some(Secret::new(TOKEN)), host: None, ca_bundle: None }
    }

    /// Answers the next request that holds the text otherwise.
    pub fn script(&self, part: &str, answer: Answer) {
        self.state().script.push_back((part.to_owned(), answer));
    }

    /// Adds or changes a merge request.
    pub fn put(&self, project: &str, item: Value) {
        let iid = item["iid"].as_i64().unwrap();
        self.state().projects.entry(project.to_owned()).or_default().insert(iid, item);
    }

    /// Changes members of a merge request.
    pub fn change(&self, project: &str, iid: i64, changes: Value) {
        let mut state = self.state();
        let item = state.projects.get_mut(project).unwrap().get_mut(&iid).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            item[name] = value.clone();
        }
    }

    /// Requests since the last call, with `iids[]` shortened to their count.
    pub fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut self.state().asked);
        asked.iter().map(|path| shorten(path)).collect()
    }
}

fn shorten(path: &str) -> String {
    let path = path.trim_start_matches("/api/v4/projects/");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let count = query.split('&').filter(|pair| pair.starts_with("iids")).count();
    // The rest is the same each time.
    let significant = |pair: &&str| ["page=", "updated_after="].iter().any(|name| pair.starts_with(name));
    let mut text = path.replace("%2F", "/");
    if count > 0 {
        text += &format!(" {count} iids");
    }
    for pair in query.split('&').filter(significant) {
        text += &match pair.split_once('=') {
            Some(("updated_after", _)) => " sweep".to_owned(),
            _ => format!(" {pair}"),
        };
    }
    text
}

async fn respond(state: &Mutex<State>, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
    let mut state = state.lock().unwrap();
    let path = uri.path_and_query().unwrap().as_str().to_owned();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let signed = header("private-token").or_else(|| header("authorization")).unwrap_or_default();
    state.asked.push(path.clone());
    state.signed.push(signed);
    if let Some(place) = state.script.iter().position(|(part, _)| path.contains(part.as_str())) {
        let (_, answer) = state.script.remove(place).unwrap();
        return answer(&mut state, uri);
    }
    match state.always.clone() {
        Some(answer) => answer(&mut state, uri),
        None => state.truth(uri),
    }
}

impl State {
    /// What GitLab would answer.
    pub fn truth(&self, uri: &Uri) -> Response<Body> {
        let not_found = || answer(404, &[], r#"{"message":"404 Project Not Found"}"#);
        let rest = uri.path().strip_prefix("/api/v4/projects/").unwrap_or_default();
        let (segment, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let project = segment.replace("%2F", "/");
        let by_id = self.ids.iter().find(|(_, id)| id.to_string() == project).map(|(path, _)| path.clone());
        let project = by_id.unwrap_or(project);
        let Some(items) = self.projects.get(&project) else { return not_found() };
        if rest.is_empty() {
            let id = self.ids.get(&project).copied().unwrap_or(7);
            return answer(200, &[], json!({"id": id, "path_with_namespace": project}).to_string());
        }
        if let Some(iid) = rest.strip_prefix("merge_requests/").and_then(|rest| rest.strip_suffix("/versions")) {
            let versions = self.versions.get(&(project, iid.parse().unwrap()));
            return versions.map_or_else(not_found, |versions| answer(200, &[], versions.to_string()));
        }
        if let Some(rest) = rest.strip_prefix("pipelines/") {
            let (id, jobs) = rest.split_once('/').unwrap_or((rest, ""));
            let Some((pipeline, all)) = self.pipelines.get(&(project, id.parse().unwrap())) else {
                return not_found();
            };
            return match jobs {
                "" => answer(200, &[], pipeline.to_string()),
                _ => self.page_of(uri, &all.iter().collect::<Vec<_>>()),
            };
        }
        assert_eq!(rest, "merge_requests");
        self.list(uri, items)
    }

    fn list(&self, uri: &Uri, items: &BTreeMap<i64, Value>) -> Response<Body> {
        let pairs: Vec<(&str, &str)> = uri.query().unwrap().split('&').filter_map(|p| p.split_once('=')).collect();
        let get = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        assert_eq!((get("state"), get("scope")), (Some("all"), Some("all")), "{uri}");
        let iids: Vec<i64> =
            pairs.iter().filter(|(key, _)| *key == "iids%5B%5D").map(|(_, value)| value.parse().unwrap()).collect();
        let since = get("updated_after").map(|at| at.replace("%3A", ":"));
        let mut found: Vec<&Value> = match since {
            Some(since) => {
                let since: jiff::Timestamp = since.parse().unwrap();
                let updated = |item: &&Value| item["updated_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
                items.values().filter(|item| updated(item) >= since).collect()
            }
            None => iids.iter().filter_map(|iid| items.get(iid)).collect(),
        };
        if get("order_by") == Some("updated_at") {
            found.sort_by_key(|item| std::cmp::Reverse(item["updated_at"].as_str().unwrap().to_owned()));
        }
        self.page_of(uri, &found)
    }

    /// A page of a list.
    fn page_of(&self, uri: &Uri, found: &[&Value]) -> Response<Body> {
        let pairs: Vec<(&str, &str)> = uri.query().unwrap().split('&').filter_map(|p| p.split_once('=')).collect();
        let get = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let asked: usize = get("per_page").unwrap().parse().unwrap();
        let size = self.page.unwrap_or(asked).min(asked);
        let page: usize = get("page").unwrap_or("1").parse().unwrap();
        let last = found.len().div_ceil(size).max(1);
        let part: Vec<_> = found.iter().skip((page - 1) * size).take(size).map(|item| (*item).clone()).collect();
        let body = Value::Array(part).to_string();
        if page >= last {
            return answer(200, &[("x-next-page", "")], body);
        }
        let kept: Vec<String> =
            pairs.iter().filter(|(key, _)| *key != "page").map(|(key, value)| format!("{key}={value}")).collect();
        // GitLab writes its own idea of its address, which behind a proxy is another host.
        let next = format!("https://gitlab.example.com{}?{}&page={}", uri.path(), kept.join("&"), page + 1);
        answer(200, &[("link", &format!(r#"<{next}>; rel="next", <{next}>; rel="last""#))], body)
    }
}

/// A merge request in the shape of the API.
pub fn item(iid: i64, state: &str, updated_at: &str) -> Value {
    json!({
        "id": 1000 + iid, "iid": iid, "project_id": 7, "title": format!("Change {iid}"), "description": "..",
        "state": state, "created_at": "2026-03-10T09:00:00.123Z", "updated_at": updated_at,
        "merged_by": null, "merge_user": null, "merged_at": null, "closed_by": null, "closed_at": null,
        "target_branch": "main", "source_branch": format!("b{iid}"), "user_notes_count": 0,
        "author": {"id": 3, "username": "robin", "name": "Robin", "state": "active"},
        "assignees": [], "reviewers": [], "source_project_id": 7, "target_project_id": 7,
        "labels": ["rebuild"], "draft": false, "work_in_progress": false, "milestone": null,
        "merge_when_pipeline_succeeds": false, "detailed_merge_status": "mergeable",
        "sha": format!("{iid:040x}"), "merge_commit_sha": null, "squash_commit_sha": null,
        "references": {"short": format!("!{iid}"), "full": format!("g/p!{iid}")},
        "web_url": format!("https://gitlab.example.com/g/p/-/merge_requests/{iid}"),
        "time_stats": {"time_estimate": 0, "total_time_spent": 0}, "squash": false,
    })
}

/// The webhook about its current state.
pub fn webhook(project: &str, item: &Value, action: &str) -> Value {
    let seconds = |name: &str| {
        let at = item[name].as_str()?;
        Some(format!("{} UTC", at[..19].replace('T', " ")))
    };
    json!({
        "object_kind": "merge_request",
        "user": {"id": 3, "username": "robin"},
        "project": {"id": item["project_id"], "path_with_namespace": project},
        "object_attributes": {
            "iid": item["iid"], "state": item["state"], "action": action, "title": item["title"],
            "draft": item["draft"], "source_branch": item["source_branch"], "target_branch": item["target_branch"],
            "source_project_id": item["source_project_id"], "target_project_id": item["target_project_id"],
            "author_id": item["author"]["id"], "merge_commit_sha": item["merge_commit_sha"], "url": item["web_url"],
            "created_at": seconds("created_at"), "updated_at": seconds("updated_at"),
            "last_commit": {"id": item["sha"], "timestamp": "2026-03-10T08:57:41+00:00"},
        },
        "labels": item["labels"].as_array().unwrap().iter().map(|l| json!({"title": l})).collect::<Vec<_>>(),
    })
}
