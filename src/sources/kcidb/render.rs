//! Renders objects as JSON of schema 5.3.

use std::io::Write as _;

use super::record::{Cell, Column, Kind, View};

/// An object as JSON, with the members that have a value. Times are in UTC with six decimal digits.
///
/// `excerpt` returns the text of a log excerpt by its hash; where it returns `None` the member is left out.
pub fn object<'x>(view: &View<'_>, excerpt: impl Fn(&[u8; 32]) -> Option<&'x str>) -> String {
    let mut json = Writer { text: Vec::with_capacity(512), inside: "" };
    json.text.extend_from_slice(b"{\"id\":");
    json.string(view.id);
    if view.kind == Kind::Issue {
        json.raw(format_args!(",\"version\":{}", view.version));
    }
    for (column, cell) in view.kind.columns().iter().zip(&view.cells) {
        match cell {
            None => {}
            Some(Cell::Excerpt(hash)) => {
                if let Some(text) = excerpt(hash) {
                    json.member(column);
                    json.string(text);
                }
            }
            Some(cell) => {
                json.member(column);
                json.value(cell);
            }
        }
    }
    json.leave();
    json.text.push(b'}');
    // Unwrap safety: all parts are UTF-8.
    String::from_utf8(json.text).expect("JSON in UTF-8")
}

struct Writer {
    text: Vec<u8>,
    inside: &'static str,
}

impl Writer {
    fn raw(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _ = self.text.write_fmt(arguments);
    }

    fn string(&mut self, text: &str) {
        let _ = serde_json::to_writer(&mut self.text, text);
    }

    fn leave(&mut self) {
        if !self.inside.is_empty() {
            self.text.push(b'}');
        }
        self.inside = "";
    }

    /// Begins a member. It always follows another one, as the id is the first.
    fn member(&mut self, column: &Column) {
        let same = self.inside == column.inside;
        if !same {
            self.leave();
        }
        self.text.push(b',');
        if !same && !column.inside.is_empty() {
            self.raw(format_args!("\"{}\":{{", column.inside));
        }
        self.inside = column.inside;
        self.raw(format_args!("\"{}\":", column.member));
    }

    fn value(&mut self, cell: &Cell) {
        match cell {
            Cell::Text(text) => self.string(text),
            Cell::Json(json) => self.text.extend_from_slice(json.as_bytes()),
            Cell::Time(micros) => self.raw(format_args!("\"{}\"", time(*micros))),
            Cell::Flag(flag) => self.raw(format_args!("{flag}")),
            Cell::Number(number) => {
                let _ = serde_json::to_writer(&mut self.text, number);
            }
            Cell::Integer(number) => self.raw(format_args!("{number}")),
            Cell::Excerpt(_) => {}
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`, the format of upstream.
#[must_use]
pub(super) fn time(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March, so that the leap day is the last; an era has 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_the_calendar() {
        for text in ["0001-01-01T00:00:00", "1969-12-31T23:59:59", "2000-02-29T12:30:01", "9998-12-31T23:59:59"] {
            let time: jiff::Timestamp = format!("{text}Z").parse().unwrap();
            assert_eq!(super::time(time.as_microsecond() + 42), format!("{text}.000042+00:00"));
        }
        assert_eq!(time(253_402_300_799_000_000), "9999-12-31T23:59:59.000000+00:00");
    }

    #[test]
    fn nested_members_are_one_object() {
        let kind = Kind::Test;
        let mut cells = vec![None; kind.columns().len()];
        let mut set = |name: &str, cell: Cell| cells[kind.column(name).unwrap()] = Some(cell);
        set("build_id", Cell::Text("o:\"b".into()));
        set("environment_compatible", Cell::Json(r#"["a"]"#.into()));
        set("environment_misc", Cell::Json("{}".into()));
        set("number_value", Cell::Number(600.0));
        set("number_unit", Cell::Text("s".into()));
        set("log_excerpt_sha256", Cell::Excerpt(Box::new([1; 32])));
        set("start_time", Cell::Time(0));
        let cells = cells.iter().map(Option::as_ref).collect();
        let view = View { kind, id: "o:t", version: 0, cells };
        let rendered = object(&view, |_| None);
        let expected = concat!(
            r#"{"id":"o:t","build_id":"o:\"b","environment":{"compatible":["a"],"misc":{}},"#,
            r#""number":{"value":600.0,"unit":"s"},"start_time":"1970-01-01T00:00:00.000000+00:00"}"#,
        );
        assert_eq!(rendered, expected);
        let rendered = object(&view, |_| Some("log\n"));
        assert!(rendered.contains(r#"},"log_excerpt":"log\n","number""#), "{rendered}");
    }
}
