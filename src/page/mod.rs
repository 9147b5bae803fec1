//! What everybody can see: one router for a port and for Lambda. Read only, rendered here, without a script.
//!
//! ```text
//! request ─► finish (headers, ETag, gzip) ─► a page's handler ─► reads of the families ─► HTML or JSON
//! ```
//!
//! A page is one file with `routes()`, one line in `PAGES`, and (if it has a place on the overview) a `health()`
//! in `overview.rs`. The same rows make the HTML and, under `/api/v1`, the JSON.

mod access;
mod api;
mod badge;
mod bots;
mod builds;
mod checkouts;
mod commits;
mod components;
mod deliveries;
mod feed;
mod finish;
mod html;
mod lists;
mod matrix;
mod merge_requests;
mod operations;
mod overview;
mod params;
mod problem;
mod refused;
mod releases;
mod text;
mod trends;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{self, Deadline};
use crate::routing::Routes;
use crate::store::{Reader, Store, StoreError};
pub use access::Access;
use problem::Problem;

/// A page takes no longer: whoever waits has given up by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something in the navigation: where, and what it is called.
struct Entry {
    path: &'static str,
    title: &'static str,
    routes: fn() -> Routes<Page>,
}

/// All pages, in the order of the navigation. One line a page.
const PAGES: &[Entry] = &[
    Entry { path: "/", title: "Overview", routes: overview::routes },
    Entry { path: "/bots", title: "Bots", routes: bots::routes },
    Entry { path: "/mrs", title: "Merge requests", routes: merge_requests::routes },
    Entry { path: "/commits", title: "Commits", routes: commits::routes },
    Entry { path: "/components", title: "Components", routes: components::routes },
    Entry { path: "/releases", title: "Releases", routes: releases::routes },
    Entry { path: "/builds", title: "Builds", routes: builds::routes },
    Entry { path: "/checkouts", title: "Checkouts", routes: checkouts::routes },
    Entry { path: "/trends", title: "Trends", routes: trends::routes },
    Entry { path: "/deliveries", title: "Deliveries", routes: deliveries::routes },
    Entry { path: "/refused", title: "Refused", routes: refused::routes },
];

/// What all handlers share.
#[derive(Clone)]
pub struct Page {
    store: Store,
    access: Access,
    documents: Arc<[utoipa::openapi::OpenApi]>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Page {
    /// Pages of a database, by the clock of this machine.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, access: Access::Open, documents: Arc::default(), now: Arc::new(clock::now) }
    }

    /// The same for some only.
    #[must_use]
    pub fn for_some(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The same with documents of what is served beside them: they are merged into that of the pages.
    #[must_use]
    pub fn beside(self, documents: impl IntoIterator<Item = utoipa::openapi::OpenApi>) -> Self {
        Self { documents: documents.into_iter().collect(), ..self }
    }

    /// The same by another clock, for tests.
    #[must_use]
    pub fn at(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn reader(&self) -> Result<Reader, StoreError> {
        self.store.reader(Deadline::within(PATIENCE)).await
    }
}

/// All pages, to be served beside others.
pub fn routes(page: Page) -> Routes {
    let parts = PAGES.iter().map(|entry| (entry.routes)());
    let parts = parts.chain([api::routes(), badge::routes(), feed::routes(), operations::routes()]);
    let all = parts.fold(Routes::new(), Routes::merge);
    all.around(|router| {
        router
            .fallback(async || Problem::NotFound("no such page".to_owned()))
            .layer(axum::middleware::from_fn(params::check))
            .layer(axum::middleware::from_fn_with_state(page.clone(), access::check))
    })
    .explained(problem::document)
    .around(|router| router.layer(axum::middleware::from_fn(finish::finish)))
    .with_state(page)
}
