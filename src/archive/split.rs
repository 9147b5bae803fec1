//! Splits large objects into one delivery for each document, so that memory does not grow with the object. Pure.
//!
//! An object of Firehose has up to 128 MiB before compression: NDJSON, or concatenated documents. A small object is
//! delivered as it is, and split by `transport`.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use serde_json::value::RawValue;

/// An object with more bytes is split. A smaller one decompresses to no more than `transport` accepts.
const SMALL: usize = 256 << 10;
/// The most bytes that an object may decompress to; Firehose writes fewer.
const MOST_DECOMPRESSED: u64 = 4 << 30;

/// Iterates over the documents of an object, in order; ends with an error where a document is invalid or too long.
pub(super) struct Documents<'b> {
    stream: serde_json::StreamDeserializer<'static, serde_json::de::IoRead<BufReader<Bounded<'b>>>, Box<RawValue>>,
    left: Rc<Cell<usize>>,
    most: usize,
}

/// The documents in `bytes`, each of at most `most` bytes. `None` when the object is not to be split.
pub(super) fn documents(bytes: &[u8], most: usize) -> Option<Documents<'_>> {
    if bytes.len() <= SMALL {
        return None;
    }
    let mut start = [0; 64];
    let read = plain(bytes).read(&mut start).ok()?;
    // Anything else has one more layer of encoding, which `transport` decodes.
    start[..read].iter().find(|byte| !byte.is_ascii_whitespace()).filter(|byte| **byte == b'{')?;
    let left = Rc::new(Cell::new(most));
    let reader = Bounded { inner: plain(bytes), left: Rc::clone(&left) };
    let reader = BufReader::with_capacity(64 << 10, reader);
    Some(Documents { stream: serde_json::Deserializer::from_reader(reader).into_iter(), left, most })
}

/// The bytes, decompressed if they are gzip.
fn plain(bytes: &[u8]) -> Box<dyn Read + '_> {
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => Box::new(MultiGzDecoder::new(bytes).take(MOST_DECOMPRESSED)),
        false => Box::new(bytes),
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Vec<u8>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left.set(self.most);
        let document = self.stream.next()?;
        Some(document.map(|text| String::from(Box::<str>::from(text)).into_bytes()).map_err(|error| error.to_string()))
    }
}

/// Limits the bytes of one document, to the precision of the buffer.
struct Bounded<'b> {
    inner: Box<dyn Read + 'b>,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left.get());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a document longer than one delivery may be"));
        }
        let read = self.inner.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    fn all(bytes: &[u8], most: usize) -> Vec<Result<String, String>> {
        let documents = documents(bytes, most).expect("large");
        documents.map(|document| document.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))).collect()
    }

    #[test]
    fn small_objects_and_those_in_other_encodings_are_not_split() {
        assert!(documents(b"{}{}", 100).is_none());
        let large = " ".repeat(SMALL + 1);
        assert!(documents(format!("H4sI{large}").as_bytes(), 100).is_none());
        assert!(documents(&gzip(&format!("[{large}]")), 100).is_none());
    }

    #[test]
    fn large_objects_are_split_into_documents() {
        let one = format!("{{\"a\":\"{}\"}}", "x".repeat(SMALL));
        let found = all(format!("{one}\n {one}{one}\n").as_bytes(), SMALL * 2);
        assert_eq!(found, [Ok(one.clone()), Ok(one.clone()), Ok(one.clone())]);
        // Several members, and a document that begins in one and ends in another.
        let (start, end) = one.split_at(1000);
        let members = [gzip(&one), gzip(start), gzip(end)].concat();
        assert_eq!(all(&members, SMALL * 2), [Ok(one.clone()), Ok(one.clone())]);
    }

    #[test]
    fn an_invalid_or_too_long_document_ends_the_iteration() {
        let one = format!("{{\"a\":\"{}\"}}", "x".repeat(SMALL));
        let found = all(format!("{one}\nno JSON {one}").as_bytes(), SMALL * 2);
        assert!(found.len() == 2 && found[0].is_ok() && found[1].is_err(), "{found:?}");
        let packed = gzip(&format!("{one}{one}"));
        let found = all(&packed[..packed.len() - 100], SMALL * 2);
        assert!(found.len() == 2 && found[0].is_ok() && found[1].is_err());
        let found = all(format!("{{}} {one}").as_bytes(), 1000);
        assert!(found.len() == 2 && found[1].as_ref().is_err_and(|why| why.contains("longer than")), "{found:?}");
    }
}
