//! Regular expressions of issues, and the work that they make: outside of the path of ingest, page by page.
//!
//! What fails is queued by the transaction that wrote it; a changed expression has all failures of the last two weeks
//! announced as `needs_triage` and queued again. [`requeue`] does one page in a transaction of its caller's, [`Triage`] one
//! chunk in two of its own; both may stop after any.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::objects::{self, Change};
use super::{Found, Query, find, now, write_submissions};
use crate::kcidb::events::{self, What};
use crate::kcidb::record::{Cell, IssueRegex, Kind, Object, Submission, View};
use crate::kcidb::triage::{Known, Matcher, Ready, Subject, incident, incident_id};
use crate::outbox::{Announcer, Due, announcing};
use crate::sorted;
use crate::store::{Patient, Step, StoreError, Tx, column};

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

/// Looks for known issues in what failed, chunk by chunk: writes an incident where an expression matches, and takes back
/// those that one found before and does not find any more.
///
/// A chunk reads in one transaction, matches outside of any, and writes in another: matching takes as long as people's
/// expressions make it, and no lock is held meanwhile. What was queued again since it was read stays in the queue.
pub struct Triage {
    matcher: Matcher,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// A chunk ends after so much time, as soon as an object is done.
const CHUNK_TIME: Duration = Duration::from_secs(5);

/// A place in the queue: kind, id and revision.
type Place = (Kind, String, i64);

/// An incident, with the kind and the id of its object.
type Seen = (Kind, String, Object);

/// What a chunk looks at.
struct Chunk {
    /// Kind, id and revision of each place in the queue.
    taken: Vec<Place>,
    query: Query,
    found: Found,
    /// Incidents that expressions have found in these objects before, by id, with the expression.
    present: BTreeMap<String, String>,
}

impl Triage {
    /// Has nothing ready yet. The clock gives the time that this thread has worked.
    #[must_use]
    pub fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { matcher: Matcher::default(), clock: Box::new(clock) }
    }

    /// Does the next chunk, of at most so many objects.
    ///
    /// # Errors
    /// When a statement fails. The chunk is then not done, and the next one is the same again.
    pub async fn chunk(&mut self, store: &Patient, most: usize) -> Result<(Step, Due), StoreError> {
        let (chunk, known) = store
            .in_tx("kcidb_triage_read", async |tx| Ok((read_chunk(tx, most).await?, read_regexes(tx).await?)))
            .await?;
        if chunk.taken.is_empty() {
            return Ok((Step::default(), Due::default()));
        }
        self.matcher.update(known);
        let (done, incidents) = self.look(&chunk);
        let set_aside: Vec<&Ready> =
            self.matcher.all().iter().filter(|ready| ready.set_aside != ready.known.set_aside).collect();
        let write = store.in_tx("kcidb_triage_write", async |tx| {
            let kept = leave_queue(tx, &done).await?;
            let incidents = incidents.iter().filter(|(kind, id, _)| kept.contains(&(*kind, id.clone())));
            let mut incidents: Vec<Object> = incidents.map(|(_, _, incident)| incident.clone()).collect();
            sorted::by(&mut incidents, |a, b| a.id.cmp(&b.id));
            let written = incidents.len();
            let submission = Submission {
                objects: [Vec::new(), Vec::new(), Vec::new(), Vec::new(), incidents],
                excerpts: Vec::new(),
                receipt_for: None,
                message_id: "triage".to_owned(),
                message_at: Some(now(tx).await?),
            };
            let write = async |announcer: &mut Announcer| {
                write_submissions(tx, &[(0, &submission)], announcer).await?;
                write_set_aside(tx, &set_aside).await
            };
            Ok((written, announcing(tx, write).await?.1))
        });
        let (written, due) = write.await?;
        for ready in set_aside {
            let (regex, why) = (&ready.known.regex.id, ready.set_aside.as_deref());
            match why {
                Some(why) => tracing::error!(regex, why, "an expression is set aside until it is changed"),
                None => tracing::info!(regex, "an expression is used again"),
            }
        }
        let more = chunk.taken.len() >= most || done.len() < chunk.taken.len();
        Ok((Step { objects: done.len(), written, more }, due))
    }

    /// Matches object by object, until the time of a chunk is over. Which places in the queue are done with, and the
    /// incidents that follow.
    fn look<'c>(&mut self, chunk: &'c Chunk) -> (Vec<&'c Place>, Vec<Seen>) {
        let began = (self.clock)();
        let mut subjects: HashMap<(Kind, &str), (View<'_>, Subject<'_>)> = subjects(&chunk.found, &chunk.query)
            .into_iter()
            .map(|(view, subject)| ((view.kind, view.id), (view, subject)))
            .collect();
        let (mut done, mut incidents) = (Vec::new(), Vec::new());
        for place in &chunk.taken {
            if !done.is_empty() && (self.clock)().saturating_sub(began) > CHUNK_TIME {
                break;
            }
            done.push(place);
            let Some((object, subject)) = subjects.remove(&(place.0, place.1.as_str())) else { continue };
            let matched = self.matcher.matches(&subject, &*self.clock);
            for (number, ready) in self.matcher.all().iter().enumerate() {
                let was_there = chunk.present.contains_key(&incident_id(&ready.known.regex.id, &object));
                let is_there = matched.binary_search(&number).is_ok();
                // One that is not used cannot say that something is gone.
                if is_there != was_there && (is_there || ready.set_aside.is_none()) {
                    let incident = incident(&ready.known.regex, ready.known.version, &object, is_there);
                    incidents.push((place.0, place.1.clone(), incident));
                }
            }
        }
        (done, incidents)
    }
}

/// The next places in the queue, with all that is looked at of them.
async fn read_chunk(tx: &Tx<'_>, most: usize) -> Result<Chunk, StoreError> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = tx.query(include_str!("sql/read_kcidb_triage_queue.sql"), &[&limit]).await?;
    let mut query = Query { parents: true, ..Query::default() };
    let mut taken = Vec::new();
    for row in &rows {
        let kind = if row.get::<_, &str>("kind") == "build" { Kind::Build } else { Kind::Test };
        query.keys[kind as usize].insert((row.get("id"), 0));
        taken.push((kind, row.get("id"), row.get("revision")));
    }
    if taken.is_empty() {
        return Ok(Chunk { taken, query, found: Found::default(), present: BTreeMap::new() });
    }
    let found = find(tx, &query).await?;
    let present = incidents(tx, &query).await?;
    Ok(Chunk { taken, query, found, present })
}

/// Takes places out of the queue, but for those that were queued again; which ones.
async fn leave_queue(tx: &Tx<'_>, done: &[&Place]) -> Result<BTreeSet<(Kind, String)>, StoreError> {
    let rows = tx
        .query(
            include_str!("sql/take_kcidb_triage_queue.sql"),
            &[
                /* kind */ &column(done, |(kind, ..)| kind.name()),
                /* id */ &column(done, |(_, id, _)| id.as_str()),
                /* revision */ &column(done, |(.., revision)| *revision),
            ],
        )
        .await?;
    let kind = |row: &tokio_postgres::Row| if row.get::<_, &str>("kind") == "build" { Kind::Build } else { Kind::Test };
    Ok(rows.iter().map(|row| (kind(row), row.get("id"))).collect())
}

/// Keeps which expressions are not used, and why. Not of those that were changed meanwhile.
async fn write_set_aside(tx: &Tx<'_>, changed: &[&Ready]) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/set_aside_kcidb_issue_regexes.sql"),
        &[
            /* id */ &column(changed, |ready| ready.known.regex.id.as_str()),
            /* message_id */ &column(changed, |ready| ready.known.regex.message_id.as_str()),
            /* set_aside */ &column(changed, |ready| ready.set_aside.as_deref()),
        ],
    )
    .await?;
    Ok(())
}

/// All expressions, deleted ones too, each with the version of its issue.
async fn read_regexes(tx: &Tx<'_>) -> Result<Vec<Known>, StoreError> {
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
        Known { regex, version: row.get("version"), set_aside: row.get("set_aside") }
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
