//! Writes pushes, merge requests and versions, and in `ci` pipelines, jobs and deployments. [`reads`] has the queries
//! of the web UI.

mod ci;
mod hosts;
mod known;
mod pushes;
pub mod reads;
mod relocate;
mod repositories;

use self::pushes::add_pushes;
use self::relocate::relocate;
use super::record::{Heads, MergeRequest, MrVersion, Push, Record};
use crate::checks::Touched;
use crate::checks::store::{BranchDeletion, delete_branches};
use crate::db::{Param, StoreError, Tx, column};
use std::collections::{BTreeSet, HashMap, HashSet};

pub use self::ci::{checks, lock_rows, mark_asked, open_pipelines, sweep};
pub use self::hosts::fill_hosts;
pub use self::known::{Checked, Project, known, projects, save_checked, timed_heads, untimed};
pub use self::pushes::{lock_pushes, push_times};
pub use self::repositories::{PUSHES, add_old as add_old_repositories};

/// The tables whose rows are checks. Pushes and merge requests are none.
pub const TABLES: &[&str] = &[ci::PIPELINES, ci::JOBS];

/// Writes a batch and returns the numbers of the records that changed something. Idempotent: a message that is
/// delivered again changes nothing. What pushes say of their repositories is added to `touched`.
///
/// # Errors
/// When a statement fails.
pub async fn write(tx: &Tx<'_>, batch: &[(usize, &Record)], touched: &mut Touched) -> Result<Vec<usize>, StoreError> {
    let records: Vec<&Record> = batch.iter().map(|(_, record)| *record).collect();
    let hosts =
        records.iter().filter_map(|record| record.hosts()).find(|hosts| !hosts.is_empty()).cloned().unwrap_or_default();
    let locations = relocate(tx, &records, &hosts, touched).await?;
    let located: Vec<(usize, Record)> =
        batch.iter().map(|(number, record)| (*number, locations.located(record))).collect();
    let mut pushes = Vec::new();
    let mut merge_requests = Vec::new();
    let mut versions = Vec::new();
    let mut deleted = Vec::new();
    let mut of_ci = Vec::new();
    for (number, record) in &located {
        match record {
            Record::Push(push) => pushes.push((*number, &**push)),
            Record::MergeRequest(merge_request, heads) => {
                merge_requests.push((*number, &**merge_request));
                versions.extend(heads.iter().map(|head| (*number, head)));
            }
            Record::Versions(heads) => versions.extend(heads.iter().map(|head| (*number, head))),
            Record::Renamed(_) => {}
            Record::Deleted(branch) => deleted.push((*number, branch)),
            Record::Ci(record) => of_ci.push((*number, record)),
        }
    }
    let numbers = locations.numbers_for_checks(&located);
    let requests = versions.iter().map(|(_, version)| (&*version.project, version.iid)).collect();
    let writes = async {
        let mut changed = write_pushes(tx, &pushes, touched).await?;
        changed.extend(write_merge_requests(tx, &merge_requests).await?);
        let (of_versions, pipelines) =
            tokio::try_join!(biased; write_versions(tx, &versions), ci::of_merge_requests(tx, &requests))?;
        changed.extend(of_versions);
        locations.displace(tx).await?;
        let (numbers, deletions): (Vec<usize>, Vec<&BranchDeletion>) = deleted.into_iter().unzip();
        let news = delete_branches(tx, &deletions, touched).await?;
        changed.extend(news.into_iter().map(|index| numbers[index]));
        changed.extend(ci::write(tx, &of_ci, touched).await?);
        Ok((changed, pipelines))
    };
    let ((), (mut changed, mut pipelines)) = tokio::try_join!(biased; ci::lock(tx, &numbers), writes)?;
    pipelines.extend_from_slice(&locations.moved_pipelines);
    ci::touch(tx, pipelines, touched).await?;
    changed.extend(locations.renamed(batch));
    repositories::add(&records, touched);
    Ok(Vec::from_iter(BTreeSet::from_iter(changed)))
}

async fn write_pushes(
    tx: &Tx<'_>,
    records: &[(usize, &Push)],
    touched: &mut Touched,
) -> Result<Vec<usize>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    // As for merge requests: `newest` is the number of the message that the row names, or that has the newest push.
    let mut united: HashMap<(&str, &str, &str), (usize, Push)> = HashMap::new();
    for &(number, push) in records {
        let key = (&*push.sha, &*push.repo, &*push.branch);
        let entry = match united.remove(&key) {
            Some((newest, known)) => {
                let both = known.clone().merge(push.clone());
                let is_news = both.message_id != known.message_id || both.times != known.times;
                (if is_news { number } else { newest }, both)
            }
            None => (number, push.clone()),
        };
        united.insert(key, entry);
    }
    let rows: Vec<&Push> = united.values().map(|(_, push)| push).collect();
    let changed = tx
        .query(
            include_str!("sql/upsert_pushes.sql"),
            &[
                /* sha */ &column(&rows, |r| r.sha.as_str()),
                /* repo */ &column(&rows, |r| r.repo.as_str()),
                /* ref */ &column(&rows, |r| r.branch.as_str()),
                /* project_id */ &column(&rows, |r| r.project_id),
                /* host */ &column(&rows, |r| r.host.as_deref()),
                /* default_branch */ &column(&rows, |r| r.default_branch.as_deref()),
                /* before_sha */ &column(&rows, |r| r.before_sha.as_deref()),
                /* times */ &column(&rows, |r| serde_json::json!(r.times).to_string()),
                /* committed_at */ &column(&rows, |r| r.committed_at),
                /* title */ &column(&rows, |r| r.title.as_deref()),
                /* author */ &column(&rows, |r| r.author.as_deref()),
                /* pushed_by */ &column(&rows, |r| r.pushed_by.as_deref()),
                /* url */ &column(&rows, |r| r.url.as_deref()),
                /* commit_count */ &column(&rows, |r| r.commit_count),
                /* changed_files */ &column(&rows, |r| serde_json::json!(r.changed_files).to_string()),
                /* files_complete */ &column(&rows, |r| r.files_complete),
                /* message_id */ &column(&rows, |r| r.message_id.as_str()),
                /* message_at */ &column(&rows, |r| r.message_at),
            ],
        )
        .await?;
    add_pushes(&changed, touched);
    let find = |row: &tokio_postgres::Row| united.get(&(row.get("sha"), row.get("repo"), row.get("ref"))).map(|u| u.0);
    Ok(changed.iter().filter_map(find).collect())
}

async fn write_merge_requests(tx: &Tx<'_>, records: &[(usize, &MergeRequest)]) -> Result<Vec<usize>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    // A row can have values of several messages. Its change is attributed to `newest`, the number of the message with
    // the newest state.
    let mut united: HashMap<(&str, i64), (usize, MergeRequest)> = HashMap::new();
    for &(number, merge_request) in records {
        let key = (merge_request.project.as_str(), merge_request.iid);
        let entry = match united.remove(&key) {
            Some((newest, known)) => {
                let newest = if merge_request.stamp > known.stamp { number } else { newest };
                (newest, known.merge(merge_request.clone()))
            }
            None => (number, merge_request.clone()),
        };
        united.insert(key, entry);
    }
    let rows: Vec<&MergeRequest> = united.values().map(|(_, merge_request)| merge_request).collect();
    let head = rows.iter().map(|r| r.head.as_ref()).collect::<Vec<_>>();
    let author = rows.iter().map(|r| r.author.as_ref()).collect::<Vec<_>>();
    let project = column(&rows, |r| r.project.as_str());
    let iid = column(&rows, |r| r.iid);
    let upsert = include_str!("sql/upsert_merge_requests.sql");
    let key: [Param<'_>; 2] = [&project, &iid];
    let state: [Param<'_>; 26] = [
        /* project_id */ &column(&rows, |r| r.project_id),
        /* host */ &column(&rows, |r| r.host.as_deref()),
        /* state */ &column(&rows, |r| r.state),
        /* state_rank */ &column(&rows, |r| r.stamp.state_rank),
        /* title */ &column(&rows, |r| r.title.as_deref()),
        /* draft */ &column(&rows, |r| r.draft),
        /* source_branch */ &column(&rows, |r| r.source_branch.as_deref()),
        /* target_branch */ &column(&rows, |r| r.target_branch.as_deref()),
        /* source_project_id */ &column(&rows, |r| r.source_project_id),
        /* target_project_id */ &column(&rows, |r| r.target_project_id),
        /* author_id */ &column(&rows, |r| r.author_id),
        /* merge_commit_sha */ &column(&rows, |r| r.merge_commit_sha.as_deref()),
        /* labels */ &column(&rows, |r| serde_json::json!(r.labels).to_string()),
        /* url */ &column(&rows, |r| r.url.as_deref()),
        /* last_action */ &column(&rows, |r| r.last_action.as_deref()),
        /* last_actor */ &column(&rows, |r| r.last_actor.as_deref()),
        /* created_at */ &column(&rows, |r| r.created_at),
        /* updated_at */ &column(&rows, |r| r.updated_at),
        /* version_at */ &column(&rows, |r| r.stamp.version_at),
        /* place */ &column(&rows, |r| r.stamp.place),
        /* told */ &column(&rows, |r| r.stamp.told),
        /* content */ &column(&rows, |r| r.stamp.content),
        /* source */ &column(&rows, |r| r.source),
        /* deleted_at */ &column(&rows, |r| r.deleted_at),
        /* message_id */ &column(&rows, |r| r.stamp.message_id.as_str()),
        /* message_at */ &column(&rows, |r| r.stamp.message_at),
    ];
    // The columns with versions of their own, from `head_claims` to `heard_at`.
    let claims =
        |head: &Option<&Heads>| head.map_or_else(|| "[]".to_owned(), |head| serde_json::json!(head.claims).to_string());
    let rest: [Param<'_>; 10] = [
        &column(&head, claims),
        &column(&head, |h| h.map(|head| head.version_at)),
        &column(&head, |h| h.map(|head| head.message.0)),
        &column(&head, |h| h.map(|head| head.message.1.as_str())),
        &column(&author, |a| a.map(|author| author.name.as_str())),
        &column(&author, |a| a.map(|author| author.version_at)),
        &column(&author, |a| a.map(|author| author.message.0)),
        &column(&author, |a| a.map(|author| author.message.1.as_str())),
        &column(&rows, |r| r.merged_at),
        &column(&rows, |r| r.heard_at),
    ];
    let all = [&key[..], &state, &rest].concat();
    let changed = tx.query(upsert, &all).await?;
    let without_state = [&key[..], &rest].concat();
    let enriched = tx.query(include_str!("sql/enrich_merge_requests.sql"), &without_state).await?;
    let keys: HashSet<(&str, i64)> =
        changed.iter().chain(&enriched).map(|row| (row.get("project"), row.get("iid"))).collect();
    Ok(united.iter().filter(|(key, _)| keys.contains(*key)).map(|(_, (newest, _))| *newest).collect())
}

/// All records of one head, and the record that they merge to.
type MergedVersion<'r> = (Vec<(usize, &'r MrVersion)>, MrVersion);

async fn write_versions(tx: &Tx<'_>, records: &[(usize, &MrVersion)]) -> Result<Vec<usize>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let mut united: HashMap<(&str, i64, &str), MergedVersion<'_>> = HashMap::new();
    for &(number, version) in records {
        let key = (version.project.as_str(), version.iid, version.sha.as_str());
        let (mut records_of_head, known) = united.remove(&key).unwrap_or_else(|| (Vec::new(), version.clone()));
        records_of_head.push((number, version));
        united.insert(key, (records_of_head, known.merge(version.clone())));
    }
    let rows: Vec<&MrVersion> = united.values().map(|(_, version)| version).collect();
    let changed = tx
        .query(
            include_str!("sql/upsert_mr_versions.sql"),
            &[
                /* project */ &column(&rows, |r| r.project.as_str()),
                /* iid */ &column(&rows, |r| r.iid),
                /* sha */ &column(&rows, |r| r.sha.as_str()),
                /* head_at */ &column(&rows, |r| r.head.as_ref().map(|head| head.0)),
                /* head_message_at */ &column(&rows, |r| r.head.as_ref().map(|head| head.1)),
                /* head_message_id */ &column(&rows, |r| r.head.as_ref().map(|head| head.2.as_str())),
                /* seen_at */ &column(&rows, |r| r.seen.0),
                /* seen_message_at */ &column(&rows, |r| r.seen.1),
                /* seen_message_id */ &column(&rows, |r| r.seen.2.as_str()),
            ],
        )
        .await?;
    let find = |row: &tokio_postgres::Row| {
        let (records_of_head, version) = united.get(&(row.get("project"), row.get("iid"), row.get("sha")))?;
        // The change is attributed to the message that the row now names.
        let by = version.head.as_ref().unwrap_or(&version.seen);
        let by = records_of_head.iter().find(|(_, record)| record.head.as_ref() == Some(by) || record.seen == *by);
        by.map(|(number, _)| *number)
    };
    Ok(changed.iter().filter_map(find).collect())
}
