//! Makes inputs: a document of the corpus, changes to its bytes or its structure, and layers of encoding around it.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::json;

use crate::hostile::{BYTES, VALUES, deep};
use crate::spans::spans;

/// A mutation: its kind, and numbers that choose place and value.
type Change = (u8, u32, u32, u32);

/// The recipe of an input.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Which document.
    from: u32,
    /// The mutations, one after the other.
    changes: Vec<Change>,
    /// The layers of encoding, from the inside out.
    layers: Vec<(u8, u32)>,
}

impl Recipe {
    /// An unchanged document.
    pub fn plain(from: usize) -> Self {
        Self { from: from as u32, changes: Vec::new(), layers: Vec::new() }
    }
}

/// Recipes, which get simpler: fewer changes, fewer layers, smaller numbers.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let change = (0..18_u8, any::<u32>(), any::<u32>(), any::<u32>());
    let layers = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec((0..14_u8, any::<u32>()), 1..5)];
    (any::<u32>(), prop::collection::vec(change, 0..6), layers).prop_map(|(from, changes, layers)| Recipe {
        from,
        changes,
        layers,
    })
}

/// The input of a recipe.
pub fn bytes(recipe: &Recipe, corpus: &[Vec<u8>], packs: bool) -> Vec<u8> {
    let mut text = corpus[recipe.from as usize % corpus.len()].clone();
    for change in &recipe.changes {
        changed(&mut text, *change, corpus);
        text.truncate(4 << 20);
    }
    for layer in recipe.layers.iter().filter(|_| packs) {
        text = packed(text, *layer, corpus);
        text.truncate(4 << 20);
    }
    text
}

fn changed(text: &mut Vec<u8>, (kind, a, b, c): Change, corpus: &[Vec<u8>]) {
    let [a, b, c] = [a, b, c].map(|number| number as usize);
    let spans = if kind < 12 { spans(text) } else { Vec::new() };
    let value = VALUES[b % VALUES.len()].as_bytes().to_vec();
    if kind < 12 && spans.is_empty() {
        return;
    }
    let pick = |number: usize| spans[number % spans.len()].clone();
    let member = || spans.iter().filter(|span| span.member.is_some()).nth(a % spans.len()).cloned();
    match kind {
        // Another value of another shape.
        0..=2 => drop(text.splice(pick(a).value, value)),
        // A value of another document, or of this one.
        3 => {
            let other = &corpus[b % corpus.len()];
            let theirs = crate::spans::spans(other);
            if !theirs.is_empty() {
                let part = other[theirs[c % theirs.len()].value.clone()].to_vec();
                text.splice(pick(a).value, part);
            }
        }
        4 => {
            let part = text[pick(b).value].to_vec();
            text.splice(pick(a).value, part);
        }
        // The same key twice, with another value.
        5 => {
            if let Some(span) = member()
                && let (Some(key), Some(member)) = (span.key, span.member)
            {
                let twin = [b",", &text[key], b":", &value].concat();
                text.splice(member.end..member.end, twin);
            }
        }
        // No such member; another name for it.
        6 => {
            if let Some(member) = member().and_then(|span| span.member) {
                text.drain(member);
            }
        }
        7 => {
            if let (Some(key), Some(other)) = (member().and_then(|span| span.key), pick(b).key) {
                let other = text[other].to_vec();
                text.splice(key, other);
            }
        }
        // Deep nesting, long texts, many members.
        8 => drop(text.splice(pick(a).value, deep(1 << (b % 18), c as u32))),
        9 => drop(text.splice(pick(a).value, [b"\"", b"x".repeat(1 << (b % 19)).as_slice(), b"\""].concat())),
        10 => {
            let part = text[pick(a).value].to_vec();
            let count = (1 << (b % 12)).min((1 << 18) / part.len().max(1)).max(1);
            text.splice(
                pick(a).value,
                [b"[".as_slice(), &[part, b",".to_vec()].concat().repeat(count), b"0]"].concat(),
            );
        }
        // A document as a string, as annotations hold them.
        11 => {
            let part = String::from_utf8_lossy(&text[pick(a).value]).into_owned();
            text.splice(pick(a).value, json!(part).to_string().into_bytes());
        }
        // Bytes.
        12 if !text.is_empty() => {
            let place = a % text.len();
            text[place] ^= 1 << (b % 8);
        }
        13 => {
            let place = a % (text.len() + 1);
            text.splice(place..place, BYTES[b % BYTES.len()].to_vec());
        }
        14 => text.truncate(a % (text.len() + 1)),
        15 => {
            let (from, to) = (a % (text.len() + 1), b % (text.len() + 1));
            text.drain(from.min(to)..(from.max(to)).min(from.min(to) + 64));
        }
        16 => {
            let (from, to) = (a % (text.len() + 1), b % (text.len() + 1));
            let part = text[from.min(to)..from.max(to).min(from.min(to) + 4096)].to_vec();
            text.splice(from..from, part);
        }
        _ => {
            let other = &corpus[b % corpus.len()];
            let place = a % (text.len() + 1);
            let part = other[c % (other.len() + 1)..].iter().take(256).copied().collect::<Vec<_>>();
            text.splice(place..place, part);
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed(text: Vec<u8>, (kind, number): (u8, u32), corpus: &[Vec<u8>]) -> Vec<u8> {
    let string = || String::from_utf8_lossy(&text).into_owned();
    let number = number as usize;
    match kind {
        0 | 1 => gzip(&text),
        2 | 3 => STANDARD.encode(&text).into_bytes(),
        4 => URL_SAFE_NO_PAD.encode(&text).into_bytes(),
        // Members one after the other, the last cut off.
        5 => {
            let mut all = [gzip(&text), gzip(&corpus[number % corpus.len()])].concat();
            all.truncate(all.len() - number % 30);
            all
        }
        // A decompression bomb: up to 16 MiB of one byte, or of white space around the text.
        6 => gzip(&[b" ".repeat(1 << (number % 25)), text].concat()),
        7 => gzip(&gzip(&b"0".repeat(1 << (number % 25)))),
        8 => json!(string()).to_string().into_bytes(),
        9 => json!({"Type": "Notification", "MessageId": "m", "Message": string(), "Timestamp": "2026-03-10T12:00:00Z",
            "MessageAttributes": {"source": {"Type": "String", "Value": "x"}}})
        .to_string()
        .into_bytes(),
        10 => json!({"Records": [{"messageId": "q", "eventSource": "aws:sqs", "body": string(), "attributes": {},
            "messageAttributes": {}}]})
        .to_string()
        .into_bytes(),
        11 => [
            b"{\"version\":\"0\",\"id\":\"e\",\"source\":\"x\",\"detail-type\":\"y\",\"detail\":".as_slice(),
            &text,
            b"}",
        ]
        .concat(),
        12 => {
            let other = &corpus[number % corpus.len()];
            [text.as_slice(), b"\n", other, b"\n", &text].concat()
        }
        _ => [b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[".as_slice(), &text, b"]}"].concat(),
    }
}
