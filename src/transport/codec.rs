//! Decodes gzip and base64, with a limit on the output.

use std::io::Read;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::MultiGzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;

/// Accepts missing padding and non-zero trailing bits, since senders differ.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The first bytes of a gzip member: the magic number, and deflate, the only method (RFC 1952, 2.3.1).
const MEMBER: &[u8] = &[0x1f, 0x8b, 8];
/// The same with no flag set: the ten bytes of the header hold no name, comment or other field.
const PLAIN: &[u8] = &[0x1f, 0x8b, 8, 0];

/// Whether the bytes begin like a gzip member.
pub(super) fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&MEMBER[..2])
}

/// Why data was not decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GunzipError {
    /// The output exceeds the limit.
    TooLarge,
    /// The data is damaged or cut off; the message of the library.
    Damaged(String),
}

/// Decompresses all members of `data`, at most `limit` bytes.
pub(super) fn gunzip(data: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
    if let Some(out) = gunzip_at_once(data, limit) {
        return Ok(out);
    }
    let mut out = Vec::with_capacity(size_hint(data).min(limit));
    // One byte above the limit distinguishes 'exactly the limit' from 'more than the limit'.
    MultiGzDecoder::new(data)
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|error| GunzipError::Damaged(error.to_string()))?;
    if out.len() > limit { Err(GunzipError::TooLarge) } else { Ok(out) }
}

/// Decompresses a single member into a buffer of the size that it claims, which is nearly three times as fast as a
/// growing stream. `None` for anything unusual, which the stream then decodes or rejects.
fn gunzip_at_once(data: &[u8], limit: usize) -> Option<Vec<u8>> {
    let (header, rest) = data.split_at_checked(10)?;
    let (deflated, [sum @ .., _, _, _, _]) = rest.split_last_chunk::<8>()?;
    let size = size_hint(data);
    // The bytes contain the start of another member: libdeflate reads only the first one and does not say where it
    // ended. Other trailing bytes are found by the checksum, which then is not that of the first member.
    if !header.starts_with(PLAIN) || size > limit || memmem::find(deflated, MEMBER).is_some() {
        return None;
    }
    let mut out = vec![0; size];
    let written = Decompressor::new().deflate_decompress(deflated, &mut out).ok()?;
    (written == size && libdeflater::crc32(&out) == u32::from_le_bytes(*sum)).then_some(out)
}

/// The size that the last member claims (its last four bytes), limited by the best ratio of deflate (1032:1).
fn size_hint(data: &[u8]) -> usize {
    let claimed = data.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    claimed.min(data.len().saturating_mul(1032))
}

/// Decodes base64 of either alphabet, padded or not, with or without line breaks. `None` when it is not base64.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    // Nearly all input is one line of the standard alphabet; other input fails early.
    STANDARD.decode(text).ok().or_else(|| {
        // Removes line breaks, as in MIME. Spaces stay, since they suggest prose.
        let joined: String = text.lines().map(|line| line.trim_end_matches('\r')).collect();
        STANDARD.decode(&joined).or_else(|_| URL_SAFE.decode(&joined)).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn several_members_are_one_text() {
        let data = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(gunzip(&data, 100).as_deref(), Ok(b"one two".as_slice()));
    }

    /// Both have the same size and checksum, so nothing at the end shows that there are two.
    #[test]
    fn the_same_member_twice_is_its_text_twice() {
        let data = [gzip(b"once"), gzip(b"once")].concat();
        assert_eq!(gunzip(&data, 100).as_deref(), Ok(b"onceonce".as_slice()));
    }

    #[test]
    fn trailing_bytes_that_are_no_member_are_damage() {
        let mut damaged = gzip(b"once");
        damaged[0] = 0;
        for rest in [b"rest".to_vec(), damaged] {
            let data = [gzip(b"text"), rest].concat();
            assert!(matches!(gunzip(&data, 100), Err(GunzipError::Damaged(_))));
        }
    }

    proptest! {
        /// The fast path gives the same result as the stream or leaves the input to it; also for damaged data and small
        /// limits.
        #[test]
        fn the_fast_path_agrees_with_the_stream(
            texts in proptest::collection::vec("[a-c]{0,300}", 1..3),
            limit in 0_usize..700,
            damage in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        ) {
            // For a text and a damaged repetition of it the fast path gives that text, and the stream an error.
            prop_assume!(damage.is_none() || texts.first() != texts.get(1));
            let mut data: Vec<u8> = texts.iter().flat_map(|text| gzip(text.as_bytes())).collect();
            if let Some((at, byte)) = damage {
                let at = at.index(data.len());
                data[at] = byte;
            }
            let mut out = Vec::new();
            let read = MultiGzDecoder::new(data.as_slice()).read_to_end(&mut out);
            if let Some(found) = gunzip_at_once(&data, limit) {
                prop_assert!(read.is_ok(), "{read:?}");
                prop_assert!(out.len() <= limit);
                prop_assert_eq!(found, out);
            }
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let data = gzip(&[b' '; 1000]);
        assert_eq!(gunzip(&data, 1000).map(|out| out.len()), Ok(1000));
        assert_eq!(gunzip(&data, 999), Err(GunzipError::TooLarge));
        assert!(matches!(gunzip(&data[..data.len() - 9], 2000), Err(GunzipError::Damaged(_))));
    }

    #[test]
    fn base64_is_lenient_in_form_only() {
        for text in ["eyJhIjoxfQ==", "eyJhIjoxfQ", "eyJh\nIjox\r\nfQ=="] {
            assert_eq!(base64(text).as_deref(), Some(br#"{"a":1}"#.as_slice()), "{text}");
        }
        assert_eq!(base64("-_-_").as_deref(), base64("+/+/").as_deref());
        assert_eq!(base64("not base64!"), None);
        assert_eq!(base64("certainly not JSON"), None);
    }
}
