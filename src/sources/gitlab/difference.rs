//! Compares an API response with the stored merge request. Pure.

use jiff::Timestamp;

use super::message::ASKED;
use super::record::{MergeRequest, Stamp};
use crate::transport::time::second;

/// One column that differed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Name of the column.
    pub field: &'static str,
    /// Stored value; empty for none.
    pub old: String,
    /// Correct value.
    pub new: String,
}

/// Result of the comparison of an API response with the stored merge request.
#[derive(Clone, Debug)]
pub enum Comparison {
    /// The response has the same values.
    Same,
    /// The response is outdated: a newer webhook has arrived since.
    Older,
    /// The response has other values: the record to write, and the changes.
    Differs(Box<MergeRequest>, Vec<Change>),
}

/// Compares the stored merge request with an API response about it. [`Comparison::Differs`] has no changes if the
/// response only adds details, or a later `updated_at` without a change that has a webhook (for example a comment).
#[must_use]
pub fn compare(known: &MergeRequest, mut answer: MergeRequest) -> Comparison {
    if known.deleted_at.is_some() {
        // Reconcile marked it as deleted; no message will ever say that it is not.
        answer.stamp.version_at = answer.stamp.version_at.max(known.stamp.version_at);
        answer.stamp.place = known.stamp.place.saturating_add(1);
    }
    if answer.stamp < known.stamp {
        return Comparison::Older;
    }
    complete(&mut answer, known);
    let changes = changes(known, &answer);
    if changes.is_empty() && !adds_details(known, &answer) {
        return Comparison::Same;
    }
    if changes.is_empty() {
        // Nothing has happened, so the last action is still the last.
        answer.last_action.clone_from(&known.last_action);
        answer.last_actor.clone_from(&known.last_actor);
    }
    Comparison::Differs(Box::new(answer), changes)
}

/// The record of a deleted merge request: closed, and deleted at the time of a complete API response without it. The
/// other columns stay. Its version is the last of the second of the stored state: any later state outranks it, but no
/// message of that second does. A merge request that is reopened wrongly is found again by the next reconcile; one that
/// is deleted wrongly is not, because only open ones are requested.
#[must_use]
pub fn gone(known: &MergeRequest, asked_at: Timestamp) -> (MergeRequest, Vec<Change>) {
    let mut gone = known.clone();
    gone.state = "closed";
    gone.deleted_at = Some(asked_at);
    gone.source = "reconcile";
    gone.stamp = Stamp {
        place: known.stamp.place.max(Stamp::ANSWER).saturating_add(1),
        state_rank: super::moment::state_rank(gone.state),
        message_at: asked_at,
        message_id: format!("{ASKED}{asked_at}"),
        ..known.stamp.clone()
    };
    // These have versions of their own, which must not change.
    (gone.head, gone.author, gone.merged_at) = (None, None, None);
    let change = Change { field: "state", old: known.state.to_owned(), new: "deleted".to_owned() };
    (gone, vec![change])
}

/// Fills members that the API response lacks from the stored row: for these a missing member does not mean "none".
fn complete(answer: &mut MergeRequest, known: &MergeRequest) {
    fn fill<T: Clone>(answer: &mut Option<T>, known: Option<&T>) {
        *answer = answer.take().or_else(|| known.cloned());
    }
    fill(&mut answer.project_id, known.project_id.as_ref());
    fill(&mut answer.title, known.title.as_ref());
    fill(&mut answer.source_branch, known.source_branch.as_ref());
    fill(&mut answer.target_branch, known.target_branch.as_ref());
    fill(&mut answer.source_project_id, known.source_project_id.as_ref());
    fill(&mut answer.target_project_id, known.target_project_id.as_ref());
    fill(&mut answer.author_id, known.author_id.as_ref());
    fill(&mut answer.merge_commit_sha, known.merge_commit_sha.as_ref());
    fill(&mut answer.url, known.url.as_ref());
    fill(&mut answer.created_at, known.created_at.as_ref());
    fill(&mut answer.updated_at, known.updated_at.as_ref());
}

/// Differences in the columns that have webhooks. Such a difference means that a webhook was lost.
fn changes(known: &MergeRequest, answer: &MergeRequest) -> Vec<Change> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let head = |of: &MergeRequest| text(of.head.as_ref().map(|head| head.sha.as_str()));
    let state = |of: &MergeRequest| if of.deleted_at.is_some() { "deleted" } else { of.state }.to_owned();
    let pairs = [
        ("state", state(known), state(answer)),
        ("sha", head(known), if answer.head.is_some() { head(answer) } else { head(known) }),
        ("title", text(known.title.as_deref()), text(answer.title.as_deref())),
        ("draft", known.draft.to_string(), answer.draft.to_string()),
        ("source_branch", text(known.source_branch.as_deref()), text(answer.source_branch.as_deref())),
        ("target_branch", text(known.target_branch.as_deref()), text(answer.target_branch.as_deref())),
        ("merge_commit_sha", text(known.merge_commit_sha.as_deref()), text(answer.merge_commit_sha.as_deref())),
        ("labels", known.labels.join(", "), answer.labels.join(", ")),
    ];
    pairs.into_iter().filter(|(_, old, new)| old != new).map(|(field, old, new)| Change { field, old, new }).collect()
}

/// Whether the API response has details that webhooks lack or have less precisely.
fn adds_details(known: &MergeRequest, answer: &MergeRequest) -> bool {
    let at = |time: Option<Timestamp>| time.map(second);
    let author = |of: &MergeRequest| of.author.as_ref().map(|author| author.name.clone());
    let is_merged_earlier = match (known.merged_at, answer.merged_at) {
        (Some(known), Some(answer)) => answer < known,
        (known, answer) => known.is_none() && answer.is_some(),
    };
    at(known.updated_at) != at(answer.updated_at)
        || at(known.created_at) != at(answer.created_at)
        || known.url != answer.url
        || known.project_id != answer.project_id
        || known.source_project_id != answer.source_project_id
        || known.target_project_id != answer.target_project_id
        || known.author_id != answer.author_id
        || (answer.author.is_some() && author(known) != author(answer))
        || is_merged_earlier
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::gitlab::read_merge_requests;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    fn answer(state: &str, updated_at: &str, asked_at: &str) -> MergeRequest {
        let text = format!(
            r#"[{{"iid":1,"project_id":5,"state":"{state}","title":"t","sha":"a","updated_at":"{updated_at}"}}]"#
        );
        read_merge_requests(&text, "g/p", at(asked_at)).expect("page").merge_requests.remove(0)
    }

    /// A stored row, as a webhook left it.
    fn known(state: &str, updated_at: &str, sent_at: &str) -> MergeRequest {
        let mut known = answer(state, updated_at, sent_at);
        known.stamp.place = Stamp::UNKNOWN;
        known.source = "webhook";
        known.last_action = Some("approved".to_owned());
        known
    }

    fn fields(comparison: Comparison) -> Option<Vec<String>> {
        match comparison {
            Comparison::Differs(_, changes) => {
                Some(changes.iter().map(|c| format!("{} {} -> {}", c.field, c.old, c.new)).collect())
            }
            Comparison::Same | Comparison::Older => None,
        }
    }

    #[test]
    fn milliseconds_are_no_difference() {
        let known = known("opened", "2026-03-10T10:00:00Z", "2026-03-10T10:00:01Z");
        let answer = answer("opened", "2026-03-10T10:00:00.999Z", "2026-03-10T11:00:00Z");
        assert!(matches!(compare(&known, answer), Comparison::Same));
    }

    #[test]
    fn an_answer_outranks_webhooks_of_its_second_once_that_is_over() {
        // A webhook about the second change of that second.
        let mut before = known("opened", "2026-03-10T10:00:00Z", "2026-03-10T10:00:00.8Z");
        before.stamp.place = Stamp::LATER;
        let over = answer("closed", "2026-03-10T10:00:00.5Z", "2026-03-10T10:00:01Z");
        assert_eq!(fields(compare(&before, over)), Some(vec!["state opened -> closed".to_owned()]));
        let within = answer("closed", "2026-03-10T10:00:00.5Z", "2026-03-10T10:00:00.9Z");
        assert!(matches!(compare(&before, within), Comparison::Older));
    }

    #[test]
    fn a_merged_one_stays_merged() {
        let merged = known("merged", "2026-03-10T10:00:00Z", "2026-03-10T10:00:00.8Z");
        for state in ["opened", "closed", "locked"] {
            let later = answer(state, "2026-03-10T12:00:00Z", "2026-03-10T13:00:00Z");
            assert!(matches!(compare(&merged, later), Comparison::Older), "{state}");
        }
    }

    #[test]
    fn a_comment_is_no_change_and_leaves_the_action() {
        let known = known("opened", "2026-03-10T10:00:00Z", "2026-03-10T10:00:01Z");
        let answer = answer("opened", "2026-03-10T10:30:00.5Z", "2026-03-10T11:00:00Z");
        let Comparison::Differs(record, changes) = compare(&known, answer) else { panic!("same") };
        assert_eq!((changes.len(), record.last_action.as_deref()), (0, Some("approved")));
    }

    #[test]
    fn members_that_the_answer_lacks_are_kept() {
        let mut known = known("opened", "2026-03-10T10:00:00Z", "2026-03-10T10:00:01Z");
        known.source_branch = Some("b".to_owned());
        known.author_id = Some(3);
        let mut answer = answer("closed", "2026-03-10T10:30:00Z", "2026-03-10T11:00:00Z");
        answer.head = None;
        let Comparison::Differs(record, changes) = compare(&known, answer) else { panic!("same") };
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!((record.source_branch.as_deref(), record.author_id), (Some("b"), Some(3)));
    }

    #[test]
    fn a_deleted_one_stays_deleted_until_it_is_listed_again() {
        let known = known("opened", "2026-03-10T10:00:00Z", "2026-03-10T10:00:01Z");
        let (record, changes) = gone(&known, at("2026-03-10T11:00:00.25Z"));
        assert_eq!((changes[0].new.as_str(), record.state, record.head.is_none()), ("deleted", "closed", true));
        assert!(record.stamp > known.stamp);
        let seen = answer("opened", "2026-03-10T10:00:00.1Z", "2026-03-10T11:30:00Z");
        // As it is read back: columns that the record does not change are still there.
        let kept = MergeRequest { head: known.head.clone(), ..record };
        assert_eq!(fields(compare(&kept, seen)), Some(vec!["state deleted -> opened".to_owned()]));
    }
}
