//! Pure decisions: which value of a column wins, which milestones a checkout has reached, and the summary of a set of
//! results.
//!
//! # Version guard
//!
//! KCIDB lets an object be sent again with more or other properties, and upstream stores the values in the order in
//! which they arrive. Here the order of arrival has no effect: each column has the value of the newest message that has
//! one, where newest is by (time sent, id of the message), the [`Stamp`]. Writing is therefore idempotent and
//! commutative: every order and every repetition of the same messages gives the same rows.
//!
//! A row has one stamp, of the newest message about the object, and in addition only the stamps of columns whose value
//! comes from an older message ([`Stamps::older`]); nearly always there are none.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::{Cell, Column, Object, Record};
use crate::outbox::State;
use crate::transport::{Latest, Rejection};

/// The version of a message: the greater one is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp<'s> {
    /// When it was sent; without a time it is older than any other.
    pub at: Option<Timestamp>,
    /// Its id, which decides between messages of one moment.
    pub id: &'s str,
}

/// Which columns have a value, and from which message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps<'s> {
    /// Stamp of the newest message about the object.
    pub newest: Stamp<'s>,
    /// Columns whose value comes from an older message; sorted by column.
    pub older: Vec<(usize, Stamp<'s>)>,
    /// A bit for each column that has a value.
    pub filled: u32,
}

impl<'s> Stamps<'s> {
    /// The stamps of an object of a single message.
    #[must_use]
    pub fn of(object: &Object, stamp: Stamp<'s>) -> Self {
        let bits = object.cells.iter().enumerate().filter(|(_, cell)| cell.is_some());
        Self { newest: stamp, older: Vec::new(), filled: bits.fold(0, |filled, (column, _)| filled | 1 << column) }
    }

    /// The stamp of a column's value, if it has one.
    fn column(&self, column: usize) -> Option<Stamp<'s>> {
        let stamp = || self.older.iter().find(|(older, _)| *older == column).map_or(self.newest, |(_, stamp)| *stamp);
        (self.filled & 1 << column != 0).then(stamp)
    }

    /// The stamps of both merged, and a bit for each column whose value is to be taken from `other`.
    #[must_use]
    pub fn merge(&self, other: &Self) -> (Self, u32) {
        let newest = self.newest.max(other.newest);
        let (mut older, mut taken) = (Vec::new(), 0);
        for column in 0..32 {
            let (ours, theirs) = (self.column(column), other.column(column));
            if theirs > ours {
                taken |= 1 << column;
            }
            match ours.max(theirs) {
                Some(stamp) if stamp != newest => older.push((column, stamp)),
                _ => {}
            }
        }
        (Self { newest, older, filled: self.filled | other.filled }, taken)
    }

    /// The older stamps as the column `older` stores them: `[["2026-01-02T03:04:05Z", "id", ["status", ..]], ..]`, one
    /// entry for each message. `None` if there are none.
    #[must_use]
    pub fn older_json(&self, columns: &[Column]) -> Option<Value> {
        let mut messages: Vec<(Stamp<'_>, Vec<&str>)> = Vec::new();
        for (column, stamp) in &self.older {
            match messages.iter_mut().find(|(known, _)| known == stamp) {
                Some((_, names)) => names.push(columns[*column].name),
                None => messages.push((*stamp, vec![columns[*column].name])),
            }
        }
        messages.sort();
        let messages: Vec<Value> = messages
            .into_iter()
            .map(|(stamp, names)| json!([stamp.at.map(|at| at.to_string()), stamp.id, names]))
            .collect();
        (!messages.is_empty()).then(|| messages.into())
    }

    /// Parses the output of [`Stamps::older_json`].
    #[must_use]
    pub fn older_from<'j>(json: Option<&'j Value>, columns: &[Column]) -> Vec<(usize, Stamp<'j>)> {
        let mut older = Vec::new();
        for message in json.and_then(Value::as_array).into_iter().flatten() {
            let at = message[0].as_str().and_then(|at| at.parse().ok());
            let stamp = Stamp { at, id: message[1].as_str().unwrap_or_default() };
            for name in message[2].as_array().into_iter().flatten().filter_map(Value::as_str) {
                older.extend(columns.iter().position(|column| column.name == name).map(|column| (column, stamp)));
            }
        }
        older.sort_by_key(|(a, _)| *a);
        older
    }
}

/// Overwrites the values of an object with those of a later object of the same message.
pub(super) fn overlay(earlier: &mut Object, later: &mut Object) {
    for (cell, over) in earlier.cells.iter_mut().zip(&mut later.cells) {
        if over.is_some() {
            *cell = over.take();
        }
    }
}

/// Counts of a checkout's builds and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether its origin has sent the time at which it finished all builds.
    pub builds_finish_time: bool,
    /// Whether its origin has sent the time at which it finished all tests.
    pub tests_finish_time: bool,
    /// Builds.
    pub builds: i64,
    /// Builds without a status whose tests have none either: some origins send no status for builds.
    pub builds_running: i64,
    /// Builds that passed and have no tests yet: their tests are not planned yet.
    pub builds_unplanned: i64,
    /// Tests without a status.
    pub tests_running: i64,
    /// Failed and errored builds and tests without a statement about a known cause.
    pub untriaged: i64,
}

/// A state of a whole checkout, whose first occurrence is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// All builds have a result, and all of their tests are known.
    BuildSetupsFinished,
    /// All tests have a result.
    TestsFinished,
    /// All tests have a result, and each failure has been triaged.
    ReadyToReport,
}

impl Milestone {
    /// All milestones, in the order in which they are reached.
    pub const ALL: [Self; 3] = [Self::BuildSetupsFinished, Self::TestsFinished, Self::ReadyToReport];

    /// The name in messages and in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BuildSetupsFinished => "build_setups_finished",
            Self::TestsFinished => "tests_finished",
            Self::ReadyToReport => "ready_to_report",
        }
    }
}

/// The milestones that a checkout has reached. `overdue` means that it has been silent for so long that it counts as
/// finished.
///
/// A build that passed and has no tests yet is not set up: its test plan arrives later than its result, and in between
/// the checkout only looks finished (a race condition of upstream). The finish times that the origin sends in schema
/// 5.1 and newer overrule the counts.
#[must_use]
pub fn milestones(progress: &Progress, overdue: bool) -> Vec<Milestone> {
    if progress.builds == 0 {
        return Vec::new();
    }
    let counted = progress.builds_running == 0 && progress.builds_unplanned == 0;
    let declared = progress.builds_finish_time || progress.tests_finish_time;
    let tests_finished = overdue || progress.tests_finish_time || (counted && progress.tests_running == 0);
    let reached = |milestone: &Milestone| match milestone {
        Milestone::BuildSetupsFinished => counted || declared || overdue,
        Milestone::TestsFinished => tests_finished,
        Milestone::ReadyToReport => tests_finished && progress.untriaged == 0,
    };
    Milestone::ALL.into_iter().filter(reached).collect()
}

/// Results, worst first: a summary is the first of these that occurs (kcidb-io, `status`).
pub const STATUSES: [&str; 6] = ["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"];

/// The worst of the results; `None` in the input is a pending result, which does not count.
pub fn summary<'s>(statuses: impl IntoIterator<Item = Option<&'s str>>) -> Option<&'static str> {
    let ranks = statuses.into_iter().flatten().filter_map(|status| STATUSES.iter().position(|s| *s == status));
    ranks.min().map(|rank| STATUSES[rank])
}

/// The state of a checkout as a check, by the worst result of its builds and tests. A failure counts at once; all else
/// counts when all tests have finished.
#[must_use]
pub(super) fn check_state(valid: Option<bool>, progress: &Progress, worst: Option<&str>) -> State {
    // A checkout without builds reaches no milestone.
    let has_finished = match progress.builds {
        0 => progress.tests_finish_time,
        _ => milestones(progress, false).contains(&Milestone::TestsFinished),
    };
    match worst {
        _ if valid == Some(false) => State::Failed,
        Some("FAIL" | "ERROR" | "MISS") if !has_finished => State::Failing,
        _ if !has_finished => State::Running,
        Some("FAIL") => State::Failed,
        Some("ERROR" | "MISS") => State::Errored,
        Some("PASS" | "DONE") => State::Passed,
        Some("SKIP") => State::Skipped,
        Some(_) => State::Unknown,
        None => State::NotRun,
    }
}

/// Host, in lower case and without user and port, and path of the repository at an address. `None` if one of them is
/// missing.
#[must_use]
pub(super) fn repository(url: &str) -> Option<(String, String)> {
    let (authority, path) = url.trim().split_once("://")?.1.split_once('/')?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let path = path.split(['?', '#']).next()?.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    (is_host && !path.is_empty()).then(|| (host.to_ascii_lowercase(), path.to_owned()))
}

impl Record {
    /// Clamps the times that the sender wrote. An impossible one (in the future) becomes the known time of the message.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
        let (Self::Submission(submission), Some((bound, known))) = (self, latest.micros()) else { return Ok(()) };
        for cell in submission.objects.iter_mut().flatten().flat_map(|object| &mut object.cells) {
            if let Some(Cell::Time(at)) = cell
                && *at > bound
            {
                *at = known;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::kcidb::record::{Cell, Kind};

    const IDS: [&str; 4] = ["a", "b", "c", "d"];

    /// Objects of messages: the value of each column names its message, which identifies the winner.
    fn objects() -> impl Strategy<Value = Vec<(Object, Stamp<'static>)>> {
        let cells = prop::collection::vec(any::<bool>(), 9);
        let at = prop::option::of(0..2_i64);
        let message = (cells, at).prop_map(|(cells, at)| (cells, at.and_then(|at| Timestamp::from_second(at).ok())));
        prop::collection::vec(message, 1..4).prop_map(|messages| {
            let object = |(index, (cells, at)): (usize, (Vec<bool>, _))| {
                let cell = |filled: bool| filled.then(|| Cell::Text(IDS[index].into()));
                let cells = cells.into_iter().map(cell).collect();
                (Object { id: "o:1".to_owned(), version: 0, cells }, Stamp { at, id: IDS[index] })
            };
            messages.into_iter().enumerate().map(object).collect()
        })
    }

    type State<'s> = (Stamps<'s>, Vec<Option<Cell>>);

    fn merged<'s>(a: &State<'s>, b: &State<'s>) -> State<'s> {
        let (stamps, taken) = a.0.merge(&b.0);
        let cells = (0..a.1.len()).map(|c| if taken & 1 << c == 0 { a.1[c].clone() } else { b.1[c].clone() });
        (stamps, cells.collect())
    }

    proptest! {
        #[test]
        fn any_order_and_grouping_gives_the_newest_value_of_each_column(
            sent in objects(),
            order in Just([2, 0, 1, 0, 2, 1]).prop_shuffle(),
        ) {
            let states: Vec<State<'_>> = sent.iter().map(|(o, s)| (Stamps::of(o, *s), o.cells.clone())).collect();
            let forward = states.iter().skip(1).fold(states[0].clone(), |state, next| merged(&state, next));
            let mut shuffled = order.iter().filter(|i| **i < states.len()).map(|i| &states[*i]);
            let first = shuffled.next().unwrap().clone();
            prop_assert_eq!(&shuffled.fold(first, |state, next| merged(&state, next)), &forward);
            let last = states[states.len() - 1].clone();
            let grouped = states.iter().rev().skip(1).fold(last, |state, next| merged(next, &state));
            prop_assert_eq!(&grouped, &forward);
            for column in 0..9 {
                let newest = sent.iter().filter(|(o, _)| o.cells[column].is_some()).max_by_key(|(_, s)| *s);
                prop_assert_eq!(&forward.1[column], &newest.and_then(|(o, _)| o.cells[column].clone()));
            }
            let columns = Kind::Issue.columns();
            let json = forward.0.older_json(columns);
            prop_assert_eq!(Stamps::older_from(json.as_ref(), columns), forward.0.older);
        }
    }

    #[test]
    fn the_counts_decide_and_the_origin_overrules_them() {
        let done = Progress { builds: 2, ..Progress::default() };
        let names = |progress: Progress| milestones(&progress, false).iter().map(|m| m.name()).collect::<Vec<_>>();
        let all = Milestone::ALL.map(Milestone::name);
        assert_eq!(names(Progress::default()), [""; 0]);
        assert_eq!(names(Progress { tests_finish_time: true, ..Progress::default() }), [""; 0]);
        assert_eq!(names(done), all);
        assert_eq!(names(Progress { untriaged: 1, ..done }), all[..2]);
        assert_eq!(names(Progress { tests_running: 1, ..done }), all[..1]);
        assert_eq!(names(Progress { builds_running: 1, ..done }), [""; 0]);
        // The race: passed, but no test known yet.
        let race = Progress { builds_unplanned: 1, ..done };
        assert_eq!(names(race), [""; 0]);
        assert_eq!(names(Progress { builds_finish_time: true, ..race }), all[..1]);
        assert_eq!(names(Progress { tests_finish_time: true, ..race }), all);
        assert_eq!(milestones(&Progress { tests_running: 3, untriaged: 1, ..race }, true).len(), 2);
    }

    #[test]
    fn a_failure_counts_at_once_and_all_else_at_the_end() {
        use crate::outbox::State;
        let done = Progress { builds: 2, ..Progress::default() };
        let running = Progress { tests_running: 1, ..done };
        let declared = Progress { tests_finish_time: true, ..Progress::default() };
        for (worst, unfinished, finished) in [
            (Some("FAIL"), State::Failing, State::Failed),
            (Some("ERROR"), State::Failing, State::Errored),
            (Some("MISS"), State::Failing, State::Errored),
            (Some("PASS"), State::Running, State::Passed),
            (Some("DONE"), State::Running, State::Passed),
            (Some("SKIP"), State::Running, State::Skipped),
            (None, State::Running, State::NotRun),
        ] {
            assert_eq!(check_state(None, &running, worst), unfinished, "{worst:?}");
            assert_eq!(check_state(Some(true), &done, worst), finished, "{worst:?}");
            assert_eq!(check_state(Some(false), &running, worst), State::Failed, "{worst:?}");
        }
        assert_eq!(check_state(None, &Progress::default(), None), State::Running);
        assert_eq!(check_state(None, &declared, None), State::NotRun);
    }

    #[test]
    fn addresses_name_a_host_and_a_path() {
        let kernel = "pub/scm/linux/kernel/git/torvalds/linux";
        for (url, expected) in [
            ("https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git", Some(("git.kernel.org", kernel))),
            (
                "git://user@GIT.kernel.org:9418//pub/scm/linux/kernel/git/torvalds/linux/",
                Some(("git.kernel.org", kernel)),
            ),
            ("https://gitlab.com/a/b/c.git?x#y", Some(("gitlab.com", "a/b/c"))),
            ("https://gitlab.com/", None),
            ("https://gitlab.com", None),
            ("file:///srv/linux", None),
            ("https://[::1]/a/b", None),
            ("urn:a:b", None),
            ("", None),
        ] {
            let found = repository(url);
            assert_eq!(found.as_ref().map(|(host, path)| (host.as_str(), path.as_str())), expected, "{url}");
        }
    }

    #[test]
    fn the_worst_result_counts() {
        assert_eq!(summary([Some("PASS"), Some("MISS"), None]), Some("MISS"));
        assert_eq!(summary([Some("ERROR"), Some("FAIL")]), Some("FAIL"));
        assert_eq!(summary([Some("SKIP"), Some("DONE")]), Some("DONE"));
        assert_eq!(summary([None, None]), None);
    }
}
