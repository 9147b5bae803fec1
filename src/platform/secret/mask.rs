//! Masks secrets in text from other systems, in whatever form it repeats them. Pure.
//!
//! A server that rejects a request may repeat it: the header, its value encoded or decoded as base64, the path, and all
//! of that in JSON, HTML or a URL. So the text is searched as it is, and after removing its escapes, layer by layer;
//! each match is replaced at its position in the text.

use std::collections::HashMap;
use std::hash::BuildHasher;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

use super::MASK;

/// Shorter secrets are searched only as they are: their encoded forms could occur anywhere.
const SHORT: usize = 6;
/// A part of a header or of a URL of this length may be a secret by itself.
const LONG: usize = 12;
/// Layers of escapes that are removed.
const LAYERS: usize = 3;
/// A text that ends within a secret is cut if it holds at least this many bytes of it.
const BEGINNING: usize = 8;

/// Secrets that must not be shown.
#[derive(Clone, Default)]
pub struct Mask {
    /// Each form of each secret.
    forms: Vec<Vec<u8>>,
}

impl Mask {
    /// Adds a secret.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.is_empty() {
            return;
        }
        self.form(secret.as_bytes().to_vec());
        if secret.len() < SHORT {
            return;
        }
        if let Some(plain) = unescaped(secret.as_bytes()) {
            self.form(plain);
        }
        for engine in
            [GeneralPurpose::new(&alphabet::STANDARD, NO_PAD), GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD)]
        {
            // The base64 of a text depends on its offset among the bytes around it; characters that depend on those
            // bytes are left out.
            for before in 0..3 {
                let shifted = [&b"\0\0"[..before], secret.as_bytes()].concat();
                let encoded = engine.encode(&shifted);
                let from = [0, 2, 3][before];
                let to = shifted.len() / 3 * 4;
                if to > from && to - from >= SHORT {
                    self.form(encoded.as_bytes()[from..to].to_vec());
                }
            }
            self.form(engine.encode(secret).into_bytes());
        }
    }

    /// Adds the value of a header, and the parts of it that may be secrets: after `Bearer`, in the base64 of `Basic`, a
    /// signature.
    pub fn add_header(&mut self, value: &str) {
        self.add(value);
        for part in value.split([' ', ',', ';', '=']).filter(|part| part.len() >= LONG) {
            self.add(part);
        }
        let basic = value.split_once(' ').and_then(|(_, encoded)| STANDARD.decode(encoded).ok());
        if let Some(plain) = basic.and_then(|bytes| String::from_utf8(bytes).ok()) {
            self.add_pair(&plain);
        }
    }

    /// Adds a text that may be `user:password`.
    pub fn add_pair(&mut self, secret: &str) {
        self.add(secret);
        if let Some((_, password)) = secret.split_once(':').filter(|(_, password)| password.len() >= SHORT) {
            self.add(password);
        }
    }

    /// Adds a URL that is a secret, and its parts.
    pub fn add_address(&mut self, address: &str) {
        self.add(address);
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let Some((_, path)) = rest.split_once('/').filter(|(_, path)| path.len() >= SHORT) else { return };
        self.add(&format!("/{path}"));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let values = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1));
        for part in path.split('/').filter(|part| part.len() >= LONG).chain(values.filter(|value| value.len() >= SHORT))
        {
            self.add(part);
        }
        if path.len() >= SHORT {
            self.add(&format!("/{path}"));
        }
    }

    fn form(&mut self, form: Vec<u8>) {
        if !form.is_empty() && !self.forms.contains(&form) {
            self.forms.push(form);
        }
    }

    /// A text with all secrets masked.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        let whole: Vec<Unit> = text.bytes().enumerate().map(|(at, byte)| (byte, at, at + 1)).collect();
        let mut search = Search { mask: self, length: text.len(), seen: HashMap::new(), found: Vec::new() };
        search.look(&whole, 0);
        let mut found = search.found;
        found.sort_unstable();
        let (mut masked, mut end) = (Vec::with_capacity(text.len()), 0);
        for (from, to) in found {
            if from >= end {
                masked.extend_from_slice(&text.as_bytes()[end..from]);
                masked.extend_from_slice(MASK.as_bytes());
            }
            end = end.max(to);
        }
        masked.extend_from_slice(&text.as_bytes()[end..]);
        String::from_utf8_lossy(&masked).into_owned()
    }
}

/// A search for all forms in all views of a text. It holds one view for each layer at a time, because a text of a
/// megabyte can have dozens of views.
struct Search<'m> {
    mask: &'m Mask,
    /// Bytes of the text.
    length: usize,
    /// Hashes of the views that were searched, each with the fewest layers that led to it.
    seen: HashMap<u64, usize>,
    /// Ranges of the text that hold a secret.
    found: Vec<(usize, usize)>,
}

impl Search<'_> {
    /// Searches a view, and the views that remain after removing a layer of escapes from it.
    fn look(&mut self, view: &[Unit], layer: usize) {
        let bytes: Vec<u8> = view.iter().map(|(byte, ..)| *byte).collect();
        let hash = self.seen.hasher().hash_one(&bytes);
        let layers = self.seen.entry(hash).or_insert(usize::MAX);
        if *layers <= layer {
            return;
        }
        *layers = layer;
        for form in &self.mask.forms {
            let ranges = memchr::memmem::find_iter(&bytes, form).map(|at| (at, at + form.len()));
            self.found.extend(ranges.map(|(from, to)| (view[from].1, view[to - 1].2)));
            let begun = (BEGINNING..form.len()).rev().find(|begun| bytes.ends_with(&form[..*begun]));
            self.found.extend(begun.map(|begun| (view[view.len() - begun].1, self.length)));
        }
        drop(bytes);
        if layer < LAYERS {
            for syntax in SYNTAXES {
                if let Some(next) = without_escapes(view, syntax) {
                    self.look(&next, layer + 1);
                }
            }
        }
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(MASK)
    }
}

/// A byte, and its start and end in the text.
type Unit = (u8, usize, usize);

/// The first bytes of escapes: of all syntaxes, and of each alone. A secret may begin with text that looks like the
/// rest of an escape of one syntax (`%` before `41..`) while the text is written in another syntax.
const SYNTAXES: [&[u8]; 4] = [b"%\\&", b"%", b"\\", b"&"];

/// Bytes after removing one layer of escapes of all syntaxes; `None` without any.
fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let view: Vec<Unit> = bytes.iter().enumerate().map(|(at, byte)| (*byte, at, at + 1)).collect();
    Some(without_escapes(&view, SYNTAXES[0])?.into_iter().map(|(byte, ..)| byte).collect())
}

/// A view after removing one layer of escapes of a syntax; `None` without any.
fn without_escapes(view: &[Unit], syntax: &[u8]) -> Option<Vec<Unit>> {
    if !view.iter().any(|(byte, ..)| syntax.contains(byte)) {
        return None;
    }
    let (mut plain, mut changed, mut at) = (Vec::with_capacity(view.len()), false, 0);
    while at < view.len() {
        match escape(&view[at..]).filter(|_| syntax.contains(&view[at].0)) {
            Some((bytes, length)) => {
                let (from, to) = (view[at].1, view[at + length - 1].2);
                plain.extend(bytes.into_iter().map(|byte| (byte, from, to)));
                changed = true;
                at += length;
            }
            None => {
                plain.push(view[at]);
                at += 1;
            }
        }
    }
    changed.then_some(plain)
}

/// Named characters of HTML and XML.
const ENTITIES: [(&str, u8); 5] = [("amp", b'&'), ("lt", b'<'), ("gt", b'>'), ("quot", b'"'), ("apos", b'\'')];

/// The bytes of an escape at the beginning, and its length.
fn escape(view: &[Unit]) -> Option<(Vec<u8>, usize)> {
    let text: Vec<u8> = view.iter().take(12).map(|(byte, ..)| *byte).collect();
    let hex = |from: usize, length: usize| {
        let digits = std::str::from_utf8(text.get(from..from + length)?).ok()?;
        u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let bytes_of = |code: u32| char::from_u32(code).map(|c| c.to_string().into_bytes());
    match text.as_slice() {
        [b'%', ..] => Some((vec![u8::try_from(hex(1, 2)?).ok()?], 3)),
        [b'\\', b'u', ..] => match hex(2, 4)? {
            high @ 0xd800..=0xdbff if text.get(6..8) == Some(b"\\u") => {
                let low = hex(8, 4).filter(|low| (0xdc00..=0xdfff).contains(low))?;
                Some((bytes_of(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?, 12))
            }
            code => Some((bytes_of(code)?, 6)),
        },
        [b'\\', b'x', ..] => Some((bytes_of(hex(2, 2)?)?, 4)),
        [b'\\', b'n', ..] => Some((vec![b'\n'], 2)),
        [b'\\', b't', ..] => Some((vec![b'\t'], 2)),
        [b'\\', byte @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((vec![*byte], 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b';')?;
            let name = std::str::from_utf8(&rest[..end]).ok()?;
            let known = ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, byte)| vec![*byte]);
            let code = || match name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
                Some(digits) => u32::from_str_radix(digits, 16).ok(),
                None => name.strip_prefix('#')?.parse().ok(),
            };
            Some((known.or_else(|| bytes_of(code()?))?, end + 2))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "tok/en \"ä\\%41+hunter2";

    fn mask(secrets: &[&str]) -> Mask {
        let mut mask = Mask::default();
        secrets.iter().for_each(|secret| mask.add(secret));
        mask
    }

    /// A text in a form in which other systems may write it.
    fn written(text: &str, how: u8) -> String {
        match how {
            0 => text.to_owned(),
            1 => serde_json::to_string(text).expect("text"),
            2 => text
                .chars()
                .map(|c| c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect::<String>())
                .collect(),
            3 => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            4 => text
                .bytes()
                .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02x}") })
                .collect(),
            // As PHP writes JSON.
            5 => serde_json::to_string(text).expect("text").replace('/', "\\/"),
            6 => text.replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#x2F;"),
            _ => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
        }
    }

    #[test]
    fn what_looks_like_an_escape_of_another_syntax_hides_nothing() {
        for (secret, text) in
            [("00_\\a_A=", r#""%00_\\a_A=""#), ("u0041/secret", r"\\u0041%2Fsecret"), ("amp;secret", "&amp;%73ecret")]
        {
            let shown = mask(&[secret]).masked(text);
            assert!(shown.contains(MASK), "{text} shows as {shown}");
        }
    }

    proptest! {
        /// However a secret is encoded, even twice, it is masked.
        #[test]
        fn no_form_shows_a_secret(
            secret in "[a-zA-Z0-9/+=&%\"\\\\ äλ:_-]{8,40}", before in "[ -~]{0,9}", after in "[ -~]{0,9}",
            once in 0_u8..8, twice in 0_u8..8,
        ) {
            let secret = secret.trim();
            prop_assume!(secret.len() >= SHORT);
            let mask = mask(&[secret]);
            let text = written(&written(&format!("{before}{secret}{after}"), once), twice);
            let shown = mask.masked(&text);
            prop_assert!(shown.contains(MASK), "{text} shows as {shown}");
            // The same text without the secret, written in the same way, and a mask.
            let mut plain = shown.clone();
            for _ in 0..LAYERS {
                let Some(less) = unescaped(plain.as_bytes()) else { break };
                plain = String::from_utf8_lossy(&less).into_owned();
                prop_assert!(!plain.contains(secret), "{shown}");
            }
        }

        /// In base64, alone or with any text around it.
        #[test]
        fn no_base64_shows_a_secret(
            secret in "[a-zA-Z0-9_]{9,40}", before in "[ -~]{0,9}", after in "[ -~]{0,9}", how in 0_u8..4,
        ) {
            let text = format!("{before}{secret}{after}");
            let encoded = match how {
                0 => STANDARD.encode(&text),
                1 => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&text),
                2 => written(&STANDARD.encode(&text), 4),
                _ => STANDARD.encode(&secret),
            };
            prop_assert!(mask(&[&secret]).masked(&encoded).contains(MASK), "{encoded}");
        }

        /// A text without a secret stays unchanged.
        #[test]
        fn other_texts_stay(text in "[ -~äλ]{0,60}") {
            prop_assert_eq!(mask(&["0123456789abcdef"]).masked(&text), text);
        }
    }

    #[test]
    fn masked_json_stays_json() {
        let json =
            serde_json::json!({"message": format!("no {SECRET} here"), "b": STANDARD.encode(SECRET)}).to_string();
        let shown: serde_json::Value = serde_json::from_str(&mask(&[SECRET]).masked(&json)).expect("JSON");
        assert_eq!(shown, serde_json::json!({"message": "no *** here", "b": "***=="}));
    }

    #[test]
    fn headers_and_addresses_are_known_by_their_parts() {
        let mut mask = Mask::default();
        mask.add_header(&format!("Basic {}", STANDARD.encode("user:hunter2hunter2")));
        mask.add_header(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEEXAMPLE/20260310/eu/ses/aws4_request, Signature=0123456789abcdef01",
        );
        mask.add_header("Bearer ghp_hunter3hunter3");
        mask.add_address("https://hooks.slack.example/services/T000/B000/XXXXYYYYZZZZ?token=abcdefgh");
        for text in [
            "user:hunter2hunter2",
            "hunter2hunter2",
            "dXNlcjpodW50ZXIyaHVudGVyMg==",
            "0123456789abcdef01",
            "ghp_hunter3hunter3",
            "/services/T000/B000/XXXXYYYYZZZZ?token=abcdefgh",
            "404 /services/T000/B000/XXXXYYYYZZZZ not found",
            "XXXXYYYYZZZZ",
            "abcdefgh",
        ] {
            let shown = mask.masked(text);
            assert!(shown.contains(MASK), "{text}: {shown}");
            assert!(!["hunter", "0123456789", "YYYY", "abcdefgh"].iter().any(|part| shown.contains(part)), "{shown}");
        }
        assert_eq!(mask.masked("Basic authentication is over, user"), "Basic authentication is over, user");
        assert_eq!(format!("{mask:?}"), MASK);
    }

    #[test]
    fn a_text_that_ends_within_a_secret_does_not_show_its_beginning() {
        let mask = mask(&["ghp_hunter2hunter2"]);
        assert_eq!(mask.masked("Bearer ghp_hunter2hun"), "Bearer ***");
        assert_eq!(mask.masked("Bearer ghp_h"), "Bearer ghp_h", "that little is no secret");
    }
}
