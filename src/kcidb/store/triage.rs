//! Regular expressions of issues, and the work that they make: outside of the path of ingest, page by page.
//!
//! What fails is queued by the transaction that wrote it; a changed expression has all failures of the last two weeks
//! announced as `needs_triage` and queued again. [`requeue`] and [`triage`] each do one page in a transaction of their
//! caller's, and may stop after any.

use std::collections::{BTreeMap, HashMap};

use super::objects::{self, Change};
use super::{Found, Query, find, now, write_submissions};
use crate::kcidb::events::{self, What};
use crate::kcidb::record::{Cell, IssueRegex, Kind, Object, Submission, View};
use crate::kcidb::triage::{Matcher, Subject, incident, incident_id};
use crate::outbox::Announcer;
use crate::sorted;
use crate::store::{Step, StoreError, Tx, column};

/// Writes expressions, and has failures looked at again if any has changed.
pub(super) async fn write(tx: &Tx<'_>, regexes: &[(usize, &IssueRegex)]) -> Result<Vec<usize>, StoreError> {
    let mut newest: BTreeMap<&str, (usize, &IssueRegex)> = BTreeMap::new();
    for (number, regex) in regexes {
        let known = newest.entry(&regex.id).or_insert((*number, regex));
        if (known.1.message_at, &known.1.message_id) < (regex.message_at, &regex.message_id) {
            *known = (*number, regex);
        }
    }
    if newest.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<&IssueRegex> = newest.values().map(|(_, regex)| *regex).collect();
    let filters = std::array::from_fn::<_, 7, _>(|filter| column(&rows, |r| r.filters[filter].as_deref()));
    let [text, file_name, test_name, testresult_name, architecture, kpet_tree_name, tree] = &filters;
    let changed = tx
        .query(
            include_str!("sql/upsert_kcidb_issue_regexes.sql"),
            &[
                /* id */ &column(&rows, |r| r.id.as_str()),
                /* issue_id */ &column(&rows, |r| r.issue_id.as_str()),
                /* issue_version */ &column(&rows, |r| r.issue_version),
                text,
                file_name,
                test_name,
                testresult_name,
                architecture,
                kpet_tree_name,
                tree,
                &column(&rows, |r| r.package_name.as_deref()),
                &column(&rows, |r| r.deleted),
                &column(&rows, |r| r.message_id.as_str()),
                &column(&rows, |r| r.message_at),
            ],
        )
        .await?;
    if !changed.is_empty() {
        tx.query(include_str!("sql/begin_kcidb_requeue.sql"), &[]).await?;
    }
    Ok(changed.iter().filter_map(|row| newest.get(row.get::<_, &str>("id")).map(|(number, _)| *number)).collect())
}

/// Remembers what failed, if there is anything to find its issue by.
pub(super) async fn enqueue(tx: &Tx<'_>, changes: &[(Kind, Change<'_, '_>)]) -> Result<(), StoreError> {
    let failed = changes.iter().filter(|(kind, change)| {
        matches!(kind, Kind::Build | Kind::Test) && matches!(change.row.view.text("status"), Some("FAIL" | "ERROR"))
    });
    put(tx, &sorted::unique(failed.map(|(kind, change)| (*kind, change.row.view.id)))).await
}

async fn put(tx: &Tx<'_>, failed: &[(Kind, &str)]) -> Result<(), StoreError> {
    if failed.is_empty() {
        return Ok(());
    }
    let kinds = column(failed, |(kind, _)| kind.name());
    let ids = column(failed, |(_, id)| *id);
    tx.query(include_str!("sql/put_kcidb_triage_queue.sql"), &[&kinds, &ids]).await?;
    Ok(())
}

/// Announces a page of the failures of the last two weeks as `needs_triage`, if a changed expression asks for it.
///
/// # Errors
/// When a statement fails.
pub async fn requeue(tx: &Tx<'_>, page: usize, announcer: &mut Announcer) -> Result<Step, StoreError> {
    let state = tx.query(include_str!("sql/lock_kcidb_requeue.sql"), &[]).await?;
    let Some(state) = state.first() else { return Ok(Step::default()) };
    let stage: i16 = state.get("stage");
    let (kind, sql) = match stage {
        0 => (Kind::Checkout, include_str!("sql/requeue_checkouts.sql")),
        1 => (Kind::Build, include_str!("sql/requeue_builds.sql")),
        _ => (Kind::Test, include_str!("sql/requeue_tests.sql")),
    };
    let after: &str = state.get("after_id");
    let limit = i64::try_from(page).unwrap_or(i64::MAX);
    let ids = tx.query(sql, &[&after, &limit]).await?;
    let ids: Vec<&str> = ids.iter().map(|row| row.get("id")).collect();
    let full = ids.len() >= page;
    let (next, from) = if full { (stage, ids.last().copied().unwrap_or_default()) } else { (stage + 1, "") };
    tx.query(include_str!("sql/move_kcidb_requeue.sql"), &[&next, &from]).await?;
    announcer.open(tx).await?;
    if announcer.wants("kcidb", &events::name(kind, What::NeedsTriage)) {
        let objects = objects::read(tx, kind, &ids.iter().map(|id| (*id, 0)).collect::<Vec<_>>()).await?;
        let now = now(tx).await?;
        for object in &objects {
            announcer.add(events::event(&View::of(kind, object), What::NeedsTriage, now));
        }
    }
    if kind != Kind::Checkout {
        put(tx, &sorted::unique(ids.iter().map(|id| (kind, *id)))).await?;
    }
    Ok(Step { objects: ids.len(), written: ids.len(), more: full || stage < 2 })
}

/// Looks for known issues in a page of what failed: writes an incident where an expression matches, and takes back
/// those that one found before and does not find any more.
///
/// # Errors
/// When a statement fails.
pub async fn triage(tx: &Tx<'_>, page: usize, announcer: &mut Announcer) -> Result<Step, StoreError> {
    let limit = i64::try_from(page).unwrap_or(i64::MAX);
    let taken = tx.query(include_str!("sql/take_kcidb_triage_queue.sql"), &[&limit]).await?;
    if taken.is_empty() {
        return Ok(Step::default());
    }
    let mut query = Query { parents: true, ..Query::default() };
    for row in &taken {
        let kind = if row.get::<_, &str>("kind") == "build" { Kind::Build } else { Kind::Test };
        query.keys[kind as usize].insert((row.get("id"), 0));
    }
    let found = find(tx, &query).await?;
    let regexes = read_regexes(tx).await?;
    let live: Vec<IssueRegex> =
        regexes.iter().filter(|(regex, _)| !regex.deleted).map(|(regex, _)| regex.clone()).collect();
    let versions: HashMap<&str, i64> = regexes.iter().map(|(regex, version)| (regex.id.as_str(), *version)).collect();
    let matcher = match Matcher::new(&live) {
        Ok(matcher) => matcher,
        Err(why) => {
            tracing::error!(why, "no issues are looked for: their expressions are too large together");
            return Ok(Step { objects: taken.len(), written: 0, more: false });
        }
    };
    let present = incidents(tx, &query).await?;
    let by_id: HashMap<&str, &IssueRegex> = regexes.iter().map(|(regex, _)| (regex.id.as_str(), regex)).collect();
    let mut incidents: Vec<Object> = Vec::new();
    for (object, subject) in subjects(&found, &query) {
        let matched = matcher.matches(&subject);
        let fresh = matched.iter().filter(|regex| !present.contains_key(&incident_id(&regex.id, &object)));
        incidents.extend(fresh.map(|regex| incident(regex, versions[regex.id.as_str()], &object, true)));
        let of_object = present.iter().filter(|(id, regex)| **id == incident_id(regex, &object));
        let gone = of_object.filter(|(_, id)| !matched.iter().any(|regex| regex.id == **id));
        let gone = gone.filter_map(|(_, id)| by_id.get(id.as_str()));
        incidents.extend(gone.map(|regex| incident(regex, versions[regex.id.as_str()], &object, false)));
    }
    sorted::by(&mut incidents, |a, b| a.id.cmp(&b.id));
    let at = now(tx).await?;
    let step = Step { objects: taken.len(), written: incidents.len(), more: taken.len() >= page };
    let submission = Submission {
        objects: [Vec::new(), Vec::new(), Vec::new(), Vec::new(), incidents],
        excerpts: Vec::new(),
        receipt_for: None,
        message_id: "triage".to_owned(),
        message_at: Some(at),
    };
    write_submissions(tx, &[(0, &submission)], announcer).await?;
    Ok(step)
}

/// All expressions, deleted ones too, each with the version of its issue.
async fn read_regexes(tx: &Tx<'_>) -> Result<Vec<(IssueRegex, i64)>, StoreError> {
    let rows = tx.query(include_str!("sql/read_kcidb_issue_regexes.sql"), &[]).await?;
    let regex = |row: &tokio_postgres::Row| {
        let filters: Vec<Option<String>> = row.get("filters");
        let regex = IssueRegex {
            id: row.get("id"),
            issue_id: row.get("issue_id"),
            issue_version: row.get("issue_version"),
            filters: filters.try_into().unwrap_or_default(),
            package_name: row.get("package_name_match"),
            deleted: row.get("deleted"),
            message_id: row.get("message_id"),
            message_at: row.get("message_at"),
        };
        (regex, row.get("version"))
    };
    Ok(rows.iter().map(regex).collect())
}

/// Incidents that expressions have found in objects, by id, with the expression.
async fn incidents(tx: &Tx<'_>, query: &Query) -> Result<BTreeMap<String, String>, StoreError> {
    let ids = |kind: Kind| query.keys[kind as usize].iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>();
    let params = [ids(Kind::Build), ids(Kind::Test)];
    let rows = tx.query(include_str!("sql/read_kcidb_found_incidents.sql"), &[&params[0], &params[1]]).await?;
    Ok(rows.iter().map(|row| (row.get("id"), row.get("issue_regex"))).collect())
}

/// Builds and tests that were asked for, with what is looked at of each.
fn subjects<'f>(found: &'f Found, query: &Query) -> Vec<(View<'f>, Subject<'f>)> {
    let by_id = |kind: Kind| -> HashMap<&str, View<'f>> {
        found.objects[kind as usize].iter().map(|object| (object.id.as_str(), View::of(kind, object))).collect()
    };
    let (checkouts, builds, tests) = (by_id(Kind::Checkout), by_id(Kind::Build), by_id(Kind::Test));
    let mut subjects = Vec::new();
    for (views, kind) in [(&builds, Kind::Build), (&tests, Kind::Test)] {
        for view in views.values().filter(|view| query.keys[kind as usize].contains(&(view.id.to_owned(), 0))) {
            let build = match kind {
                Kind::Build => Some(view),
                _ => view.text("build_id").and_then(|id| builds.get(id)),
            };
            let checkout = build.and_then(|build| checkouts.get(build.text("checkout_id")?));
            let excerpt = match view.cell("log_excerpt_sha256") {
                Some(Cell::Excerpt(hash)) => found.excerpts.get(&**hash).map(String::as_str),
                _ => None,
            };
            subjects.push((view.clone(), Subject::new(view, build, checkout, excerpt)));
        }
    }
    subjects
}
