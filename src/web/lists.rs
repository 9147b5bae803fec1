//! Parts that all lists and the pages of single objects share: one handler for HTML and JSON, a form of filters,
//! pagination.

use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Serialize;

use super::App;
use super::html::{Shell, shell};
use super::params::Params;
use crate::platform::routing::Routes;

/// Rows of a page.
pub(super) const ROWS: i64 = 50;

/// A page of a list, as JSON.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Rows<T> {
    /// The rows.
    pub(super) results: Vec<T>,
    /// `after` of the next page; none at the end.
    pub(super) next: Option<String>,
}

impl<T> Rows<T> {
    /// A page of rows, of which one more was read than is shown. `key` makes the cursor of a row.
    pub(super) fn new(mut results: Vec<T>, most: i64, key: impl Fn(&T) -> String) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let more = results.len() > most;
        results.truncate(most);
        let next = results.last().filter(|_| more).map(key);
        Self { results, next }
    }
}

/// A field of the form: name of the parameter, and label.
pub(super) enum Field<'a> {
    /// Free text.
    Text(&'a str, &'a str),
    /// One of some values: pairs of a value and its label.
    Choice(&'a str, &'a str, &'a [(&'a str, &'a str)]),
    /// A checkbox.
    Tick(&'a str, &'a str),
}

/// The order of a list by time.
pub(super) const SORT: Field<'static> =
    Field::Choice("sort", "Sorted by", &[("newest", "newest"), ("oldest", "oldest")]);

/// The form of a list, filled in with the current parameters. It needs no script: it loads the page with new
/// parameters. On a small screen it is collapsed while no filter is set.
pub(super) fn form(action: &str, params: &Params, fields: &[Field<'_>]) -> Markup {
    let is_set = |field: &Field<'_>| match field {
        Field::Text(name, _) | Field::Choice(name, ..) | Field::Tick(name, _) => params.text(name).is_some(),
    };
    html! {
        details.filter open[fields.iter().any(is_set)] {
            summary { "Filter and sort" }
            form method="get" action=(action) role="search" {
                @for field in fields {
                    @match field {
                        Field::Text(name, label) => {
                            label {
                                span { (label) }
                                input type="search" name=(name) value=(params.text(name).unwrap_or_default())
                                    maxlength="300";
                            }
                        }
                        Field::Choice(name, label, choices) => {
                            label { span { (label) }
                                select name=(name) {
                                    option value="" {
                                        (if matches!(*name, "sort" | "days") { "default" } else { "any" })
                                    }
                                    @for (value, shown) in *choices {
                                        option value=(value) selected[params.text(name) == Some(value)] { (shown) }
                                    }
                                }
                            }
                        }
                        Field::Tick(name, label) => {
                            label.tick {
                                input type="checkbox" name=(name) value="1" checked[params.text(name).is_some()];
                                span { (label) }
                            }
                        }
                    }
                }
                button type="submit" { "Filter" }
                a href=(action) { "Reset" }
            }
        }
    }
}

/// The text of an empty list: that nothing matches the filter, or where rows would come from.
pub(super) fn nothing(path: &str, params: &Params, yet: &str) -> Markup {
    html! {
        p.empty {
            @if params.filters() {
                "No matches for this filter. "
                @if params.text("q").is_some() {
                    "Text is searched for in the first 10,000 rows that match the other filters. "
                }
                a href=(path) { "Show all" }
            } @else { (yet) }
        }
    }
}

/// Links to the other pages of a list.
pub(super) fn pager(path: &str, params: &Params, next: Option<&str>) -> Markup {
    let first = params.text("after").is_some();
    html! {
        @if first || next.is_some() {
            nav.pager aria-label="Pages" {
                @if first { a href={ (path) (params.with(&[("after", None)])) } rel="start" { "First page" } }
                @if let Some(next) = next {
                    a href={ (path) (params.with(&[("after", Some(next))])) } rel="next" { "Next page" }
                }
            }
        }
    }
}

/// Routes of a handler: its path, and the same under `/api/v1`; it answers with JSON where [`Params::wants_json`].
pub(super) fn at<H: Handler<T, App>, T: 'static>(path: &str, handler: H) -> Routes<App> {
    Routes::new().get(path, handler.clone()).get(&format!("/api/v1{path}"), handler)
}

/// Title and addresses of a page.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// Title of the window.
    pub(super) title: &'a str,
    /// Path of the current entry in the navigation.
    pub(super) current: &'a str,
    /// Its path; that of its JSON is the same under `/api/v1`.
    pub(super) path: &'a str,
    /// Path of its feed.
    pub(super) feed: Option<&'a str>,
}

impl View<'_> {
    /// The page of a list; its JSON has the same query.
    pub(super) fn list(&self, params: &Params, content: &Markup) -> Response {
        self.answer(params, &params.with(&[("refresh", None)]), content)
    }

    /// The page of one object.
    pub(super) fn object(&self, params: &Params, content: &Markup) -> Response {
        self.answer(params, "", content)
    }

    fn answer(&self, params: &Params, query: &str, content: &Markup) -> Response {
        let json = format!("/api/v1{}{query}", self.path);
        let Self { title, current, feed, .. } = *self;
        shell(Shell { title, current, refresh: params.refresh(), json: Some(&json), feed }, content).into_response()
    }

    /// The form, then the rows with links to the other pages, or the text of an empty list.
    pub(super) fn rows<T>(
        &self,
        params: &Params,
        fields: &[Field<'_>],
        list: &Rows<T>,
        none: &str,
        table: impl FnOnce(&[T]) -> Markup,
    ) -> Markup {
        html! {
            (form(self.path, params, fields))
            @if list.results.is_empty() { (nothing(self.path, params, none)) } @else {
                (table(&list.results))
                (pager(self.path, params, list.next.as_deref()))
            }
        }
    }
}

/// An answer with JSON.
pub(super) fn json(value: &impl Serialize) -> Response {
    axum::Json(serde_json::json!(value)).into_response()
}
