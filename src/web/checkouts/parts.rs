//! Parts that the pages of checkouts, builds and tests share.

use maud::{Markup, html};
use serde_json::Value;

use crate::sources::kcidb::reads::IssueRow;
use crate::web::html::{empty, or_none, outside, table};

/// Most builds, tests or issues that a page shows, the worst first.
pub(super) const SHOWN: i64 = 500;

/// A link to a log.
pub(super) fn log(url: Option<&str>) -> Markup {
    html! { @match url { Some(url) => (outside(Some(url), "log")), None => (or_none(None)) } }
}

/// Issues as a table.
pub(super) fn issue_table(issues: &[IssueRow]) -> Markup {
    let culprits = |issue: &IssueRow| {
        let parts = [(issue.culprit_code, "code"), (issue.culprit_tool, "tool"), (issue.culprit_harness, "harness")];
        parts.into_iter().filter(|(is, _)| *is == Some(true)).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
    };
    html! {
        @if issues.is_empty() { (empty("No known issue was seen.")) } @else {
            (table("Issues, the most frequent first", &["Issue", "Comment", "Culprit", "Seen", "Report"], &html! {
                @for issue in issues {
                    tr {
                        th scope="row" { (issue.id) " " span.dim { "version " (issue.version) } }
                        td { (or_none(issue.comment.as_deref())) } td { (culprits(issue)) } td { (issue.incidents) }
                        td {
                            @if issue.report_url.is_some() || issue.report_subject.is_some() {
                                (outside(issue.report_url.as_deref(),
                                    issue.report_subject.as_deref().unwrap_or("report")))
                            }
                        }
                    }
                }
            }))
        }
    }
}

/// Names of files as links.
pub(super) fn files(files: Option<&Value>) -> Markup {
    let files = files.and_then(Value::as_array).into_iter().flatten();
    let text = |file: &Value, name: &str| file[name].as_str().unwrap_or_default().to_owned();
    let files: Vec<(String, String)> = files.map(|file| (text(file, "name"), text(file, "url"))).collect();
    html! {
        @if files.is_empty() { (or_none(None)) } @else {
            ul { @for (name, url) in &files { li { (outside(Some(url), name)) } } }
        }
    }
}

/// Any JSON, collapsed.
pub(super) fn json_fact(value: Option<&Value>) -> Markup {
    html! {
        @match value.filter(|value| value.as_object().is_none_or(|members| !members.is_empty())) {
            Some(value) => details { summary { "JSON" } pre.scroll tabindex="0" { (format!("{value:#}")) } },
            None => (or_none(None)),
        }
    }
}

/// The end of a log.
pub(super) fn excerpt(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { h2 { "End of the log" } pre.scroll tabindex="0" { (text) } } }
}
