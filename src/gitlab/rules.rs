//! Pure decisions: states, drafts, branches.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::record::{Heads, Stamp};
use crate::envelope::field::Name;
use crate::envelope::lenient;
use crate::envelope::time::second;
use crate::hex::hex;

/// A state of a merge request as GitLab keeps it, from the word, else from the number (1 opened, 2 closed, 3 merged,
/// 4 locked). `None` when neither tells.
#[must_use]
pub(super) fn state(word: Option<&str>, number: Option<i64>) -> Option<&'static str> {
    let by_word = match word.map(str::trim) {
        Some("opened" | "reopened") => Some("opened"),
        Some("closed") => Some("closed"),
        Some("merged") => Some("merged"),
        Some("locked") => Some("locked"),
        _ => None,
    };
    by_word.or(match number {
        Some(1) => Some("opened"),
        Some(2) => Some("closed"),
        Some(3) => Some("merged"),
        Some(4) => Some("locked"),
        _ => None,
    })
}

/// The state that an action leads to: the best guess where nothing names the state.
#[must_use]
pub(super) fn state_after(action: Option<&str>) -> Option<&'static str> {
    match action {
        Some("open" | "reopen") => Some("opened"),
        Some("close") => Some("closed"),
        Some("merge") => Some("merged"),
        _ => None,
    }
}

/// Decides between states of one moment: merged > closed > locked > opened.
#[must_use]
pub(super) fn state_rank(state: &str) -> i16 {
    match state {
        "merged" => 3,
        "closed" => 2,
        "locked" => 1,
        _ => 0,
    }
}

/// The place of a change among those of its second, given the time of the change before: `changes.updated_at.previous`.
#[must_use]
pub(super) fn place(version_at: Timestamp, previous: Option<Timestamp>) -> i16 {
    match previous.map(second) {
        None => Stamp::UNKNOWN,
        Some(previous) if previous < version_at => Stamp::FIRST,
        Some(_) => Stamp::LATER,
    }
}

/// How far a time of GitLab may be ahead of the message that brings it: clocks differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Whether a time can be that of a change which a message tells of. Imports and broken clocks make others.
#[must_use]
pub(super) fn is_plausible(at: Timestamp, sent_at: Option<Timestamp>) -> bool {
    sent_at.is_none_or(|sent_at| at.duration_since(sent_at) <= AHEAD)
}

/// Whether a title marks a draft, for payloads from before 2022 that have no field for it.
#[must_use]
fn draft_title(title: &str) -> bool {
    let title = title.trim_start().to_ascii_lowercase();
    ["draft:", "[draft]", "(draft)", "wip:", "[wip]"].iter().any(|mark| title.starts_with(mark))
}

/// Whether a merge request is a draft: as a message says, else by its title.
#[must_use]
pub(super) fn is_draft(told: Option<bool>, title: Option<&str>) -> bool {
    told.unwrap_or_else(|| title.is_some_and(draft_title))
}

/// A hash of 40 or 64 zeros, or none: GitLab's word for 'no commit' (a branch created or deleted).
#[must_use]
pub(super) fn is_no_commit(sha: &str) -> bool {
    sha.bytes().all(|byte| byte == b'0')
}

/// The hash of a commit that a member names, if there is one. A text with white space, or with the mark of an
/// answer's claim in front ([`Heads::ANSWER`]), names none: it is a detail that is dropped.
#[must_use]
pub(super) fn commit(member: Option<&Name<'_>>) -> Option<String> {
    let sha = member.and_then(Name::filled).filter(|sha| !is_no_commit(sha))?;
    if sha.starts_with(Heads::ANSWER) || sha.contains(char::is_whitespace) {
        lenient::dropped();
        return None;
    }
    Some(sha.to_owned())
}

/// Whether pushes to a branch are kept.
#[must_use]
pub(super) fn keeps(branches: &[String], default_branch: Option<&str>, branch: &str) -> bool {
    default_branch == Some(branch) || branches.iter().any(|kept| kept == branch || kept == "*")
}

/// The most bytes of a branch that fit into a key.
const LONGEST_BRANCH: usize = 1024;

/// A branch as it is kept. One that is too long for a key is cut, and told from others that begin the same by its hash.
#[must_use]
pub(super) fn kept_branch(branch: &str) -> String {
    if branch.len() <= LONGEST_BRANCH {
        return branch.to_owned();
    }
    let hash = format!("~{}", hex(&Sha256::digest(branch)[..8]));
    format!("{}{hash}", lenient::cut(branch.into(), LONGEST_BRANCH - hash.len()))
}

/// The path of a project and the number of a merge request in the address of its page, old form or new
/// (`../merge_requests/1`, `../-/merge_requests/1`).
#[must_use]
pub(super) fn iid_of(url: &str) -> Option<i64> {
    let number = url.split_once("/merge_requests/")?.1;
    number.split(['/', '?', '#']).next()?.parse().ok()
}

/// The host in the address of a page or a repository, in lower case.
#[must_use]
pub(super) fn host_of(url: &str) -> Option<String> {
    let authority = match url.trim().split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        None => return None,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    Some(host.to_ascii_lowercase()).filter(|host| !host.is_empty())
}

/// A title without control characters at its ends.
#[must_use]
pub(super) fn title(text: &str) -> String {
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_come_from_word_number_or_action() {
        assert_eq!(state(Some("merged "), None), Some("merged"));
        assert_eq!(state(None, Some(4)), Some("locked"));
        assert_eq!(state(Some("new word"), Some(2)), Some("closed"));
        assert_eq!(state(None, None), None);
        assert_eq!((state_after(Some("merge")), state_after(Some("approved"))), (Some("merged"), None));
    }

    #[test]
    fn what_is_no_hash_is_no_commit() {
        let read = |text: &str| {
            let json = serde_json::json!(text).to_string();
            let name: Name<'_> = serde_json::from_str(&json).expect("a text");
            lenient::counted(|| commit(Some(&name)))
        };
        assert_eq!(read("abc"), (Some("abc".to_owned()), 0));
        assert_eq!(read(&"0".repeat(40)), (None, 0));
        for text in ["a b", "!0001 b", "a\u{a0}b", "!a"] {
            assert_eq!(read(text), (None, 1), "{text}");
        }
        assert_eq!(commit(None), None);
    }

    #[test]
    fn a_change_has_its_place_in_its_second() {
        let at = |text: &str| text.parse::<Timestamp>().expect("time");
        let version_at = at("2026-03-10T10:00:00Z");
        assert_eq!(place(version_at, None), Stamp::UNKNOWN);
        assert_eq!(place(version_at, Some(at("2026-03-10T09:59:59.9Z"))), Stamp::FIRST);
        assert_eq!(place(version_at, Some(at("2026-03-10T10:00:00.5Z"))), Stamp::LATER);
        assert!(is_plausible(version_at, None) && is_plausible(version_at, Some(at("2026-03-10T09:30:00Z"))));
        assert!(!is_plausible(version_at, Some(at("2026-03-10T08:00:00Z"))));
    }

    #[test]
    fn drafts_are_known_by_any_of_their_marks() {
        for title in ["Draft: x", "draft:x", "[Draft] x", "(Draft) x", "WIP: x", "[WIP] x"] {
            assert!(draft_title(title), "{title}");
        }
        assert!(!draft_title("Drafting the contract"));
    }

    #[test]
    fn a_branch_fits_into_a_key() {
        let long = |end: &str| format!("{}{end}", "ß".repeat(600));
        assert_eq!(kept_branch("main"), "main");
        let (a, b) = (kept_branch(&long("a")), kept_branch(&long("b")));
        assert!(a != b && a.len() <= 1024 && a.starts_with("ßß"), "{a}");
    }

    #[test]
    fn the_number_is_in_the_address() {
        assert_eq!(iid_of("http://example.com/g/p/merge_requests/1402"), Some(1402));
        assert_eq!(iid_of("https://gitlab.com/g/p/-/merge_requests/3/diffs#x"), Some(3));
        assert_eq!(iid_of("https://gitlab.com/g/p/-/issues/3"), None);
    }

    #[test]
    fn branches_are_kept_by_list_or_default() {
        let main = ["main".to_owned()];
        assert!(keeps(&main, None, "main") && keeps(&main, Some("develop"), "develop"));
        assert!(!keeps(&main, Some("develop"), "feature") && keeps(&["*".to_owned()], None, "feature"));
    }
}
