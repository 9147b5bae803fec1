//! Makes text of other systems safe to show on a terminal, in a table or in a log line (CWE-150).
//!
//! A terminal executes control characters, and bidirectional characters change the order of the text that is shown.
//! Each such character is replaced by an escape that names it.

use std::borrow::Cow;

/// Whether a character is not visible by itself: control characters, characters that change the direction or order of
/// text, and characters without width, which make two names look alike.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Escapes a text that is one line.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| format!("\\u{{{:x}}}", u32::from(c)), |_| false)
}

/// Escapes a text that may have several lines.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| format!("\\u{{{:x}}}", u32::from(c)), |c| matches!(c, '\n' | '\t'))
}

/// Escapes JSON; the result is the same JSON.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    // JSON has no other control characters outside of strings.
    escaped(text, units, |c| matches!(c, '\n' | '\t' | '\r'))
}

fn escaped(text: &str, escape: impl Fn(char) -> String, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_shown = |c: char| is_unseen(c) && !stays(c);
    if !text.contains(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_shown(c) { shown.push_str(&escape(c)) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(
            line("job:\u{1b}]0;pwn\u{7}\r\n\u{9b}2J \u{202e}txt.exe"),
            "job:\\u{1b}]0;pwn\\u{7}\\u{d}\\u{a}\\u{9b}2J \\u{202e}txt.exe"
        );
        assert_eq!(lines("a\n\tb\u{1b}[2J\r"), "a\n\tb\\u{1b}[2J\\u{d}");
        for text in ["", "Grüße, 世界! ✓ \u{1f1e9}\u{1f1ea} שלום مرحبا 👨\u{200d}👩", "a\u{a0}b"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_invisible_character_is_left_and_json_stays_the_same(
            text in "[a\"\\\\\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{2030}\u{feff}\u{e0001}é]{0,30}",
        ) {
            prop_assert!(!line(&text).contains(is_unseen));
            prop_assert!(!lines(&text).contains(|c| is_unseen(c) && !matches!(c, '\n' | '\t')));
            let document = serde_json::to_string_pretty(&serde_json::json!({&text: [&text]})).expect("JSON");
            let shown = json(&document);
            prop_assert!(!shown.contains(|c| is_unseen(c) && c != '\n'));
            let same: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
            prop_assert_eq!(same, serde_json::json!({&text: [&text]}));
        }
    }
}
