//! What all lists, and the pages of single things, have in common: an address for HTML and one for JSON with the same
//! handler, a form of filters, pages.

use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Serialize;

use super::Page;
use super::html::{Shell, shell};
use super::params::Params;
use crate::routing::Routes;

/// Rows on a page.
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
    /// A page of what was read with one row more than is shown; `key` is the place of a row in the list.
    pub(super) fn new(mut results: Vec<T>, most: i64, key: impl Fn(&T) -> String) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let more = results.len() > most;
        results.truncate(most);
        let next = results.last().filter(|_| more).map(key);
        Self { results, next }
    }
}

/// A field of the form.
pub(super) enum Field<'a> {
    /// Free text.
    Text(&'a str, &'a str),
    /// One of some values; the first of a pair is the value, the second what is shown.
    Choice(&'a str, &'a str, &'a [(&'a str, &'a str)]),
    /// Yes or nothing.
    Tick(&'a str, &'a str),
}

/// The order of a list by time.
pub(super) const SORT: Field<'static> =
    Field::Choice("sort", "Sorted by", &[("newest", "newest"), ("oldest", "oldest")]);

/// The form of a list, filled in as it was asked. Without a script: it asks for the page again. On a small screen it is
/// folded away while it says nothing.
pub(super) fn form(action: &str, params: &Params, fields: &[Field<'_>]) -> Markup {
    let asked = |field: &Field<'_>| match field {
        Field::Text(name, _) | Field::Choice(name, ..) | Field::Tick(name, _) => params.text(name).is_some(),
    };
    html! {
        details.filter open[fields.iter().any(asked)] {
            summary { "Filter and sort" }
            form method="get" action=(action) role="search" {
                @for field in fields {
                    @match field {
                        Field::Text(name, label) => {
                            label { span { (label) } input type="search" name=(name) value=(params.text(name).unwrap_or_default()) maxlength="300"; }
                        }
                        Field::Choice(name, label, choices) => {
                            label { span { (label) }
                                select name=(name) {
                                    option value="" { (if matches!(*name, "sort" | "days") { "as usual" } else { "any" }) }
                                    @for (value, shown) in *choices {
                                        option value=(value) selected[params.text(name) == Some(value)] { (shown) }
                                    }
                                }
                            }
                        }
                        Field::Tick(name, label) => {
                            label.tick { input type="checkbox" name=(name) value="1" checked[params.text(name).is_some()]; span { (label) } }
                        }
                    }
                }
                button type="submit" { "Filter" }
                a href=(action) { "Reset" }
            }
        }
    }
}

/// What is said where a list has no rows: that nothing fits, or how something gets into it.
pub(super) fn nothing(path: &str, params: &Params, yet: &str) -> Markup {
    html! {
        p.empty {
            @if params.filters() {
                "Nothing fits this filter. "
                @if params.text("q").is_some() { "Text is looked for in the first 10,000 that fit the rest of it. " }
                a href=(path) { "Show all" }
            } @else { (yet) }
        }
    }
}

/// Ways to the other pages of a list.
pub(super) fn pager(path: &str, params: &Params, next: Option<&str>) -> Markup {
    let first = params.text("after").is_some();
    html! {
        @if first || next.is_some() {
            nav.pager aria-label="Pages" {
                @if first { a href={ (path) (params.with(&[("after", None)])) } rel="start" { "First page" } }
                @if let Some(next) = next { a href={ (path) (params.with(&[("after", Some(next))])) } rel="next" { "Next page" } }
            }
        }
    }
}

/// A handler at its place and under `/api/v1`; it answers with JSON where [`Params::wants_json`].
pub(super) fn at<H: Handler<T, Page>, T: 'static>(path: &str, handler: H) -> Routes<Page> {
    Routes::new().get(path, handler.clone()).get(&format!("/api/v1{path}"), handler)
}

/// Where a page is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// In the window's title.
    pub(super) title: &'a str,
    /// Path of its entry in the navigation.
    pub(super) current: &'a str,
    /// Its path; that of its JSON is the same under `/api/v1`.
    pub(super) path: &'a str,
    /// Path of a feed about it.
    pub(super) feed: Option<&'a str>,
}

impl Place<'_> {
    /// The page of a list; its JSON is of the same query.
    pub(super) fn list(&self, params: &Params, content: &Markup) -> Response {
        self.answer(params, &params.with(&[("refresh", None)]), content)
    }

    /// The page of one thing.
    pub(super) fn thing(&self, params: &Params, content: &Markup) -> Response {
        self.answer(params, "", content)
    }

    fn answer(&self, params: &Params, query: &str, content: &Markup) -> Response {
        let json = format!("/api/v1{}{query}", self.path);
        let Self { title, current, feed, .. } = *self;
        shell(Shell { title, current, refresh: params.refresh(), json: Some(&json), feed }, content).into_response()
    }

    /// The form, then the rows with ways to the other pages, or a word about why there are none.
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

/// A document, as an answer.
pub(super) fn json(value: &impl Serialize) -> Response {
    axum::Json(serde_json::json!(value)).into_response()
}
