//! The GitHub check run that shows the state of an object: its id, and whether it is completed. GitHub does not reopen
//! a completed one.

use std::collections::{BTreeMap, HashMap};

use super::Notice;
use super::due::{CheckRun, EventDue};
use crate::db::{StoreError, Tx, column};

/// The key of the check run in a payload: repository, commit and external id.
fn subject(due: &EventDue) -> Option<(String, String, String)> {
    // Few events are check runs; other notices are not parsed further.
    let Notice::CheckRun { path, body, .. } = Notice::of(&due.payload.ours())? else { return None };
    let text = |member: &str| body.get(member).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Some((path, text("head_sha"), text("external_id")))
}

/// Finds the existing check runs of events.
pub(super) async fn find(tx: &Tx<'_>, events: &mut [EventDue]) -> Result<(), StoreError> {
    let subjects: Vec<(usize, (String, String, String))> =
        events.iter().enumerate().filter_map(|(index, due)| Some((index, subject(due)?))).collect();
    if subjects.is_empty() {
        return Ok(());
    }
    let rows = tx
        .query(
            include_str!("sql/find_check_runs.sql"),
            &[
                &column(&subjects, |(index, _)| events[*index].target.clone()),
                &column(&subjects, |(_, (repo, ..))| repo.as_str()),
                &column(&subjects, |(_, (_, sha, _))| sha.as_str()),
                &column(&subjects, |(_, (.., external_id))| external_id.as_str()),
            ],
        )
        .await?;
    let found = rows.iter().map(|row| CheckRun {
        target: row.get("target"),
        repo: row.get("repo"),
        sha: row.get("sha"),
        external_id: row.get("external_id"),
        run_id: row.get("run_id"),
        completed: row.get("completed"),
    });
    let found: HashMap<_, CheckRun> = found
        .map(|run| ((run.target.clone(), run.repo.clone(), run.sha.clone(), run.external_id.clone()), run))
        .collect();
    for (index, (repo, sha, external_id)) in subjects {
        let key = (events[index].target.clone(), repo, sha, external_id);
        events[index].check_run = found.get(&key).cloned();
    }
    Ok(())
}

/// Stores check runs; of each key the newest.
///
/// # Errors
/// When the statement fails.
pub async fn keep(tx: &Tx<'_>, runs: &[&CheckRun]) -> Result<(), StoreError> {
    let mut newest: BTreeMap<(&str, &str, &str, &str), &CheckRun> = BTreeMap::new();
    for run in runs {
        let best = newest.entry((&run.target, &run.repo, &run.sha, &run.external_id)).or_insert(run);
        if (best.run_id, best.completed) < (run.run_id, run.completed) {
            *best = run;
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let rows: Vec<&CheckRun> = newest.into_values().collect();
    tx.query(
        include_str!("sql/keep_check_runs.sql"),
        &[
            /* target */ &column(&rows, |r| r.target.as_str()),
            /* repo */ &column(&rows, |r| r.repo.as_str()),
            /* sha */ &column(&rows, |r| r.sha.as_str()),
            /* external_id */ &column(&rows, |r| r.external_id.as_str()),
            /* run_id */ &column(&rows, |r| r.run_id),
            /* completed */ &column(&rows, |r| r.completed),
        ],
    )
    .await
    .map(drop)
}
