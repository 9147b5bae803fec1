//! Detects texts that hold more than one document.

/// Whether `text` may hold more than one document. `false` is certain; after `true` a parser has to decide.
///
/// Saves parsing each 40 kB object just to find its end. A document ends with a brace, or with a bracket if it began
/// with one, and inside the document such a byte is followed by a comma, another closing byte, or the end. So the next
/// byte reveals a second document: an opening byte (false alarm: `}{` inside a string), or anything after a line break,
/// which no string holds unescaped.
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
