//! What the tables of series have to hold, computed from all checks, pushes and deletions at once.

use std::collections::{BTreeMap, BTreeSet};

use hummingbird_status::checks::{Check, Lane};
use hummingbird_status::db::Store;
use hummingbird_status::outbox::State;
use jiff::Timestamp;

use crate::support::render;

/// A commit on a branch: repository, branch, hash.
pub type Commit = (String, String, String);
/// System, host, repository, branch, lane, name.
type Series = (String, String, String, String, &'static str, String);

/// All that series depend on.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub checks: BTreeMap<String, Check>,
    pub pushes: BTreeMap<Commit, Timestamp>,
    /// Repository, branch and deleted head.
    pub deleted: BTreeMap<Commit, Timestamp>,
}

/// One result of a series.
#[derive(Clone, Debug)]
struct Found {
    place: Timestamp,
    point: String,
    newest: Check,
    is_ok: bool,
    flaky: bool,
}

/// The branch of a check in its series; `None` for checks that have none.
fn branch(check: &Check) -> Option<String> {
    match check.lane {
        Lane::Mr | Lane::Queue => None,
        Lane::Tag => Some(String::new()),
        Lane::Push | Lane::Schedule | Lane::Release | Lane::Dispatch => Some(check.branch.clone().unwrap_or_default()),
    }
}

fn is_result(check: &Check) -> bool {
    matches!(check.state, State::Passed | State::Failed | State::Errored)
}

fn end(check: &Check) -> Timestamp {
    check.finished_at.unwrap_or(check.changed_at)
}

impl World {
    /// The places of commits, by what the table holds: the push, and the first check.
    fn places(&self) -> BTreeMap<Commit, (Option<Timestamp>, Option<Timestamp>)> {
        let mut places: BTreeMap<Commit, (Option<Timestamp>, Option<Timestamp>)> = BTreeMap::new();
        for (commit, at) in &self.pushes {
            places.entry(commit.clone()).or_default().0 = Some(*at);
        }
        for check in self.checks.values() {
            if let (Some(branch), Some(sha)) = (branch(check), &check.sha) {
                let first = &mut places.entry((check.repo.clone(), branch, sha.clone())).or_default().1;
                *first = Some(first.map_or(check.created_at, |known| known.min(check.created_at)));
            }
        }
        places
    }

    /// The results of all series, in order of their places.
    fn results(&self) -> BTreeMap<Series, Vec<Found>> {
        let places = self.places();
        let mut points: BTreeMap<(Series, String), Vec<&Check>> = BTreeMap::new();
        for check in self.checks.values().filter(|check| is_result(check)) {
            let Some(branch) = branch(check) else { continue };
            let (system, host, repo) = (check.system.clone(), check.host.clone(), check.repo.clone());
            let series = (system, host, repo, branch, check.lane.name(), check.name.clone());
            let point = check.sha.clone().unwrap_or_else(|| check.key.clone());
            points.entry((series, point)).or_default().push(check);
        }
        let mut results: BTreeMap<Series, Vec<Found>> = BTreeMap::new();
        for ((series, point), mut checks) in points {
            checks.sort_by_key(|check| (check.seq, check.attempt, check.run.clone(), check.key.clone()));
            let newest = (*checks.last().unwrap()).clone();
            let (push, first) = match &newest.sha {
                Some(sha) => places[&(series.2.clone(), series.3.clone(), sha.clone())],
                None => (None, Some(newest.created_at)),
            };
            let place = push.or(first).unwrap();
            let is_of = |(repo, branch, _): &Commit| (repo, branch) == (&series.2, &series.3);
            if self.deleted.iter().any(|(of, at)| is_of(of) && place <= *at) {
                continue;
            }
            let passed = checks.iter().any(|check| check.state == State::Passed);
            let failed = checks.iter().any(|check| check.state != State::Passed || check.ever_bad == Some(true));
            let is_ok = newest.state == State::Passed;
            results.entry(series).or_default().push(Found { place, point, newest, is_ok, flaky: passed && failed });
        }
        for all in results.values_mut() {
            all.sort_by(|a, b| (a.place, &a.point).cmp(&(b.place, &b.point)));
        }
        results
    }

    /// As [`World::expected`], of one repository.
    pub fn expected_of(&self, repo: &str) -> BTreeSet<String> {
        let mut world = self.clone();
        world.checks.retain(|_, check| check.repo == repo);
        world.pushes.retain(|(of, ..), _| of == repo);
        world.expected()
    }

    /// Rows of all tables of series, as [`stored`] returns them.
    pub fn expected(&self) -> BTreeSet<String> {
        let mut rows = BTreeSet::new();
        for ((repo, branch, sha), (push, first)) in self.places() {
            rows.insert(format!("place {repo} {branch} {sha} {} {}", time(push), time(first)));
        }
        for ((system, host, repo, branch, lane, name), results) in self.results() {
            let series = format!("{system} {host} {repo} {branch} {lane} {name}");
            let mut edge: Option<(&Found, Option<&Found>)> = None;
            let mut run = 0;
            for (index, found) in results.iter().enumerate() {
                let before = index.checked_sub(1).map(|before| &results[before]);
                let was_ok = before.is_none_or(|before| before.is_ok);
                let row = format!("{series} {} {}", found.point, found.newest.key);
                let outcome = if found.is_ok { "ok" } else { "bad" };
                let (place, at) = (time(Some(found.place)), time(Some(end(&found.newest))));
                let state = found.newest.state.name();
                let optional = found.newest.optional;
                rows.insert(format!("result {row} {place} {state} {outcome} {optional} {} {at}", found.flaky));
                let transition = match (was_ok, found.is_ok, found.flaky) {
                    (true, false, _) => Some("broken"),
                    (false, true, _) => Some("fixed"),
                    (_, _, true) => Some("flaky"),
                    _ => None,
                };
                let earlier =
                    before.map_or_else(|| "- -".to_owned(), |b| format!("{} {}", b.point, time(Some(b.place))));
                if let Some(transition) = transition {
                    rows.insert(format!("transition {row} {place} {transition} {} {at} {earlier}", found.flaky));
                }
                if was_ok != found.is_ok {
                    edge = Some((found, before));
                    run = 0;
                }
                run += 1;
            }
            let newest = results.last().unwrap();
            let since = edge.map_or_else(
                || "- - - - -".to_owned(),
                |(edge, before)| {
                    let before =
                        before.map_or_else(|| "- -".to_owned(), |b| format!("{} {}", b.point, time(Some(b.place))));
                    format!("{} {} {} {before}", edge.point, time(Some(edge.place)), time(Some(end(&edge.newest))))
                },
            );
            let count = if newest.is_ok { "-".to_owned() } else { run.min(100).to_string() };
            let (outcome, state) = (if newest.is_ok { "ok" } else { "bad" }, newest.newest.state.name());
            let (place, at) = (time(Some(newest.place)), time(Some(end(&newest.newest))));
            rows.insert(format!(
                "series {series} {} {} {place} {state} {outcome} {} {at} {since} {count}",
                newest.point, newest.newest.key, newest.newest.optional
            ));
        }
        rows
    }
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.as_second().to_string())
}

/// The rows of all tables of series of one repository.
pub async fn stored(store: &Store, repo: &str) -> BTreeSet<String> {
    let seconds = |column: &str| format!("coalesce(extract(epoch FROM {column})::bigint::text, '-')");
    let text = |column: &str| format!("coalesce({column}::text, '-')");
    let series = "s.system || ' ' || s.host || ' ' || s.repo || ' ' || s.branch || ' ' || s.lane || ' ' || s.name";
    let joined = |parts: &[String]| parts.join(" || ' ' || ");
    let place = joined(&[
        "'place'".into(),
        "p.repo".into(),
        "p.branch".into(),
        "p.sha".into(),
        seconds("p.pushed_at"),
        seconds("p.first_check_at"),
    ]);
    let result = joined(&[
        "'result'".into(),
        series.into(),
        "r.point".into(),
        "r.key".into(),
        seconds("r.place"),
        "r.state".into(),
        "r.outcome".into(),
        text("r.optional"),
        text("r.flaky"),
        seconds("r.at"),
    ]);
    let transition = joined(&[
        "'transition'".into(),
        series.into(),
        "r.point".into(),
        "r.key".into(),
        seconds("r.place"),
        "r.transition".into(),
        text("r.flaky"),
        seconds("r.at"),
        text("r.before_point"),
        seconds("r.before_place"),
    ]);
    let row = joined(&[
        "'series'".into(),
        series.into(),
        "s.point".into(),
        "s.key".into(),
        seconds("s.place"),
        "s.state".into(),
        "s.outcome".into(),
        text("s.optional"),
        seconds("s.at"),
        text("s.edge_point"),
        seconds("s.edge_place"),
        seconds("s.edge_at"),
        text("s.before_point"),
        seconds("s.before_place"),
        text("s.count"),
    ]);
    let sql = format!(
        "SELECT {place} FROM commit_places AS p WHERE p.repo = '{repo}' \
         UNION ALL SELECT {result} FROM series_results AS r JOIN series AS s ON s.id = r.series WHERE s.repo = '{repo}' \
         UNION ALL SELECT {transition} FROM check_transitions AS r JOIN series AS s ON s.id = r.series \
            WHERE s.repo = '{repo}' \
         UNION ALL SELECT {row} FROM series AS s WHERE s.repo = '{repo}'"
    );
    let found = render::rows(store, &sql).await;
    let rows: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(rows.len(), found.len(), "a row twice");
    rows
}
