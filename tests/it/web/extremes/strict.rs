//! Parsers that forgive nothing.

use serde_json::Value;

type Checked<T = ()> = Result<T, String>;

/// Members that hold times.
fn is_time(name: &str) -> bool {
    name == "at"
        || name == "since"
        || name == "newest"
        || name == "timestamp"
        || name.ends_with("_at")
        || name.ends_with("_time")
}

/// Whether a text is a time of RFC 3339 in the years 1 to 9999.
fn rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() >= 20
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && &bytes[..4] != b"0000"
        && matches!(bytes[10], b'T');
    shape && text.parse::<jiff::Timestamp>().is_ok()
}

/// JSON, as any reader takes it: of no more levels than most allow, and with times of RFC 3339.
pub(super) fn json(text: &str) -> Checked {
    fn walk(value: &Value, name: &str) -> Checked {
        match value {
            Value::String(time) if is_time(name) && !rfc3339(time) => Err(format!("{name} is {time:?}")),
            Value::Array(items) => items.iter().try_for_each(|item| walk(item, name)),
            // What is free holds what it likes.
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| {
                    !matches!(name.as_str(), "misc" | "environment_misc" | "meta" | "environment" | "config")
                })
                .try_for_each(|(name, value)| walk(value, name)),
            _ => Ok(()),
        }
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => walk(&value, ""),
        // A payload is delivered as it was sent, at any depth; only its syntax is checked.
        Err(error)
            if error.to_string().starts_with("recursion limit")
                || error.to_string().starts_with("number out of range") =>
        {
            serde_json::from_str::<&serde_json::value::RawValue>(text).map(drop).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A well-formed document of XML 1.0.
pub(super) fn xml(text: &str) -> Checked<roxmltree::Document<'_>> {
    roxmltree::Document::parse(text).map_err(|error| error.to_string())
}

/// A feed of RFC 4287: what every entry must have, and times that are times.
pub(super) fn atom(text: &str) -> Checked {
    let document = xml(text)?;
    let mut ids = Vec::new();
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        let name = element.tag_name().name();
        let own = element.text().unwrap_or_default();
        if name == "updated" && !rfc3339(own) {
            return Err(format!("updated is {own:?}"));
        }
        if name == "entry" || name == "feed" {
            for wanted in ["id", "title", "updated"] {
                if element
                    .children()
                    .filter(|child| child.has_tag_name(("http://www.w3.org/2005/Atom", wanted)))
                    .count()
                    != 1
                {
                    return Err(format!("an {name} without one {wanted}"));
                }
            }
        }
        if name == "id" {
            ids.push(own.to_owned());
        }
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    if ids.len() == all { Ok(()) } else { Err("an id is there twice".to_owned()) }
}

/// Elements that have no end.
const VOID: [&str; 8] = ["meta", "link", "input", "br", "wbr", "img", "hr", "col"];

/// HTML as this project writes it: each element ends, attributes are quoted, text and values are escaped, and no
/// character is one that HTML calls an error.
pub(super) fn html(text: &str) -> Checked {
    let is_wrong = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
            || matches!(c, '\u{fdd0}'..='\u{fdef}')
            || u32::from(c) & 0xfffe == 0xfffe
    };
    if let Some(c) = text.chars().find(|c| is_wrong(*c)) {
        return Err(format!("holds {c:?}"));
    }
    let rest = text.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    let mut open: Vec<&str> = Vec::new();
    let mut pieces = rest.split('<');
    escaped(pieces.next().unwrap_or_default())?;
    for piece in pieces {
        let (tag, after) = piece.split_once('>').ok_or_else(|| format!("a tag without end: {piece:.40}"))?;
        match tag.strip_prefix('/') {
            Some(name) => match open.pop() {
                Some(last) if last == name => {}
                last => return Err(format!("</{name}> ends {last:?}")),
            },
            None => {
                let name = tag.split([' ', '\n']).next().unwrap_or_default();
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(format!("a tag {tag:.40}"));
                }
                attributes(&tag[name.len()..])?;
                if !VOID.contains(&name) {
                    open.push(name);
                }
            }
        }
        escaped(after)?;
        if open.is_empty() && !after.trim().is_empty() {
            return Err(format!("text behind the end: {after:.40}"));
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} do not end")) }
}

fn escaped(text: &str) -> Checked {
    if text.contains('>') {
        return Err(format!("a > in text: {text:.40}"));
    }
    let is_entity = |rest: &str| ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| rest.starts_with(name));
    match text.split('&').skip(1).find(|rest| !is_entity(rest)) {
        Some(rest) => Err(format!("an & in text: {rest:.40}")),
        None => Ok(()),
    }
}

/// ` a="b" c`.
fn attributes(mut rest: &str) -> Checked {
    while !rest.is_empty() {
        let inner = rest.strip_prefix(' ').ok_or_else(|| format!("attributes {rest:.40}"))?;
        let end = inner.find(['=', ' ']).unwrap_or(inner.len());
        let name = &inner[..end];
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!("an attribute {inner:.40}"));
        }
        rest = &inner[end..];
        if let Some(value) = rest.strip_prefix('=') {
            let value = value.strip_prefix('"').ok_or_else(|| format!("{name} is not quoted"))?;
            let (value, after) = value.split_once('"').ok_or_else(|| format!("{name} has no end"))?;
            escaped(value)?;
            rest = after;
        }
    }
    Ok(())
}

/// The text format of Prometheus 0.0.4.
pub(super) fn prometheus(text: &str) -> Checked {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    for line in text.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE ")) {
        let wrong = || format!("line {line:?}");
        let end = line.find(['{', ' ']).ok_or_else(wrong)?;
        let name = &line[..end];
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
        };
        if !is_name(name) {
            return Err(wrong());
        }
        let mut rest = &line[end..];
        if let Some(mut labels) = rest.strip_prefix('{') {
            loop {
                if let Some(after) = labels.strip_prefix('}') {
                    rest = after;
                    break;
                }
                let (name, value) = labels.split_once("=\"").ok_or_else(wrong)?;
                if !is_name(name.trim_start_matches(',')) {
                    return Err(wrong());
                }
                let mut escape = false;
                let quote = value.char_indices().find(|(_, c)| {
                    let ends = *c == '"' && !escape;
                    escape = *c == '\\' && !escape;
                    ends
                });
                labels = &value[quote.ok_or_else(wrong)?.0 + 1..];
            }
        }
        let value = rest.strip_prefix(' ').ok_or_else(wrong)?;
        value.parse::<f64>().map_err(|_| wrong())?;
    }
    Ok(())
}
