//! Writes changed rows and announcements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use tokio_postgres::Row;

use super::Builds;
use crate::checks::Touched;
use crate::db::{StoreError, Tx, column};
use crate::outbox::{Announcer, Event};
use crate::sources::travis::record::{Build, Create, Job, Stage, State, Version};
use crate::sources::travis::rules::Rows;

/// The table whose rows are checks.
pub const TABLE: &str = "travis_builds";

/// Writes the rows that differ, and adds the announcements to the outbox, and to `touched` the builds whose checks may
/// differ.
pub(super) async fn save(
    tx: &Tx<'_>,
    before: &Builds,
    after: &Builds,
    creates: impl Iterator<Item = &Create>,
    clock: Option<Timestamp>,
    announcer: &mut Announcer,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let both = || before.iter().zip(after);
    jobs(tx, &both().flat_map(|(a, b)| changed(&a.jobs, &b.jobs)).collect::<Vec<_>>()).await?;
    stages(tx, &both().flat_map(|(a, b)| changed(&a.stages, &b.stages)).collect::<Vec<_>>()).await?;
    let changed_builds: Vec<&Build> = both().filter(|(a, b)| a.build != b.build).map(|(_, b)| &b.build).collect();
    builds(tx, &changed_builds).await?;
    touched.add(TABLE, changed_builds.iter().map(|build| build.id.to_string()));
    versions(tx, &after.iter().flat_map(|rows| &rows.outcome.versions).collect::<Vec<_>>()).await?;
    queueable(tx, after).await?;
    let moved = repositories(tx, after, &changed_builds, creates, clock).await?;
    touched.add(TABLE, moved.iter().map(ToString::to_string));
    update_previous_states(tx, after).await?;
    announcer.open(tx).await?;
    if announcer.is_idle() {
        return Ok(());
    }
    for announcement in after.iter().flat_map(|rows| &rows.outcome.happened) {
        announcer.add(Event {
            family: "travis",
            event: announcement.event.to_owned(),
            key: match &announcement.destination {
                None => format!("build/{}", announcement.build_id),
                Some(destination) => format!("build/{}/{destination}", announcement.build_id),
            },
            attributes: announcement.attributes.clone(),
            payload: announcement.payload.clone(),
            texts: BTreeMap::new(),
            at: match announcement.message {
                Some(message) => announcer.time_of(message),
                None => announcer.time_of_last(),
            },
        });
    }
    Ok(())
}

/// Stores `previous_state` of builds and of their successors, in whatever order they and their ends arrive.
async fn update_previous_states(tx: &Tx<'_>, after: &Builds) -> Result<(), StoreError> {
    let ids: Vec<i64> = after.iter().map(|rows| rows.build.id).collect();
    if !ids.is_empty() {
        tx.query(include_str!("sql/follow_builds.sql"), &[&ids]).await?;
    }
    Ok(())
}

fn changed<'r, T: PartialEq>(before: &'r [T], after: &'r [T]) -> impl Iterator<Item = &'r T> {
    before.iter().zip(after).filter(|(before, after)| before != after).map(|(_, after)| after)
}

async fn jobs(tx: &Tx<'_>, rows: &[&Job]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/update_jobs.sql"),
        &[
            /* id */ &column(rows, |r| r.id),
            /* state */ &column(rows, |r| r.state.map(State::name)),
            /* vm_size */ &column(rows, |r| r.vm_size.as_deref()),
            /* queued_at */ &column(rows, |r| r.queued_at),
            /* received_at */ &column(rows, |r| r.received_at),
            /* started_at */ &column(rows, |r| r.started_at),
            /* finished_at */ &column(rows, |r| r.finished_at),
            /* canceled_at */ &column(rows, |r| r.canceled_at),
            /* restarted_at */ &column(rows, |r| r.restarted_at),
            /* restarted_by */ &column(rows, |r| r.restarted_by),
            &column(rows, |r| r.run.attempt),
            &column(rows, |r| r.run.at),
            &column(rows, |r| r.run.message_id.as_deref()),
            &column(rows, |r| r.run.uuid.as_deref()),
            &column(rows, |r| r.run.count),
            &column(rows, |r| r.run.previous_uuid.as_deref()),
            &column(rows, |r| r.resets.count),
            &column(rows, |r| r.resets.first_at),
            &column(rows, |r| r.resets.last_at),
            &column(rows, |r| r.source.message_id.as_str()),
            &column(rows, |r| r.source.message_at),
        ],
    )
    .await?;
    Ok(())
}

async fn stages(tx: &Tx<'_>, rows: &[&Stage]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/update_stages.sql"),
        &[
            /* id */ &column(rows, |r| r.id),
            /* state */ &column(rows, |r| r.state.map(State::name)),
            /* started_at */ &column(rows, |r| r.started_at),
            /* finished_at */ &column(rows, |r| r.finished_at),
            /* message_id */ &column(rows, |r| r.source.message_id.as_str()),
            /* message_at */ &column(rows, |r| r.source.message_at),
        ],
    )
    .await?;
    Ok(())
}

async fn builds(tx: &Tx<'_>, rows: &[&Build]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/update_builds.sql"),
        &[
            /* id */ &column(rows, |r| r.id),
            /* state */ &column(rows, |r| r.state.map(State::name)),
            /* duration */ &column(rows, |r| r.duration),
            /* received_at */ &column(rows, |r| r.received_at),
            /* started_at */ &column(rows, |r| r.started_at),
            /* finished_at */ &column(rows, |r| r.finished_at),
            /* canceled_at */ &column(rows, |r| r.canceled_at),
            /* restarted_at */ &column(rows, |r| r.restarted_at),
            /* run_at */ &column(rows, |r| r.run_at),
            /* message_id */ &column(rows, |r| r.source.message_id.as_str()),
            /* message_at */ &column(rows, |r| r.source.message_at),
            /* ever_bad */ &column(rows, |r| r.ever_bad),
        ],
    )
    .await?;
    Ok(())
}

async fn versions(tx: &Tx<'_>, rows: &[&Version]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.query(
        include_str!("sql/insert_versions.sql"),
        &[
            &column(rows, |r| r.job.id),
            /* number */ &column(rows, |r| r.number),
            /* state */ &column(rows, |r| r.job.state.map(State::name)),
            /* created_at */ &column(rows, |r| r.job.created_at),
            /* queued_at */ &column(rows, |r| r.job.queued_at),
            /* received_at */ &column(rows, |r| r.job.received_at),
            /* started_at */ &column(rows, |r| r.job.started_at),
            /* finished_at */ &column(rows, |r| r.job.finished_at),
            /* restarted_at */ &column(rows, |r| r.job.restarted_at),
            /* message_id */ &column(rows, |r| r.job.source.message_id.as_str()),
            /* message_at */ &column(rows, |r| r.job.source.message_at),
        ],
    )
    .await?;
    Ok(())
}

async fn queueable(tx: &Tx<'_>, after: &Builds) -> Result<(), StoreError> {
    let (mut jobs, mut of_builds, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for rows in after {
        for (job, waits) in &rows.outcome.queueable {
            if *waits {
                jobs.push(*job);
                of_builds.push(rows.build.id);
            } else {
                gone.push(*job);
            }
        }
    }
    if !jobs.is_empty() {
        tx.query(include_str!("sql/insert_queueable.sql"), &[&jobs, &of_builds]).await?;
    }
    if !gone.is_empty() {
        tx.query(include_str!("sql/delete_queueable.sql"), &[&gone]).await?;
    }
    Ok(())
}

/// The newest builds of one repository in the batch from which its row is updated.
#[derive(Default)]
struct Newest<'r> {
    last: Option<&'r Build>,
    current: Option<i64>,
    create: Option<&'r Create>,
}

/// Slug and address of a repository.
type Location = (Option<String>, Option<String>, Option<String>);

/// Writes the repositories of builds. The rows of all changed builds' repositories are locked until the end of the
/// transaction, because the checks of builds are derived from both. Returns the builds of repositories that were
/// renamed or moved.
async fn repositories(
    tx: &Tx<'_>,
    after: &Builds,
    changed_builds: &[&Build],
    creates: impl Iterator<Item = &Create>,
    clock: Option<Timestamp>,
) -> Result<Vec<i64>, StoreError> {
    let mut newest: BTreeMap<i64, Newest<'_>> = BTreeMap::new();
    for Rows { build, outcome, .. } in after.iter().filter(|rows| rows.outcome.is_last || rows.outcome.is_current) {
        // Builds come in the order of their ids.
        let newest = newest.entry(build.repository_id).or_default();
        newest.last = Some(build).filter(|_| outcome.is_last).or(newest.last);
        newest.current = Some(build.id).filter(|_| outcome.is_current).or(newest.current);
    }
    let sent = |create: &Create| (create.message.sent_at.or(clock), create.message.id.clone());
    // The newest build determines the name of its repository, in whatever order builds arrive.
    let build_id = |create: &Create| create.build.as_ref().map_or(0, |(_, build)| build.id);
    for create in creates {
        let Some((repository, _)) = &create.build else { continue };
        let newest = newest.entry(repository.id).or_default();
        let names =
            |create: &Create| create.build.as_ref().is_some_and(|(repository, _)| repository.owner_name.is_some());
        if newest.create.is_none_or(|known| (names(known), build_id(known)) < (names(create), build_id(create))) {
            newest.create = Some(create);
        }
    }
    let ids: BTreeSet<i64> =
        newest.keys().copied().chain(changed_builds.iter().map(|build| build.repository_id)).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let known = lock_repositories(tx, &Vec::from_iter(ids)).await?;
    let mut moved: Vec<i64> = Vec::new();
    let named: Vec<_> = newest.values().filter_map(|n| n.create).collect();
    let named: Vec<_> =
        named.iter().filter_map(|create| Some((&create.build.as_ref()?.0, sent(create), build_id(create)))).collect();
    if !named.is_empty() {
        let written = tx
            .query(
                include_str!("sql/upsert_repositories.sql"),
                &[
                    /* id */ &column(&named, |(r, ..)| r.id),
                    /* owner_name */ &column(&named, |(r, ..)| r.owner_name.as_deref()),
                    /* name */ &column(&named, |(r, ..)| r.name.as_deref()),
                    /* private */ &column(&named, |(r, ..)| r.private),
                    /* url */ &column(&named, |(r, ..)| r.url.as_deref()),
                    &column(&named, |(_, sent, _)| sent.1.as_str()),
                    &column(&named, |(_, sent, _)| sent.0),
                    &column(&named, |(.., build)| *build),
                ],
            )
            .await?;
        let located = written.iter().map(located);
        moved.extend(located.filter(|(id, location)| known.get(id) != Some(location)).map(|(id, _)| id));
    }
    if !moved.is_empty() {
        let builds = tx.query(include_str!("sql/builds_of_repositories.sql"), &[&moved]).await?;
        moved = builds.iter().map(|row| row.get("id")).collect();
    }
    let newer: Vec<_> = newest.iter().filter(|(_, n)| n.last.is_some() || n.current.is_some()).collect();
    if newer.is_empty() {
        return Ok(moved);
    }
    let last = |newest: &Newest<'_>| newest.last.cloned();
    let rows: Vec<_> = newer.iter().map(|(id, newest)| (**id, last(newest), newest.current)).collect();
    tx.query(
        include_str!("sql/update_repositories.sql"),
        &[
            &column(&rows, |r| r.0),
            &column(&rows, |r| r.1.as_ref().map(|b| b.id)),
            &column(&rows, |r| r.1.as_ref().and_then(|b| b.number.clone())),
            &column(&rows, |r| r.1.as_ref().and_then(|b| b.state).map(State::name)),
            &column(&rows, |r| r.1.as_ref().and_then(|b| b.duration)),
            &column(&rows, |r| r.1.as_ref().and_then(|b| b.started_at)),
            &column(&rows, |r| r.1.as_ref().and_then(|b| b.finished_at)),
            &column(&rows, |r| r.2),
        ],
    )
    .await?;
    Ok(moved)
}

/// Locks repositories, and returns where they are.
pub(super) async fn lock_repositories(tx: &Tx<'_>, ids: &[i64]) -> Result<HashMap<i64, Location>, StoreError> {
    let locked = tx.query(include_str!("sql/lock_repositories.sql"), &[&ids]).await?;
    Ok(locked.iter().map(located).collect())
}

fn located(row: &Row) -> (i64, Location) {
    (row.get("id"), (row.get("owner_name"), row.get("name"), row.get("url")))
}
