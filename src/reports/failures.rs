//! Compares the failed checks of a merge request with the target branch.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::checks::failures::{Failure, TargetResult, failure};
use crate::checks::{Check, Lane, Rules, Slot, slots};
use crate::db::{Reader, StoreError, column, rows};

/// Results of the target branch that are compared.
const MOST: i64 = 100;

rows! {
    /// A result of a series of the target branch.
    pub struct TargetRow {
        /// Id of the series.
        pub series: String,
        /// Host of the repository; empty if unknown.
        pub host: String,
        /// Name of the source.
        pub system: String,
        /// Name of the check.
        pub name: String,
        /// Place of the commit.
        pub place: Timestamp,
        /// Whether it is a success.
        pub is_ok: bool,
        /// Whether checks of the commit succeeded and failed.
        pub is_flaky: bool,
    }

    /// In how many other merge requests a check fails.
    pub struct SameFailure {
        /// Name of the source.
        pub system: String,
        /// Name of the check.
        pub name: String,
        /// How many.
        pub requests: i64,
    }
}

/// Whether a check of the head of a merge request is of its change: it ran for the merge request, or for its branch.
fn is_of_request(check: &Check, target: &str) -> bool {
    check.lane == Lane::Mr || check.lane == Lane::Push && check.branch.as_deref() != Some(target)
}

/// What a failed check is, and the page of the series that it was compared with.
pub(super) type Compared = (Failure, Option<String>);

/// What the failures of a merge request's head are, beside the target branch; by the table and key of each check.
///
/// # Errors
/// As [`Reader::read`].
pub(super) async fn compare(
    reader: &mut Reader,
    (repo, target): (&str, &str),
    checks: &[Check],
    now: Timestamp,
) -> Result<BTreeMap<(String, String), Compared>, StoreError> {
    let mut compared = BTreeMap::new();
    let slots = slots(checks, &Rules::default(), now);
    let is_asked = |slot: &&Slot<'_>| {
        slot.newest.is_some_and(|check| is_of_request(check, target)) && failure(slot, &[], 0).is_some()
    };
    let asked: Vec<(&Slot<'_>, &Check)> = slots.iter().filter(is_asked).filter_map(|s| Some((s, s.newest?))).collect();
    if asked.is_empty() {
        return Ok(compared);
    }
    let (systems, names) = (column(&asked, |a| a.1.system.as_str()), column(&asked, |a| a.1.name.as_str()));
    let sql = include_str!("sql/target_results.sql");
    let results: Vec<TargetRow> = reader.read(sql, &[&systems, &names, &repo, &target, &MOST]).await?;
    let (mr, at) = (asked[0].1.mr.unwrap_or_default(), asked[0].1.created_at);
    let sql = include_str!("sql/same_failures.sql");
    let same: Vec<SameFailure> = reader.read(sql, &[&systems, &names, &repo, &mr, &at]).await?;
    for (slot, check) in asked {
        let is_same_host = |host: &str| host.is_empty() || check.host.is_empty() || host == check.host;
        let is_of = |row: &&TargetRow| row.system == check.system && row.name == check.name && is_same_host(&row.host);
        let of_target: Vec<&TargetRow> = results.iter().filter(is_of).collect();
        let before: Vec<TargetResult> = of_target
            .iter()
            .map(|row| TargetResult { place: row.place, is_ok: row.is_ok, is_flaky: row.is_flaky })
            .collect();
        let elsewhere = same.iter().find(|row| row.system == check.system && row.name == check.name);
        let elsewhere = elsewhere.map_or(0, |row| usize::try_from(row.requests).unwrap_or_default());
        let page = of_target.last().map(|row| format!("/series/{}", row.series));
        if let Some(found) = failure(slot, &before, elsewhere) {
            compared.insert((check.kind.clone(), check.key.clone()), (found, page));
        }
    }
    Ok(compared)
}
