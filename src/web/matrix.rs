//! The versions of a merge request by component.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use maud::{Markup, html};

use super::components::{commit, maybe};
use super::html::{empty, short, state, time};
use super::params::encode_path;
use super::tally::Tally;
use crate::sources::gitlab::reads::VersionRow;
use crate::sources::konflux::reads::{ReleaseRow, RunRow};

/// Newest versions that have a column.
const COLUMNS: usize = 6;

/// Components by version: build and tests of each. A component that a version does not build inherits what the version
/// before it came to.
pub(super) fn matrix(versions: &[VersionRow], runs: &[RunRow], releases: &[ReleaseRow], now: Timestamp) -> Markup {
    let mut cells: BTreeMap<&str, HashMap<&str, Vec<&RunRow>>> = BTreeMap::new();
    for run in runs {
        if let (Some(component), Some(sha)) = (run.component.as_deref(), run.sha.as_deref()) {
            cells.entry(component).or_default().entry(sha).or_default().push(run);
        }
    }
    if cells.is_empty() || versions.is_empty() {
        return empty("No run of any of its versions is known.");
    }
    let shown = &versions[..versions.len().min(COLUMNS)];
    let number = |index: usize| versions.len() - index;
    html! {
        div.scroll role="region" aria-label="Versions by component" tabindex="0" {
            table {
                caption { "Newest version first" @if versions.len() > COLUMNS { "; " (versions.len() - COLUMNS) " older ones are not shown" } }
                thead { tr {
                    th scope="col" { "Component" }
                    @for (index, version) in shown.iter().enumerate() {
                        th scope="col" { "v" (number(index)) " " (commit(Some(&version.sha))) " " (time(Some(version.created_at), now)) }
                    }
                } }
                tbody {
                    @for (component, by_sha) in &cells {
                        tr {
                            th scope="row" { a href={ "/components/" (encode_path(component)) } { (component) } }
                            @for (index, version) in shown.iter().enumerate() {
                                td { (cell((versions, releases), by_sha, index, version, &number)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(
    (versions, releases): (&[VersionRow], &[ReleaseRow]),
    by_sha: &HashMap<&str, Vec<&RunRow>>,
    index: usize,
    version: &VersionRow,
    number: &impl Fn(usize) -> usize,
) -> Markup {
    if let Some(runs) = by_sha.get(version.sha.as_str()) {
        let build = runs.iter().find(|run| run.kind == "build");
        let tests = Tally::of(runs.iter().copied(), "test");
        // The newest comes first.
        let component = runs.first().and_then(|run| run.component.as_deref());
        let of = |release: &&ReleaseRow| {
            release.sha.as_deref() == Some(&version.sha) && release.component.as_deref() == component
        };
        let release = releases.iter().find(of);
        return html! {
            @if let Some(build) = build { (maybe(Some(&build.state), "")) } @else { span.none { "no build" } }
            @if tests != Tally::default() { br; "tests: " (tests.show()) }
            @if let Some(release) = release { br; "release: " a href={ "/releases/" (encode_path(&release.name)) } { (state(&release.state)) } }
        };
    }
    // Versions come newest first, so those after this one are older.
    let older = versions.iter().enumerate().skip(index + 1);
    let inherited = older.into_iter().find(|(_, version)| by_sha.contains_key(version.sha.as_str()));
    html! {
        @match inherited {
            Some((place, version)) => span.dim title=(short(&version.sha)) { "as v" (number(place)) },
            None => span.none { "not built" },
        }
    }
}
