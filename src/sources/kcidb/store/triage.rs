//! Stores regular expressions of issues and matches failures with them, in chunks and outside of ingest.
//!
//! The transaction that writes a failure adds it to the triage queue. After the change of an expression, all failures
//! of the last two weeks are announced as `needs_triage` and queued again. [`requeue`] processes one chunk in a
//! transaction of its caller, [`Triage`] one chunk in two transactions of its own; both may stop after any chunk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::objects::{self, Change};
use super::{Found, Query, find, now, write_submissions};
use crate::checks::Touched;
use crate::db::{ChunkResult, Retrying, StoreError, Tx, column};
use crate::outbox::{Announcer, Due, announcing};
use crate::sources::kcidb::events::{self, ObjectEvent};
use crate::sources::kcidb::record::{Cell, IssueRegex, Kind, Object, Submission, View};
use crate::sources::kcidb::triage::{Known, Matcher, Ready, Subject, incident, incident_id};

/// Writes expressions, and starts the requeue of failures if any has changed. Returns the numbers of the messages that
/// changed a row.
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

/// Adds failed builds and tests to the triage queue, if any expression is stored.
pub(super) async fn enqueue(tx: &Tx<'_>, changes: &[(Kind, Change<'_, '_>)]) -> Result<(), StoreError> {
    let failed = changes.iter().filter(|(kind, change)| {
        matches!(kind, Kind::Build | Kind::Test) && matches!(change.row.view.text("status"), Some("FAIL" | "ERROR"))
    });
    put(tx, &Vec::from_iter(BTreeSet::from_iter(failed.map(|(kind, change)| (*kind, change.row.view.id))))).await
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

/// Announces the next chunk of the failures of the last two weeks as `needs_triage` and queues them, if an expression
/// has changed.
///
/// # Errors
/// When a statement fails.
pub async fn requeue(tx: &Tx<'_>, chunk: usize, announcer: &mut Announcer) -> Result<ChunkResult, StoreError> {
    let state = tx.query(include_str!("sql/lock_kcidb_requeue.sql"), &[]).await?;
    let Some(state) = state.first() else { return Ok(ChunkResult::default()) };
    let stage: i16 = state.get("stage");
    let (kind, sql) = match stage {
        0 => (Kind::Checkout, include_str!("sql/requeue_checkouts.sql")),
        1 => (Kind::Build, include_str!("sql/requeue_builds.sql")),
        _ => (Kind::Test, include_str!("sql/requeue_tests.sql")),
    };
    let after: &str = state.get("after_id");
    let limit = i64::try_from(chunk).unwrap_or(i64::MAX);
    let ids = tx.query(sql, &[&after, &limit]).await?;
    let ids: Vec<&str> = ids.iter().map(|row| row.get("id")).collect();
    let full = ids.len() >= chunk;
    let (next, from) = if full { (stage, ids.last().copied().unwrap_or_default()) } else { (stage + 1, "") };
    tx.query(include_str!("sql/move_kcidb_requeue.sql"), &[&next, &from]).await?;
    announcer.open(tx).await?;
    if announcer.wants("kcidb", &events::name(kind, ObjectEvent::NeedsTriage)) {
        let objects = objects::read(tx, kind, &ids.iter().map(|id| (*id, 0)).collect::<Vec<_>>()).await?;
        let now = now(tx).await?;
        for object in &objects {
            announcer.add(events::event(&View::of(kind, object), ObjectEvent::NeedsTriage, now));
        }
    }
    if kind != Kind::Checkout {
        put(tx, &Vec::from_iter(BTreeSet::from_iter(ids.iter().map(|id| (kind, *id))))).await?;
    }
    Ok(ChunkResult { objects: ids.len(), written: ids.len(), more: full || stage < 2 })
}

/// Matches failed builds and tests with known issues, chunk by chunk: writes an incident where an expression matches,
/// and one with `present` false where an expression no longer matches.
///
/// A chunk reads in one transaction, matches outside of transactions, and writes in another: the time that matching
/// takes depends on the users' expressions, and no lock is held meanwhile. Objects that are queued again since they
/// were read stay in the queue.
pub struct Triage {
    matcher: Matcher,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// Time limit of the matching of a chunk, checked after each object.
const CHUNK_TIME: Duration = Duration::from_secs(5);

/// An entry of the queue: kind, id and revision.
type Queued = (Kind, String, i64);

/// An incident, with the kind and the id of its object.
type FoundIncident = (Kind, String, Object);

/// The data of a chunk.
struct Chunk {
    /// Entries of the queue.
    queued: Vec<Queued>,
    query: Query,
    found: Found,
    /// Present incidents that expressions have found in these objects before: ids of expressions by id of the incident.
    present: BTreeMap<String, String>,
}

impl Triage {
    /// A matcher without expressions; the first chunk reads them. The clock gives the CPU time of the thread.
    #[must_use]
    pub fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { matcher: Matcher::default(), clock: Box::new(clock) }
    }

    /// Processes the next chunk, of at most `limit` objects.
    ///
    /// # Errors
    /// When a statement fails. The queue is then unchanged, and the next call retries the same chunk.
    pub async fn chunk(&mut self, store: &Retrying, limit: usize) -> Result<(ChunkResult, Due), StoreError> {
        let (chunk, known) = store
            .in_tx("kcidb_triage_read", async |tx| Ok((read_chunk(tx, limit).await?, read_regexes(tx).await?)))
            .await?;
        if chunk.queued.is_empty() {
            return Ok((ChunkResult::default(), Due::default()));
        }
        self.matcher.update(known);
        let (done, incidents) = self.match_chunk(&chunk);
        let set_aside: Vec<&Ready> =
            self.matcher.all().iter().filter(|ready| ready.set_aside != ready.known.set_aside).collect();
        let write = store.in_tx("kcidb_triage_write", async |tx| {
            let removed = dequeue(tx, &done).await?;
            let incidents = incidents.iter().filter(|(kind, id, _)| removed.contains(&(*kind, id.clone())));
            let mut incidents: Vec<Object> = incidents.map(|(_, _, incident)| incident.clone()).collect();
            incidents.sort_by(|a, b| a.id.cmp(&b.id));
            let written = incidents.len();
            let submission = Submission {
                objects: [Vec::new(), Vec::new(), Vec::new(), Vec::new(), incidents],
                excerpts: Vec::new(),
                receipt_for: None,
                message_id: "triage".to_owned(),
                message_at: Some(now(tx).await?),
            };
            let write = async |announcer: &mut Announcer| {
                // No check depends on incidents.
                write_submissions(tx, &[(0, &submission)], announcer, &mut Touched::default()).await?;
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
        let more = chunk.queued.len() >= limit || done.len() < chunk.queued.len();
        Ok((ChunkResult { objects: done.len(), written, more }, due))
    }

    /// Matches object by object until the time limit. Returns the processed entries of the queue, and the incidents to
    /// be written.
    fn match_chunk<'c>(&mut self, chunk: &'c Chunk) -> (Vec<&'c Queued>, Vec<FoundIncident>) {
        let began = (self.clock)();
        let mut subjects: HashMap<(Kind, &str), (View<'_>, Subject<'_>)> = subjects(&chunk.found, &chunk.query)
            .into_iter()
            .map(|(view, subject)| ((view.kind, view.id), (view, subject)))
            .collect();
        let (mut done, mut incidents) = (Vec::new(), Vec::new());
        for entry in &chunk.queued {
            if !done.is_empty() && (self.clock)().saturating_sub(began) > CHUNK_TIME {
                break;
            }
            done.push(entry);
            let Some((object, subject)) = subjects.remove(&(entry.0, entry.1.as_str())) else { continue };
            let matched = self.matcher.matches(&subject, &*self.clock);
            for (number, ready) in self.matcher.all().iter().enumerate() {
                let was_present = chunk.present.contains_key(&incident_id(&ready.known.regex.id, &object));
                let is_present = matched.binary_search(&number).is_ok();
                // An expression that is set aside matches nothing, which does not mean that the issue is gone.
                if is_present != was_present && (is_present || ready.set_aside.is_none()) {
                    let incident = incident(&ready.known.regex, ready.known.version, &object, is_present);
                    incidents.push((entry.0, entry.1.clone(), incident));
                }
            }
        }
        (done, incidents)
    }
}

/// The next entries of the queue, with the objects that are matched.
async fn read_chunk(tx: &Tx<'_>, limit: usize) -> Result<Chunk, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = tx.query(include_str!("sql/read_kcidb_triage_queue.sql"), &[&limit]).await?;
    let mut query = Query { parents: true, ..Query::default() };
    let mut queued = Vec::new();
    for row in &rows {
        let kind = if row.get::<_, &str>("kind") == "build" { Kind::Build } else { Kind::Test };
        query.keys[kind as usize].insert((row.get("id"), 0));
        queued.push((kind, row.get("id"), row.get("revision")));
    }
    if queued.is_empty() {
        return Ok(Chunk { queued, query, found: Found::default(), present: BTreeMap::new() });
    }
    let found = find(tx, &query).await?;
    let present = incidents(tx, &query).await?;
    Ok(Chunk { queued, query, found, present })
}

/// Removes entries from the queue, except for objects that were queued again (their revision has changed). Returns the
/// removed ones.
async fn dequeue(tx: &Tx<'_>, done: &[&Queued]) -> Result<BTreeSet<(Kind, String)>, StoreError> {
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

/// Stores which expressions are set aside, and why; skips expressions that were changed meanwhile.
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

/// Present incidents that expressions have found in objects: ids of expressions by id of the incident.
async fn incidents(tx: &Tx<'_>, query: &Query) -> Result<BTreeMap<String, String>, StoreError> {
    let ids = |kind: Kind| query.keys[kind as usize].iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>();
    let params = [ids(Kind::Build), ids(Kind::Test)];
    let rows = tx.query(include_str!("sql/read_kcidb_found_incidents.sql"), &[&params[0], &params[1]]).await?;
    Ok(rows.iter().map(|row| (row.get("id"), row.get("issue_regex"))).collect())
}

/// The queried builds and tests, with the texts that the filters are matched with.
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
