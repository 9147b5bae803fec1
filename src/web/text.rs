//! Replaces characters of stored texts that are not allowed in XML and HTML.

use std::borrow::Cow;

/// Replaces by U+FFFD each character that XML 1.0 (production `Char`) excludes, or that XML and HTML discourage:
/// control characters except tab, line feed and carriage return, and noncharacters. For feeds, badges and pages.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    match text.contains(is_excluded) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.replace(is_excluded, "\u{fffd}")),
    }
}

/// [`clean`] of a whole document, whose markup has none of these characters.
pub(super) fn document(text: String) -> String {
    match clean(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean,
    }
}

fn is_excluded(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\u{fdd0}'..='\u{fdef}' => true,
        _ => c.is_control() || u32::from(c) & 0xfffe == 0xfffe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_characters_are_replaced() {
        for kept in ["", "a\tb\nc\rd", "\u{fffd}\u{e000}\u{10fffd}\u{1f600}\u{202e}\u{a0}\u{2028}", "ä <&>"] {
            assert!(matches!(clean(kept), Cow::Borrowed(text) if text == kept), "{kept:?}");
        }
        for c in [
            '\0',
            '\u{1}',
            '\u{8}',
            '\u{b}',
            '\u{c}',
            '\u{1b}',
            '\u{7f}',
            '\u{80}',
            '\u{85}',
            '\u{9f}',
            '\u{fdd0}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{1fffe}',
            '\u{10ffff}',
        ] {
            assert_eq!(document(format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
    }
}
