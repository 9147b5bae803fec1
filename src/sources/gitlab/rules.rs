//! Decisions of this source: states, drafts, branches, commits, URLs. Pure.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::record::{Heads, Stamp};
use crate::platform::hex::hex;
use crate::transport::field::Name;
use crate::transport::lenient;
use crate::transport::time::second;

/// The state of a merge request by its name, else by its number (1 opened, 2 closed, 3 merged, 4 locked). `None` if
/// neither is known.
#[must_use]
pub(super) fn state(name: Option<&str>, number: Option<i64>) -> Option<&'static str> {
    let by_name = match name.map(str::trim) {
        Some("opened" | "reopened") => Some("opened"),
        Some("closed") => Some("closed"),
        Some("merged") => Some("merged"),
        Some("locked") => Some("locked"),
        _ => None,
    };
    by_name.or(match number {
        Some(1) => Some("opened"),
        Some(2) => Some("closed"),
        Some(3) => Some("merged"),
        Some(4) => Some("locked"),
        _ => None,
    })
}

/// The state after an action: the best guess for a message that does not name the state.
#[must_use]
pub(super) fn state_after(action: Option<&str>) -> Option<&'static str> {
    match action {
        Some("open" | "reopen") => Some("opened"),
        Some("close") => Some("closed"),
        Some("merge") => Some("merged"),
        _ => None,
    }
}

/// The position of a change among those of its second ([`Stamp::place`]), from the time of the previous change
/// (`changes.updated_at.previous`).
#[must_use]
pub(super) fn place(version_at: Timestamp, previous: Option<Timestamp>) -> i16 {
    match previous.map(second) {
        None => Stamp::UNKNOWN,
        Some(previous) if previous < version_at => Stamp::FIRST,
        Some(_) => Stamp::LATER,
    }
}

/// Whether the title marks a draft. Payloads from before 2022 have no field for it.
#[must_use]
fn draft_title(title: &str) -> bool {
    let title = title.trim_start().to_ascii_lowercase();
    ["draft:", "[draft]", "(draft)", "wip:", "[wip]"].iter().any(|mark| title.starts_with(mark))
}

/// Whether a merge request is a draft: by the field of the message, else by the title.
#[must_use]
pub(super) fn is_draft(field: Option<bool>, title: Option<&str>) -> bool {
    field.unwrap_or_else(|| title.is_some_and(draft_title))
}

/// Whether a hash is empty or all zeros, which GitLab sends for "no commit" (a branch created or deleted).
#[must_use]
pub(super) fn is_no_commit(sha: &str) -> bool {
    sha.bytes().all(|byte| byte == b'0')
}

/// The commit hash in a member, if there is one. A text with white space, or with the first character of an API claim
/// ([`Heads::ANSWER`]), is no hash; it is dropped and counted.
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

/// Longest branch name in a key, in bytes.
const LONGEST_BRANCH: usize = 1024;

/// A branch name as it is stored. A name that is too long for a key is cut and gets a hash, so that it stays unique.
#[must_use]
pub(super) fn kept_branch(branch: &str) -> String {
    if branch.len() <= LONGEST_BRANCH {
        return branch.to_owned();
    }
    let hash = format!("~{}", hex(&Sha256::digest(branch)[..8]));
    format!("{}{hash}", lenient::cut(branch.into(), LONGEST_BRANCH - hash.len()))
}

/// The number of a merge request in its URL, old or new form (`../merge_requests/1`, `../-/merge_requests/1`).
#[must_use]
pub(super) fn iid_of(url: &str) -> Option<i64> {
    let number = url.split_once("/merge_requests/")?.1;
    number.split(['/', '?', '#']).next()?.parse().ok()
}

/// The host in the URL of a page or a repository, in lower case.
#[must_use]
pub(super) fn host_of(url: &str) -> Option<String> {
    let authority = match url.trim().split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        None => return None,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    Some(host.to_ascii_lowercase()).filter(|host| !host.is_empty())
}

/// A title without white space at its ends.
#[must_use]
pub(super) fn title(text: &str) -> String {
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::gitlab::moment::is_plausible;

    #[test]
    fn states_come_from_name_number_or_action() {
        assert_eq!(state(Some("merged "), None), Some("merged"));
        assert_eq!(state(None, Some(4)), Some("locked"));
        assert_eq!(state(Some("new name"), Some(2)), Some("closed"));
        assert_eq!(state(None, None), None);
        assert_eq!((state_after(Some("merge")), state_after(Some("approved"))), (Some("merged"), None));
    }

    #[test]
    fn a_text_that_is_no_hash_is_dropped() {
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
    fn a_change_has_a_position_in_its_second() {
        let at = |text: &str| text.parse::<Timestamp>().expect("time");
        let version_at = at("2026-03-10T10:00:00Z");
        assert_eq!(place(version_at, None), Stamp::UNKNOWN);
        assert_eq!(place(version_at, Some(at("2026-03-10T09:59:59.9Z"))), Stamp::FIRST);
        assert_eq!(place(version_at, Some(at("2026-03-10T10:00:00.5Z"))), Stamp::LATER);
        assert!(is_plausible(version_at, None) && is_plausible(version_at, Some(at("2026-03-10T09:30:00Z"))));
        assert!(!is_plausible(version_at, Some(at("2026-03-10T08:00:00Z"))));
    }

    #[test]
    fn each_draft_prefix_marks_a_draft() {
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
    fn the_number_is_in_the_url() {
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
