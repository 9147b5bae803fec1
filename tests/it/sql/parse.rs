//! As much of SQL, and of the Rust that calls it, as the tests of the statements need.

/// A statement file.
pub struct Statement {
    /// Path in the project.
    pub path: String,
    /// Name of the file without ending, which is that of the statement.
    pub name: String,
    /// As it is on disk.
    pub text: String,
    /// Without comments and strings, in one line.
    pub code: String,
}

/// `ON CONFLICT ..`.
pub struct Conflict {
    /// Where it begins in the code.
    pub start: usize,
    /// The columns in conflict.
    pub key: Vec<String>,
    /// `DO UPDATE`, not `DO NOTHING`.
    pub updates: bool,
    /// The condition of the update.
    pub guard: Option<String>,
    /// What is between `SET` and `WHERE`.
    pub set: String,
}

impl Statement {
    pub fn new(path: &str, text: &str) -> Self {
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".sql").to_owned();
        Self { path: path.to_owned(), name, text: text.to_owned(), code: code(text) }
    }

    /// The columns of `INSERT INTO table [AS t] (..)`.
    pub fn insert_columns(&self) -> Option<Vec<String>> {
        let (_, rest) = self.code.split_once("INSERT INTO ")?;
        rest[..rest.find("SELECT")?].contains('(').then(|| items(inside(rest)))
    }

    /// What the first `SELECT` after `INSERT` lists.
    pub fn select_items(&self) -> Option<Vec<String>> {
        let (_, rest) = self.code.split_once("INSERT INTO ")?;
        let (_, rest) = rest.split_once("SELECT ")?;
        let mut depth = 0;
        let end = rest.char_indices().find(|(at, character)| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0 && rest[*at..].starts_with(" FROM ")
        });
        Some(items(&rest[..end?.0]))
    }

    /// The arrays that become rows, `unnest(..), unnest(..)` in a list or `unnest(.., ..)` as a table.
    pub fn unnest_params(&self) -> Option<Vec<String>> {
        match self.unnest_list() {
            Some(list) => Some(list.iter().map(|item| inside(item).to_owned()).collect()),
            None => Some(items(inside(&self.code[self.code.find("unnest(")?..]))),
        }
    }

    /// The names that these get: `unnest(..) AS a, unnest(..) AS b`, or `unnest(.., ..) AS i (a, b)` without the number
    /// of the row that `WITH ORDINALITY` adds.
    pub fn unnest_names(&self) -> Option<Vec<String>> {
        if let Some(list) = self.unnest_list() {
            return Some(list.iter().map(|item| item.rsplit(' ').next().unwrap().to_owned()).collect());
        }
        let rest = &self.code[self.code.find("unnest(")?..];
        let arrays = inside(rest);
        let rest = &rest["unnest(".len() + arrays.len() + 1..];
        let mut names = items(inside(rest));
        if rest.trim_start().starts_with("WITH ORDINALITY") {
            names.pop();
        }
        Some(names)
    }

    /// The list of `(SELECT unnest(..) AS a, ..)`.
    fn unnest_list(&self) -> Option<Vec<String>> {
        let start = self.code[..self.code.find("SELECT unnest(")?].rfind('(')?;
        let list = inside(&self.code[start..]).trim().strip_prefix("SELECT ").map(items)?;
        (list.len() > 1 && list.iter().all(|item| item.contains(" AS "))).then_some(list)
    }

    pub fn conflict(&self) -> Option<Conflict> {
        let start = self.code.find("ON CONFLICT")?;
        let rest = &self.code[start..];
        let key = items(inside(rest));
        let set = rest.split_once(" SET ").map_or("", |(_, set)| set);
        // The WHERE of the update itself, not of a query inside of an assignment.
        let mut depth = 0;
        let guard = set.char_indices().find(|(at, character)| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0 && set[*at..].starts_with(" WHERE ")
        });
        let end = guard.map_or(set.len(), |(at, _)| at);
        let updates = rest.contains("DO UPDATE");
        let guard = guard.map(|(at, _)| set[at + " WHERE ".len()..].split(" RETURNING ").next().unwrap().to_owned());
        Some(Conflict { start, key, updates, guard, set: set[..end].to_owned() })
    }
}

impl Conflict {
    /// Pairs of `column = excluded.other`.
    pub fn assignments(&self) -> Vec<(String, String)> {
        let pairs = items(&self.set).into_iter().filter_map(|item| {
            let (column, from) = item.split_once(" = excluded.")?;
            Some((column.trim().to_owned(), from.trim().to_owned()))
        });
        pairs.collect()
    }

    /// Comparisons of rows in the guard, `(t.a, t.b) < (excluded.a, excluded.b)`, whose sides are not of the same
    /// columns.
    pub fn lopsided(&self) -> Vec<String> {
        let guard = self.guard.as_deref().unwrap_or_default();
        let mut found = Vec::new();
        for (start, _) in guard.match_indices('(') {
            let left = inside(&guard[start..]);
            let rest = &guard[start + left.len() + 2..];
            if let Some(right) = rest.strip_prefix(" < ").or_else(|| rest.strip_prefix(" > ")) {
                let right = inside(right);
                if columns(left) != columns(right) {
                    found.push(format!("({left}) against ({right})"));
                }
            }
        }
        found
    }
}

/// A piece of code without what qualifies its columns: `coalesce(t.a, '')` as `coalesce(a, '')`.
fn columns(code: &str) -> String {
    let mut columns = code.to_owned();
    for word in words(code).filter(|word| word.contains('.')) {
        columns = columns.replace(word, word.rsplit('.').next().unwrap_or_default());
    }
    columns
}

/// SQL without comments and strings, with single blanks.
pub fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
        let skip = match () {
            () if rest.starts_with("--") => end("\n"),
            () if rest.starts_with("/*") => end("*/"),
            () if first == '\'' => rest[1..].find('\'').map_or(rest.len(), |at| at + 2),
            () => {
                code.push(if first.is_whitespace() { ' ' } else { first });
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        // A string stays as an item of a list, without what it says.
        code.push_str(if first == '\'' { "''" } else { " " });
        rest = &rest[skip..];
    }
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the first pair of parentheses holds.
fn inside(text: &str) -> &str {
    let start = text.find('(').map_or(text.len(), |at| at + 1);
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        depth += match byte {
            b'(' => 1,
            b')' => -1,
            _ => 0,
        };
        if depth == 0 {
            return &text[start..at];
        }
    }
    ""
}

/// The items of a list, at its commas outside of parentheses.
pub fn items(list: &str) -> Vec<String> {
    let mut depth = 0;
    let parts = list.split(|character| {
        depth += match character {
            '(' | '[' => 1,
            ')' | ']' => -1,
            _ => 0,
        };
        character == ',' && depth == 0
    });
    parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// The words of a piece of code; `i.name` is one.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '"'))).filter(|word| !word.is_empty())
}

/// For each statement that is called with labelled parameters: its name, and each label with the code behind it.
///
/// The statement of a label is the one that was included last before it, but a constant that is not an upsert
/// (`holders_..`, `replaced_..`) has no labels.
pub fn labels(rust: &str) -> Vec<(String, Vec<(String, String)>)> {
    const INCLUDE: &str = "include_str!(\"sql/";
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = rust;
    while let Some(at) = [rest.find(INCLUDE), rest.find("/* ")].into_iter().flatten().min() {
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(INCLUDE) {
            let name = after.split('.').next().unwrap_or_default();
            if !name.starts_with("holders_") && !name.starts_with("replaced_") {
                found.push((name.to_owned(), Vec::new()));
            }
            rest = after;
        } else {
            let (label, after) = rest["/* ".len()..].split_once(" */").unwrap_or_default();
            let end = [after.find("/* "), after.find("],"), after.find("];")].into_iter().flatten().min();
            let code = &after[..end.unwrap_or(after.len())];
            if let Some((_, labels)) = found.last_mut() {
                labels.push((label.to_owned(), code.to_owned()));
            }
            rest = after;
        }
    }
    found.retain(|(_, labels)| !labels.is_empty());
    found
}
