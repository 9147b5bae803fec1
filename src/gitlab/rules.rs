//! Pure decisions: states, drafts, branches.

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

/// Whether a title marks a draft, for payloads from before 2022 that have no field for it.
#[must_use]
pub(super) fn draft_title(title: &str) -> bool {
    let title = title.trim_start().to_ascii_lowercase();
    ["draft:", "[draft]", "(draft)", "wip:", "[wip]"].iter().any(|mark| title.starts_with(mark))
}

/// A hash of 40 or 64 zeros, or none: GitLab's word for 'no commit' (a branch created or deleted).
#[must_use]
pub(super) fn is_no_commit(sha: &str) -> bool {
    sha.bytes().all(|byte| byte == b'0')
}

/// Whether pushes to a branch are kept.
#[must_use]
pub(super) fn keeps(branches: &[String], default_branch: Option<&str>, branch: &str) -> bool {
    default_branch == Some(branch) || branches.iter().any(|kept| kept == branch || kept == "*")
}

/// The path of a project and the number of a merge request in the address of its page, old form or new
/// (`../merge_requests/1`, `../-/merge_requests/1`).
#[must_use]
pub(super) fn iid_of(url: &str) -> Option<i64> {
    let number = url.split_once("/merge_requests/")?.1;
    number.split(['/', '?', '#']).next()?.parse().ok()
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
    fn drafts_are_known_by_any_of_their_marks() {
        for title in ["Draft: x", "draft:x", "[Draft] x", "(Draft) x", "WIP: x", "[WIP] x"] {
            assert!(draft_title(title), "{title}");
        }
        assert!(!draft_title("Drafting the contract"));
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
