//! Rust sources as text: code without comments, strings and tests, the paths that it names, the texts that it holds.
//!
//! A reader of text, not a compiler: it sees neither what macros make nor what is re-exported. Good enough as a guard.

use std::ops::Range;
use std::path::Path;

use super::files;

/// One source file.
pub struct Source {
    /// Path in the project, `src/sources/konflux/store/mod.rs`.
    pub path: String,
    /// As it is on disk.
    pub text: String,
    /// The same with comments, strings and `#[cfg(test)]` items made blank; so offsets and lines are the same.
    pub code: String,
    /// Lines that belong to tests.
    pub test_lines: usize,
    /// Files that are included for tests only, `src/transport/unwrap_tests.rs`.
    test_files: Vec<String>,
    strings: Vec<Range<usize>>,
}

/// A path that code names, `crate::store::Tx` as its segments, and the line that does.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
}

/// All sources below a folder of the project, without files that are for tests only.
pub fn sources(folder: &str) -> Vec<Source> {
    let read =
        |(name, bytes): (String, Vec<u8>)| Source::new(&format!("{folder}/{name}"), &String::from_utf8_lossy(&bytes));
    let all: Vec<Source> = files(folder, ".rs").into_iter().map(read).collect();
    let for_tests: Vec<String> = all.iter().flat_map(|source| source.test_files.clone()).collect();
    all.into_iter().filter(|source| !for_tests.contains(&source.path)).collect()
}

impl Source {
    /// Reads a source.
    pub fn new(path: &str, text: &str) -> Self {
        let pieces = pieces(text);
        let mut code = text.to_owned();
        for (_, range) in &pieces {
            blank(&mut code, range.clone());
        }
        let strings = pieces.iter().filter(|(kind, _)| *kind == Kind::Text).map(|(_, range)| range.clone()).collect();
        let mut source =
            Self { path: path.to_owned(), text: text.to_owned(), code, test_lines: 0, test_files: Vec::new(), strings };
        source.take_tests_out();
        source
    }

    /// Makes each item under `#[cfg(test)]` blank.
    fn take_tests_out(&mut self) {
        const MARK: &str = "#[cfg(test)]";
        while let Some(start) = self.code.find(MARK) {
            let end = end_of_item(&self.code, start + MARK.len());
            let item = &self.text[start..end];
            if item.ends_with(';')
                && let Some((_, name)) = item.rsplit_once("mod ")
            {
                let folder = Path::new(&self.path).parent().unwrap();
                let file = match item.split_once("#[path = \"").and_then(|(_, rest)| rest.split_once('"')) {
                    Some((file, _)) => file.to_owned(),
                    None => format!("{}.rs", name.trim_end_matches(';')),
                };
                self.test_files.push(folder.join(file).to_string_lossy().into_owned());
            }
            self.test_lines += item.lines().count();
            self.strings.retain(|string| string.start >= end || string.end <= start);
            blank(&mut self.code, start..end);
        }
    }

    /// The line of an offset, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }

    /// The lines of code, without blank ones and those that hold only comments.
    pub fn lines_of_code(&self) -> usize {
        let mut text = self.text.clone();
        for (_, range) in pieces(&self.text).into_iter().filter(|(kind, _)| *kind == Kind::Comment) {
            blank(&mut text, range);
        }
        text.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// The contents of its strings, tests left out.
    pub fn texts(&self) -> Vec<&str> {
        self.strings.iter().map(|range| content(&self.text[range.clone()])).collect()
    }

    /// All paths that the code names, groups of `use` taken apart; a single name is a path of one segment.
    pub fn paths(&self) -> Vec<Named> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at].1 {
                Token::Name(_) => path(&tokens, at, &[], &mut found),
                // A method or a field is no path.
                Token::Sign('.') if matches!(tokens.get(at + 1), Some((_, Token::Name(_)))) => at + 2,
                _ => at + 1,
            };
        }
        found
            .into_iter()
            .map(|(offset, segments)| Named {
                line: self.line_of(offset),
                segments: segments.into_iter().map(str::to_owned).collect(),
            })
            .collect()
    }
}

/// What is between the quotes.
fn content(text: &str) -> &str {
    let quote = ['"', '\''];
    text.find(quote).zip(text.rfind(quote)).map_or(text, |(start, end)| &text[start + 1..end])
}

#[derive(PartialEq)]
enum Kind {
    Comment,
    Text,
}

/// Where comments, strings and characters are, with their delimiters.
fn pieces(text: &str) -> Vec<(Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let (kind, length) = if rest.starts_with("//") {
            (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Kind::Comment, block_comment(rest))
        } else if let Some(length) = raw_string(rest).filter(|_| at == 0 || !is_name(bytes[at - 1])) {
            (Kind::Text, length)
        } else if rest.starts_with('"') {
            (Kind::Text, quoted(rest, '"'))
        } else if rest.starts_with('\'') && is_character(rest) {
            (Kind::Text, quoted(rest, '\''))
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        pieces.push((kind, at..at + length));
        at += length;
    }
    pieces
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Length of a comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    for (at, pair) in text.as_bytes().windows(2).enumerate() {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 2;
        }
    }
    text.len()
}

/// Length of a raw string, if one begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r').or_else(|| text.strip_prefix("br")).or_else(|| text.strip_prefix("cr"))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let start = text.len() - after.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map(|length| start + length + end.len())
}

/// Length of a quoted text with escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote begins a character, and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut characters = text.chars().skip(1);
    match characters.next() {
        Some('\\') => true,
        Some(_) => characters.next() == Some('\''),
        None => false,
    }
}

/// Replaces a part by blanks, line by line.
fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(range, &blanks);
}

/// Where the item ends that begins here: at its `;` or at the brace that closes its first one.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => continue,
        }
        if byte == b'}' && depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

enum Token<'a> {
    Name(&'a str),
    PathSep,
    Sign(char),
}

fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let rest = &code[at..];
        let name = rest.bytes().take_while(|byte| is_name(*byte)).count();
        let first = rest.chars().next().unwrap();
        if name > 0 {
            found.push((at, Token::Name(&rest[..name])));
            at += name;
        } else if rest.starts_with("::") {
            found.push((at, Token::PathSep));
            at += 2;
        } else {
            if !first.is_whitespace() {
                found.push((at, Token::Sign(first)));
            }
            at += first.len_utf8();
        }
    }
    found
}

type Found<'a> = Vec<(usize, Vec<&'a str>)>;

/// Reads a path or a tree of paths at `at`, below `prefix`, and returns where to go on.
fn path<'a>(tokens: &[(usize, Token<'a>)], mut at: usize, prefix: &[&'a str], found: &mut Found<'a>) -> usize {
    let start = tokens[at].0;
    let mut segments = prefix.to_vec();
    loop {
        match tokens.get(at) {
            // `use a::{self}` names `a`.
            Some((_, Token::Name("self"))) if !segments.is_empty() => at += 1,
            Some((_, Token::Name(name))) => {
                segments.push(name);
                at += 1;
            }
            Some((_, Token::Sign('*'))) if !segments.is_empty() => {
                segments.push("*");
                at += 1;
            }
            Some((_, Token::Sign('{'))) if !segments.is_empty() => {
                at += 1;
                while let Some((_, token)) = tokens.get(at) {
                    match token {
                        Token::Sign('}') => return at + 1,
                        Token::Name(_) => at = path(tokens, at, &segments, found),
                        _ => at += 1,
                    }
                }
                return at;
            }
            _ => break,
        }
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some((_, Token::PathSep)), Some((_, Token::Name(_) | Token::Sign('{' | '*')))) => at += 1,
            _ => break,
        }
    }
    found.push((start, segments));
    match (tokens.get(at), tokens.get(at + 1)) {
        (Some((_, Token::Name("as"))), Some((_, Token::Name(_)))) => at + 2,
        _ => at,
    }
}

#[test]
fn paths_are_found_in_groups_and_in_code() {
    let source = Source::new(
        "src/x.rs",
        "use crate::{a, b::{self, c as d}, e::*};\n// use crate::comment;\nfn f<'a>(x: &'a str) -> char {\n    \
         g(\"crate::text\"); h(r#\"crate::\"raw\"#); x.method::<u8>(); crate::i::j(); 'c'; '\\''\n}\n\
         #[cfg(test)]\nmod tests { use crate::test; fn t() { \"}\"; } }\n::std::env::var(1)",
    );
    let paths: Vec<_> = source.paths().iter().map(|named| (named.line, named.segments.join("::"))).collect();
    let long: Vec<_> = paths.iter().filter(|(_, path)| path.contains("::")).map(|(l, path)| (*l, &**path)).collect();
    assert_eq!(
        long,
        [
            (1, "crate::a"),
            (1, "crate::b"),
            (1, "crate::b::c"),
            (1, "crate::e::*"),
            (4, "crate::i::j"),
            (8, "std::env::var")
        ]
    );
    assert_eq!(source.texts(), ["crate::text", "crate::\"raw", "c", "\\'"]);
    assert_eq!(source.test_lines, 2);
}

#[test]
fn files_that_are_only_for_tests_are_known() {
    let source =
        Source::new("src/a/b.rs", "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n#[cfg(test)]\nmod more;");
    assert_eq!(source.test_files, ["src/a/b_tests.rs", "src/a/more.rs"]);
    assert!(source.code.trim().is_empty());
}
