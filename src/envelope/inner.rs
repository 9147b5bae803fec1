//! Whether a text holds more than one document.

/// Whether `text` may hold more than one document. False is certain; true is to be found out by parsing.
///
/// Saves a parse of each 40 kB object just to find its end. That is a brace, or a bracket if it began with one, and within
/// the document such a byte is followed by a comma, another one that closes, or the end. So what follows gives a second
/// document away: one that opens (false alarm: `}{` inside a string), or anything behind a line break, which no string holds
/// unescaped.
pub(super) fn may_hold_several(text: &str) -> bool {
    let bytes = text.as_bytes();
    let end = if bytes.first() == Some(&b'[') { b']' } else { b'}' };
    memchr::memchr_iter(end, bytes).any(|at| {
        let rest = &bytes[at + 1..];
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match rest.get(space) {
            None | Some(b',' | b'}' | b']') => false,
            Some(b'{' | b'[') => true,
            Some(_) => rest[..space].contains(&b'\n'),
        }
    })
}
