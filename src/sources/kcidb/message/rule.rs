//! Rules for strings, by version of the schema.
//!
//! The patterns of the schema are regular expressions of Python, whose `$` also matches before a final line feed, and
//! whose `.` is any character but a line feed. Formats are checked as kcidb-io does: `uri` by RFC 3986, `date-time` by
//! RFC 3339, `email` by the mere presence of `@`.

use super::time;
use super::uri;
use super::version::Version;

/// A rule for a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Any text; since 5.0 without NUL.
    Text,
    /// `origin:anything`.
    Id,
    /// Name of a submitting system.
    Origin,
    /// Commit, or commit and patches: the id of a revision in 3.0.
    Revision,
    /// SHA-1 of a commit.
    Commit,
    /// SHA-256 of patches, or nothing.
    Patchset,
    /// Address of a repository.
    Repository,
    Uri,
    Email,
    /// RFC 3339.
    Time,
    Architecture,
    /// Path of a test: words separated by dots.
    Path,
    Status,
    /// Scale of a number's unit.
    Prefix,
    /// A value of the device tree's `compatible`.
    Compatible,
    /// A file's name.
    FileName,
}

impl Rule {
    /// Whether a document of that version may hold the text.
    pub(super) fn allows(self, version: Version, text: &str) -> bool {
        let line = text.strip_suffix('\n').unwrap_or(text);
        match self {
            Self::Text => version < Version::V5_0 || without_nul(text),
            Self::Id => match text.split_once(':') {
                None => false,
                Some((origin, _)) if !is_word(origin) || origin.is_empty() => false,
                Some(_) if version <= Version::V2_0 => true,
                Some(_) if version < Version::V5_0 => !line.contains('\n'),
                Some((_, rest)) => without_nul(rest),
            },
            Self::Origin => is_word(line) && (version == Version::V1_1 || !line.is_empty()),
            Self::Revision => {
                line.split_once('+').map_or_else(|| is_hex(line, 40), |(a, b)| is_hex(a, 40) && is_hex(b, 64))
            }
            Self::Commit => version <= Version::V2_0 || is_hex(line, 40),
            Self::Patchset => line.is_empty() || is_hex(line, 64),
            Self::Repository => {
                let scheme = version <= Version::V2_0
                    || text.starts_with("https://")
                    || (version < Version::V5_0 && text.starts_with("git://"));
                scheme && uri::is_uri(line)
            }
            Self::Uri => uri::is_uri(line),
            Self::Email => text.contains('@'),
            Self::Time => time::parse(text).is_some(),
            Self::Architecture => is_word(line),
            Self::Path if version < Version::V5_0 => line.bytes().all(|byte| byte == b'.' || is_path_byte(byte)),
            Self::Path => {
                line.is_empty() || line.split('.').all(|word| !word.is_empty() && word.bytes().all(is_path_byte))
            }
            Self::Status => {
                matches!(text, "FAIL" | "ERROR" | "PASS" | "DONE" | "SKIP")
                    || (text == "MISS" && version >= Version::V4_2)
            }
            Self::Prefix => matches!(text, "metric" | "binary"),
            Self::Compatible => {
                !text.is_empty() && !text.contains(' ') && (version < Version::V5_0 || without_nul(text))
            }
            Self::FileName => {
                version == Version::V1_1
                    || (!text.is_empty() && !text.contains('/') && (version < Version::V5_0 || without_nul(text)))
            }
        }
    }

    /// Description of the rule, for rejections.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Text => "a string without NUL",
            Self::Id => "an id such as `origin:1`: lower-case letters, digits or `_`, a colon, anything but NUL",
            Self::Origin => "an origin: lower-case letters, digits and `_`",
            Self::Revision => "40 hexadecimal digits, and `+` with 64 more if there are patches",
            Self::Commit => "40 hexadecimal digits in lower case",
            Self::Patchset => "an empty string or 64 hexadecimal digits in lower case",
            Self::Repository => "a URI that begins with https://",
            Self::Uri => "a URI (RFC 3986)",
            Self::Email => "an e-mail address, with `@`",
            Self::Time => "a time (RFC 3339) with its offset",
            Self::Architecture => "lower-case letters, digits and `_`",
            Self::Path => "words of letters, digits, `_` and `-`, separated by single dots",
            Self::Status => "one of FAIL, ERROR, MISS, PASS, DONE, SKIP",
            Self::Prefix => "`metric` or `binary`",
            Self::Compatible => "a string that is not empty, without spaces and NUL",
            Self::FileName => "a file name that is not empty, without `/` and NUL",
        }
    }
}

fn without_nul(text: &str) -> bool {
    memchr::memchr(0, text.as_bytes()).is_none()
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_line_feed_is_allowed_where_python_allows_it() {
        let newest = Version::NEWEST;
        for (rule, text) in [
            (Rule::Origin, "o\n"),
            (Rule::Commit, "ef2b753c38bc9c0d1eea84e29a6bb6f9e776d0e3\n"),
            (Rule::Patchset, "\n"),
            (Rule::Path, "a.b\n"),
            (Rule::Architecture, "\n"),
            (Rule::Id, "o:a\nb"),
        ] {
            assert!(rule.allows(newest, text), "{rule:?} {text:?}");
        }
        for (rule, text) in [
            (Rule::Origin, "o\n\n"),
            (Rule::Origin, "\n"),
            (Rule::Status, "PASS\n"),
            (Rule::Path, "a.\n"),
            (Rule::Id, "o\n:a"),
        ] {
            assert!(!rule.allows(newest, text), "{rule:?} {text:?}");
        }
    }

    #[test]
    fn older_versions_allow_more() {
        // Any text, one line, one line, any text but NUL.
        let lines = [Version::V2_0, Version::V3_0, Version::V4_5, Version::V5_0];
        assert_eq!(lines.map(|version| Rule::Id.allows(version, "o:a\nb")), [true, false, false, true]);
        for (rule, text, first, last) in [
            (Rule::Text, "a\0", Version::V1_1, Version::V4_5),
            (Rule::Id, "o:a\0", Version::V1_1, Version::V4_5),
            (Rule::Path, "a..b", Version::V1_1, Version::V4_5),
            (Rule::Repository, "git://a/b", Version::V1_1, Version::V4_5),
            (Rule::Repository, "http://a/b", Version::V1_1, Version::V2_0),
            (Rule::Status, "MISS", Version::V4_2, Version::V5_3),
            (Rule::FileName, "a/b", Version::V1_1, Version::V1_1),
        ] {
            assert!(rule.allows(first, text) && rule.allows(last, text), "{rule:?} {text:?}");
            if last < Version::NEWEST {
                assert!(!rule.allows(Version::NEWEST, text), "{rule:?} {text:?}");
            }
            if first > Version::V1_1 {
                assert!(!rule.allows(Version::V4_1, text), "{rule:?} {text:?}");
            }
        }
    }
}
