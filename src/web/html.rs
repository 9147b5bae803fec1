//! Parts of pages: the shell, states, times, links, tables.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::{PAGES, text};

/// The stylesheet.
const STYLE: &str = include_str!("style.css");

/// The frame of a page: title, navigation and links.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shell<'a> {
    /// Title of the window.
    pub(super) title: &'a str,
    /// Path of the current entry in the navigation.
    pub(super) current: &'a str,
    /// Seconds after which the browser reloads the page.
    pub(super) refresh: Option<i64>,
    /// Path and query of the page as JSON.
    pub(super) json: Option<&'a str>,
    /// Path of its feed.
    pub(super) feed: Option<&'a str>,
}

/// A whole page.
pub(super) fn shell(shell: Shell<'_>, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = shell.refresh { meta http-equiv="refresh" content=(seconds); }
                title { (shell.title) " · Hummingbird Status" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                @if let Some(feed) = shell.feed {
                    link rel="alternate" type="application/atom+xml" title=(shell.title) href=(feed);
                }
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header {
                    nav aria-label="Main" {
                        ul {
                            @for entry in PAGES {
                                li {
                                    @let current = (entry.path == shell.current).then_some("page");
                                    a href=(entry.path) aria-current=[current] { (entry.title) }
                                }
                            }
                        }
                    }
                }
                main id="content" { (content) }
                footer {
                    p {
                        @if let Some(json) = shell.json { a href=(json) { "This as JSON" } " · " }
                        @if let Some(feed) = shell.feed { a href=(feed) { "Feed" } " · " }
                        a href="/api/v1/openapi.json" { "API" }
                    }
                }
            }
        }
    };
    Html(text::document(page.into_string()))
}

/// The stylesheet, as an answer.
pub(super) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, STYLE).into_response()
}

/// The icon, as an answer.
pub(super) async fn icon() -> Response {
    let svg = concat!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">"#,
        r##"<circle cx="8" cy="8" r="7" fill="#1a7f37"/>"##,
        r##"<path d="M4.5 8.5l2.5 2.5 4.5-5.5" fill="none" stroke="#fff" stroke-width="2"/></svg>"##,
    );
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (StatusCode::OK, headers, svg).into_response()
}

/// How good or bad a state is: its colour and icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Notice,
    Bad,
    Running,
    Quiet,
}

impl Tone {
    /// The tone of a state of any source.
    pub(super) fn of(state: &str) -> Self {
        match state {
            "ok" | "succeeded" | "passed" | "merged" | "released" | "delivered" | "PASS" | "DONE" => Self::Good,
            "warning" | "late" | "cancelled" | "canceled" | "canceling" | "superseded" | "skipped" | "not_released"
            | "not_run" | "blocked" | "MISS" | "SKIP" => Self::Notice,
            "failed" | "failing" | "started_failing" | "waiting_failed" | "errored" | "timed_out" | "stale"
            | "stuck" | "error" | "missing" | "dead" | "undeliverable" | "FAIL" | "ERROR" => Self::Bad,
            "running" | "pending" | "opened" | "locked" | "creating" | "created" | "scheduled" | "waiting"
            | "queued" | "received" | "started" | "unrouted" => Self::Running,
            _ => Self::Quiet,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Bad => "bad",
            Self::Running => "running",
            Self::Quiet => "quiet",
        }
    }

    fn icon(self) -> &'static str {
        match self {
            Self::Good => "✔",
            Self::Notice => "!",
            Self::Bad => "✖",
            Self::Running => "▶",
            // Not a dash, which would be a minus before a number.
            Self::Quiet => "○",
        }
    }
}

/// The name of a state on pages: a bot that is `stale` in data is silent.
pub(super) fn label(state: &str) -> &str {
    if state == "stale" { "silent" } else { state }
}

/// A state as icon, text and colour.
pub(super) fn state(text: &str) -> Markup {
    toned(Tone::of(text), label(text).replace('_', " "))
}

/// A text in a tone.
pub(super) fn toned(tone: Tone, text: impl Render) -> Markup {
    html! { span class={ "state " (tone.class()) } { span.icon aria-hidden="true" { (tone.icon()) } "\u{a0}" (text) } }
}

/// A number in a tone, which is quiet for zero.
pub(super) fn count(number: i64, tone: Tone, what: &str) -> Markup {
    toned(if number == 0 { Tone::Quiet } else { tone }, html! { (number) " " (what) })
}

/// A time relative to now, with the absolute time for programs and on hover.
pub(super) fn time(at: Option<Timestamp>, now: Timestamp) -> Markup {
    let Some(at) = at else { return html! { span.none { "unknown" } } };
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    html! { time datetime=(whole) title=(whole) { (ago(now.duration_since(at))) } }
}

/// A duration before now, or after it if negative, as a text.
pub(super) fn ago(distance: SignedDuration) -> String {
    let seconds = distance.as_secs();
    let text = span(seconds.unsigned_abs());
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("{text} ago"),
        _ => format!("in {text}"),
    }
}

/// A duration in its largest unit.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..5400 => format!("{} min", seconds.div_ceil(60).max(1)),
        5400..172_800 => format!("{} h", seconds.saturating_add(1800) / 3600),
        _ => format!("{} d", seconds.saturating_add(43_200) / 86_400),
    }
}

/// A link to another site, if the address is HTTP(S): messages may contain any address, also `javascript:`.
pub(super) fn outside(url: Option<&str>, text: &str) -> Markup {
    let url = url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    html! {
        @if let Some(url) = url { a href=(url) rel="noreferrer noopener" { (text) } } @else { (text) }
    }
}

/// The first digits of a commit.
pub(super) fn short(sha: &str) -> &str {
    sha.char_indices().nth(8).map_or(sha, |(end, _)| &sha[..end])
}

/// A value, or "none".
pub(super) fn or_none(text: Option<&str>) -> Markup {
    html! { @match text.filter(|text| !text.is_empty()) { Some(text) => (text), None => span.none { "none" } } }
}

/// A path that may be wrapped at its slashes.
pub(super) fn path(text: &str) -> Markup {
    html! { @for (index, part) in text.split('/').enumerate() { @if index > 0 { "/" wbr; } (part) } }
}

/// A table with a caption and column heads. A wide table scrolls by itself; on a narrow screen each row is a list of
/// its cells.
pub(super) fn table(caption: &str, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table.rows {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (labelled(heads, rows)) }
            }
        }
    }
}

/// Adds to each cell the head of its column (`data-label`), which the stylesheet shows on narrow screens. All text is
/// escaped, so that a `<` always begins a tag.
fn labelled(heads: &[&str], rows: &Markup) -> Markup {
    let mut pieces = rows.0.split('<');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    let mut left = heads.iter();
    for piece in pieces {
        text.push('<');
        let is = |tag: &str| piece.strip_prefix(tag).is_some_and(|rest| rest.starts_with([' ', '>']));
        if is("tr") {
            left = heads.iter();
        }
        match left.as_slice().first().filter(|_| is("td") || is("th")) {
            Some(head) => {
                left.next();
                let label = html! { (head) }.0;
                text.extend([&piece[..2], " data-label=\"", &label, "\"", &piece[2..]]);
            }
            None => text.push_str(piece),
        }
    }
    PreEscaped(text)
}

/// The text of an empty list.
pub(super) fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

/// A list of names and values.
pub(super) fn facts(pairs: &[(&str, Markup)]) -> Markup {
    html! { dl { @for (name, value) in pairs { div { dt { (name) } dd { (value) } } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_formatted() {
        for (seconds, text) in [
            (0, "now"),
            (1, "1 s ago"),
            (59, "59 s ago"),
            (61, "2 min ago"),
            (5400, "2 h ago"),
            (200_000, "2 d ago"),
            (-90, "in 2 min"),
        ] {
            assert_eq!(ago(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn cells_get_the_heads_of_their_columns() {
        let rows = html! {
            tr { th scope="row" { a href="/x" { "<td>" } } td { "1 < 2" } td.c {} td { "no head" } }
            tr { td { b { "x" } } }
        };
        assert_eq!(
            labelled(&["A", "\"B\"", "C"], &rows).0,
            "<tr><th data-label=\"A\" scope=\"row\"><a href=\"/x\">&lt;td&gt;</a></th>\
             <td data-label=\"&quot;B&quot;\">1 &lt; 2</td><td data-label=\"C\" class=\"c\"></td>\
             <td>no head</td></tr><tr><td data-label=\"A\"><b>x</b></td></tr>"
        );
        assert_eq!(path("a/<b>/").0, "a/<wbr>&lt;b&gt;/<wbr>");
    }

    #[test]
    fn only_http_addresses_are_links() {
        assert_eq!(outside(Some("javascript:alert(1)"), "x").into_string(), "x");
        assert_eq!(outside(None, "<").into_string(), "&lt;");
        let link = outside(Some("https://h/\"><script>"), "x").into_string();
        assert!(link.starts_with("<a href=\"https://h/&quot;&gt;&lt;script&gt;\""), "{link}");
        assert_eq!(short("äöüäöüäöü"), "äöüäöüäö");
    }
}
