//! Standard terms of the field: words that were private to this project, and the term that replaces each.
//!
//! Names of data keep such a word, because data and operators depend on them: tables, columns, metrics, JSON members,
//! variables, flags ([`DATA`]). [`EXEMPT`] lists the other places that keep one; an exemption that nothing needs is
//! reported.

use std::collections::BTreeSet;

use crate::support::source::Source;
use crate::support::{files, project};

/// A word with its forms, and the terms that replace it.
const WORDS: &[(&[&str], &str)] = &[
    (&["room", "rooms", "house", "arrow", "arrows"], "module, architecture, dependency"),
    (&["family", "families"], "source, or system in data"),
    (&["tell", "tells", "told", "telling", "untold"], "notify, announce, deliver, report"),
    (&["refuse", "refuses", "refused", "refusing", "refusal", "refusals"], "reject, rejection reason"),
    (&["upkeep"], "maintenance"),
    (&["stale"], "outdated message, silent bot, stuck run"),
    (&["patient", "patience"], "retry policy, time limit"),
    (&["whoever", "nobody", "somebody"], "the subject by its name"),
    (&["mend", "mends", "mended", "mending"], "fix, repair"),
    (&["take_back", "take back"], "rollback"),
    (&["as usual"], "default"),
];

/// Words that are names of data. They are reported in prose (comments, documentation) and in names of functions, unless
/// quoted.
const DATA: &[&str] = &["family", "families", "refused", "refusals", "stale", "told", "upkeep"];

/// Names of types that do not describe what the type is.
const TYPES: &[&str] = &["Place", "Wanted", "Way", "Step", "Fact", "Told"];

/// Where a word stays: a part of the path, the word, and why.
const EXEMPT: &[(&str, &str, &str)] = &[
    ("src/sources/travis/", "room", "Slack's rooms, in the format of Travis CI"),
    ("src/sources/travis/", "rooms", "a key of Travis CI's configuration"),
    ("tests/it/", "rooms", "a key of Travis CI's configuration"),
    ("tests/it/conformance/travis/", "room", "Slack's rooms, in the format of Travis CI"),
    ("src/README.md", "family", "a column in a diagram"),
    ("src/maintenance/mod.rs", "refused", "a table in a list of tables"),
    ("src/local/", "nobody", "the account of that name in /etc/passwd"),
    (".ci/browser/", "nobody", "a bot that does not exist"),
    (".ci/sizes.py", "tell", "a method of Python's files"),
];

/// Sources, tests, scripts and documents. Merged migrations, snapshots and recorded data are not read.
fn read() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    let mut found = vec![("README.md".to_owned(), readme)];
    for (folder, ends) in [
        ("src", &[".rs", ".sql", ".md", ".css"][..]),
        ("tests", &[".rs", ".md", ".py"]),
        ("sam", &[".md", ".yaml", ".sql"]),
        ("events", &[".md"]),
        (".ci", &[""]),
        (".github", &[".md"]),
    ] {
        for end in ends {
            for (name, text) in files(folder, end) {
                let path = format!("{folder}/{name}");
                let left_out = ["src/db/migrations/", "node_modules", "package-lock", "tests/it/words.rs"];
                if let (false, Ok(text)) = (left_out.iter().any(|part| path.contains(part)), String::from_utf8(text)) {
                    found.push((path, text));
                }
            }
        }
    }
    found
}

/// Words in a text, as `path:line: word, say ..: the line`; the exemptions that were needed are added to `needed`.
fn found(path: &str, text: &str, needed: &mut BTreeSet<usize>) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        let prose = prose(path, line);
        for (forms, instead) in WORDS {
            for form in *forms {
                for (start, _) in lower.match_indices(form) {
                    let end = start + form.len();
                    let is_data = DATA.contains(form)
                        && (start < prose || is_quoted(&lower, start, end))
                        && !is_in_a_name_of_a_function(&lower, start);
                    if is_data || !is_whole(&lower, start, end) {
                        continue;
                    }
                    match EXEMPT.iter().position(|(part, word, _)| path.contains(part) && word == form) {
                        Some(number) => _ = needed.insert(number),
                        None => found.push(format!("{path}:{}: {form}, say {instead}: {}", at + 1, line.trim())),
                    }
                }
            }
        }
        for name in TYPES.iter().filter(|_| path.ends_with(".rs")) {
            let is_type = ["struct", "enum", "type", "trait"].iter().any(|kind| {
                let rest = line.split_once(&format!("{kind} {name}")).map(|(_, rest)| rest);
                rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            });
            if is_type {
                found.push(format!("{path}:{}: a type {name}: name it by what it is", at + 1));
            }
        }
    }
    found
}

/// Where the prose of a line begins: at its comment, and in a document at once.
fn prose(path: &str, line: &str) -> usize {
    let comment = match path.rsplit_once('.').map(|(_, end)| end) {
        Some("rs") => "//",
        Some("sql") => "--",
        Some("md") => return 0,
        _ => "#",
    };
    line.find(comment).unwrap_or(line.len())
}

/// Whether a word is a name of data in prose: in backticks or quotes, a member, or a part of a path.
fn is_quoted(line: &str, start: usize, end: usize) -> bool {
    let marks = ['"', '\'', '`', '_', '/', '.', '{', '-', '='];
    line[..start].ends_with(marks)
        || line[end..].starts_with(['"', '\'', '`', '_', '/', '}', '=', ':'])
        || line[..start].matches('`').count() % 2 == 1
}

fn is_in_a_name_of_a_function(line: &str, start: usize) -> bool {
    let name = line[..start].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    line[..name].ends_with("fn ")
}

/// Whether a word is not a part of another one. Parts of identifiers (`told_by`) are words.
fn is_whole(line: &str, start: usize, end: usize) -> bool {
    !line[..start].ends_with(char::is_alphabetic) && !line[end..].starts_with(char::is_alphabetic)
}

#[test]
fn only_standard_terms_are_used() {
    let mut needed = BTreeSet::new();
    let all = read();
    assert!(all.len() > 500, "{} files", all.len());
    let wrong: Vec<String> = all.iter().flat_map(|(path, text)| found(path, text, &mut needed)).collect();
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
    let unneeded: Vec<_> = EXEMPT.iter().enumerate().filter(|(number, _)| !needed.contains(number)).collect();
    assert!(unneeded.is_empty(), "exemptions that nothing needs: {unneeded:?}");
}

#[test]
fn planted_words_are_reported() {
    let count = |path: &str, line: &str| found(path, line, &mut BTreeSet::new()).len();
    for line in [
        "// whoever comes",
        "fn told_by() {}",
        "let refusal = 1;",
        "/// As usual, it waits.",
        "/// The family of a message.",
        "struct Place;",
        "enum Way {",
    ] {
        assert_eq!(count("src/x.rs", line), 1, "{line}");
    }
    assert_eq!(count("src/x.sql", "-- Stale rows"), 1);
    assert_eq!(count("README.md", "A stale bot is silent"), 1);
    for line in [
        "// a bedroom, amended",
        "struct Placement;",
        "fn retold_story() {}",
        "row.get(\"family\") // the column `told`",
    ] {
        assert_eq!(count("src/x.rs", line), 0, "{line}");
    }
    assert_eq!(count("src/x.sql", "SELECT family FROM refused -- of `refused`"), 0);
}

/// Lines of code and SQL fit beside each other on a screen. Long texts in strings, tables and diagrams are not broken.
#[test]
fn lines_have_at_most_120_columns() {
    let mut found = Vec::new();
    for (path, text) in read().iter().filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".sql")) {
        // Without strings, and without comments in Rust.
        let code = if path.ends_with(".rs") { Source::new(path, text).code } else { text.clone() };
        for (at, (line, code)) in text.lines().zip(code.lines()).enumerate() {
            let comment = line.trim();
            let is_drawn = comment.contains(['|', '─', '►']);
            let is_comment = (comment.starts_with("//") || comment.starts_with("--")) && !is_drawn;
            let code: Vec<&str> = code.split_whitespace().collect();
            let is_code = code.join(" ").chars().count() > 120;
            if line.chars().count() > 120 && (is_comment || is_code) {
                found.push(format!("{path}:{}", at + 1));
            }
        }
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}
