//! Atom feeds (RFC 4287): one entry for each change of a bot.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use maud::{PreEscaped, html};

use super::Page;
use super::params::{self, encode, encode_path};
use super::problem::Problem;
use crate::bots::reads::{self, Transition};

/// Entries of a feed.
const ENTRIES: i64 = 100;

pub(super) fn routes() -> Router<Page> {
    Router::new().route("/feed.atom", get(all)).route("/feed/bots/{*name}", get(one))
}

async fn all(State(page): State<Page>, headers: HeaderMap) -> Result<Response, Problem> {
    let changes = reads::transitions(&mut page.reader().await?, None, ENTRIES).await?;
    Ok(atom("Bots", "/feed.atom", &changes, &headers))
}

async fn one(State(page): State<Page>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let name = params::name(&name);
    let changes = reads::transitions(&mut page.reader().await?, Some(&name), ENTRIES).await?;
    if changes.is_empty() {
        return Err(Problem::NotFound(format!("no bot is called {name:?}")));
    }
    Ok(atom(&name, &format!("/feed/bots/{}", encode_path(&name)), &changes, &headers))
}

/// The id of an entry is made of what the change is known by, so that it stays whatever host serves it.
fn atom(title: &str, path: &str, changes: &[Transition], headers: &HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let local = host.starts_with("127.0.0.1") || host.starts_with("localhost");
    let base = format!("{}://{host}", if local { "http" } else { "https" });
    let updated = changes.first().map_or(Timestamp::UNIX_EPOCH, |change| change.at);
    let text = |text: &str| -> String {
        // XML takes few control characters.
        text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
    };
    let feed = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>"))
        feed xmlns="http://www.w3.org/2005/Atom" {
            id { "urn:hummingbird-status:" (path) }
            title { (text(title)) " · Hummingbird Status" }
            updated { (updated) }
            (PreEscaped(format!("<link rel=\"self\" href=\"{}\"/>", attribute(&format!("{base}{path}")))))
            author { name { "Hummingbird Status" } }
            @for change in changes {
                entry {
                    id { "urn:hummingbird-status:bot:" (encode(&change.name)) ":" (change.at) ":" (encode(&change.message_id)) }
                    title { (text(&change.name)) ": " (change.from_status.as_deref().unwrap_or("new")) " → " (change.to_status) }
                    updated { (change.at) }
                    (PreEscaped(format!("<link href=\"{}\"/>", attribute(&format!("{base}/bots/{}", encode_path(&change.name))))))
                    content type="text" { (text(change.comment.as_deref().unwrap_or_default())) }
                }
            }
        }
    };
    let kind = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8"), (header::CACHE_CONTROL, "max-age=60")];
    (kind, feed.into_string()).into_response()
}

/// maud writes `link` as HTML does, without an end, which XML wants.
fn attribute(text: &str) -> String {
    html! { (text) }.into_string()
}
