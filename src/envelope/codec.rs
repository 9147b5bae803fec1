//! Gzip and base64, bounded.

use std::io::Read;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::MultiGzDecoder;

/// Padded or not, and with sloppy trailing bits: senders differ.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Whether the bytes begin like a gzip member.
pub(super) fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&[0x1f, 0x8b])
}

/// Why something was not decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GunzipError {
    /// More than the allowed number of bytes came out.
    TooLarge,
    /// Damaged or cut off; the message of the library.
    Damaged(String),
}

/// Decompresses all members of `data`, at most `limit` bytes.
pub(super) fn gunzip(data: &[u8], limit: usize) -> Result<Vec<u8>, GunzipError> {
    let mut out = Vec::with_capacity(size_hint(data).min(limit));
    // One byte more than allowed tells 'exactly the limit' from 'more than the limit'.
    MultiGzDecoder::new(data)
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|error| GunzipError::Damaged(error.to_string()))?;
    if out.len() > limit { Err(GunzipError::TooLarge) } else { Ok(out) }
}

/// The size that the last member claims (its last four bytes), bounded by what deflate can reach (1032:1).
fn size_hint(data: &[u8]) -> usize {
    let claimed = data.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    claimed.min(data.len().saturating_mul(1032))
}

/// Decodes base64 of either alphabet, padded or not, with or without line breaks. `None` when it is not base64.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    if text.contains('\n') {
        // Line breaks as MIME has them; a space, in contrast, is a sign of prose.
        let joined: String = text.lines().map(|line| line.trim_end_matches('\r')).collect();
        return engine.decode(joined).ok();
    }
    engine.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

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
