//! The positions of the values in a JSON text. In invalid JSON, those that can be recognised.

use std::ops::Range;

/// The span of a value, and of the member that it belongs to.
#[derive(Clone, Debug)]
pub struct Span {
    /// The value itself.
    pub value: Range<usize>,
    /// From the key's first quote to the value's end; `None` in a list and at the top.
    pub member: Option<Range<usize>>,
    /// The key, with its quotes.
    pub key: Option<Range<usize>>,
}

/// All values of a text, outer ones before those in them.
pub fn spans(text: &[u8]) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    // Indexes in `found` of the values that are still open.
    let mut open: Vec<usize> = Vec::new();
    let (mut at, mut key) = (0, None::<Range<usize>>);
    while at < text.len() && found.len() < 20_000 {
        match text[at] {
            b'"' => {
                let end = string(text, at);
                let after = (end..text.len()).find(|&at| !text[at].is_ascii_whitespace());
                if after.is_some_and(|after| text[after] == b':') {
                    key = Some(at..end);
                } else {
                    found.push(span(at..end, key.take()));
                }
                at = end;
                continue;
            }
            b'{' | b'[' => {
                found.push(span(at..text.len(), key.take()));
                open.push(found.len() - 1);
            }
            b'}' | b']' => {
                if let Some(place) = open.pop() {
                    let span = &mut found[place];
                    span.value.end = at + 1;
                    if let Some(member) = &mut span.member {
                        member.end = at + 1;
                    }
                }
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'-' => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
                let end = (at..text.len()).find(|&at| !is_part(text[at])).unwrap_or(text.len());
                found.push(span(at..end, key.take()));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn span(value: Range<usize>, key: Option<Range<usize>>) -> Span {
    Span { member: key.as_ref().map(|key| key.start..value.end), value, key }
}

/// The end of a string that begins here.
fn string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}
