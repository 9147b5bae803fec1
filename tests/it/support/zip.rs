//! Files of a ZIP archive, as far as samples need it.

use std::io::Read;

use flate2::read::DeflateDecoder;

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Names and contents, in the order of the archive's list.
pub fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let end = archive.windows(4).rposition(|bytes| bytes == b"PK\x05\x06").expect("a ZIP archive");
    let (count, mut at) = (number(&archive[end + 10..end + 12]), number(&archive[end + 16..end + 20]));
    let mut files = Vec::new();
    for _ in 0..count {
        let entry = &archive[at..];
        let (method, packed) = (number(&entry[10..12]), number(&entry[20..24]));
        let lengths = [28, 30, 32].map(|place| number(&entry[place..place + 2]));
        let name = String::from_utf8_lossy(&entry[46..46 + lengths[0]]).into_owned();
        let local = &archive[number(&entry[42..46])..];
        let data = &local[30 + number(&local[26..28]) + number(&local[28..30])..][..packed];
        let mut content = Vec::new();
        match method {
            0 => content.extend_from_slice(data),
            _ => drop(DeflateDecoder::new(data).read_to_end(&mut content).expect("deflated data")),
        }
        if !name.ends_with('/') {
            files.push((name, content));
        }
        at += 46 + lengths.iter().sum::<usize>();
    }
    files
}
