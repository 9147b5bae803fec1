//! The web UI and the API: one router for a TCP port and for Lambda. It only reads; HTML is rendered on the server, and
//! there are no scripts.
//!
//! ```text
//! request ─► finish (headers, ETag, gzip) ─► access ─► handler ─► reads of the sources ─► HTML or JSON
//! ```
//!
//! A page is one file with `routes()`, one line in `PAGES`, and (if it is on the overview) a card in `overview.rs`. The
//! HTML and the JSON under `/api/v1` are made of the same rows.

mod access;
mod api;
mod attention;
mod badge;
mod bots;
mod broken;
mod builds;
mod checkouts;
mod checks;
mod commits;
mod components;
mod deliveries;
mod effects;
mod environments;
mod feed;
mod finish;
mod html;
mod known;
mod lists;
mod matrix;
mod merge_requests;
mod natural;
mod operations;
mod overview;
mod params;
mod pipelines;
mod problem;
mod rejected;
mod releases;
mod tally;
mod text;
mod trends;
mod verdict;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::db::{Reader, Store, StoreError};
use crate::platform::clock::{self, Deadline};
use crate::platform::routing::Routes;
pub use access::Access;
use problem::Problem;

/// Time limit of the queries of a page: browsers and gateways wait only a little longer.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// An entry of the navigation.
struct Entry {
    path: &'static str,
    title: &'static str,
    routes: fn() -> Routes<App>,
}

/// All pages, in the order of the navigation.
const PAGES: &[Entry] = &[
    Entry { path: "/", title: "Overview", routes: overview::routes },
    Entry { path: "/bots", title: "Bots", routes: bots::routes },
    Entry { path: "/mrs", title: "Merge requests", routes: merge_requests::routes },
    Entry { path: "/commits", title: "Commits", routes: commits::routes },
    Entry { path: "/broken", title: "Broken now", routes: broken::routes },
    Entry { path: "/checks", title: "Checks", routes: checks::routes },
    Entry { path: "/components", title: "Components", routes: components::routes },
    Entry { path: "/releases", title: "Releases", routes: releases::routes },
    Entry { path: "/pipelines", title: "Pipelines", routes: pipelines::routes },
    Entry { path: "/environments", title: "Environments", routes: environments::routes },
    Entry { path: "/builds", title: "Builds", routes: builds::routes },
    Entry { path: "/checkouts", title: "Checkouts", routes: checkouts::routes },
    Entry { path: "/trends", title: "Trends", routes: trends::routes },
    Entry { path: "/deliveries", title: "Deliveries", routes: deliveries::routes },
    Entry { path: "/refused", title: "Rejected", routes: rejected::routes },
];

/// The state that all handlers share.
#[derive(Clone)]
pub struct App {
    store: Store,
    access: Access,
    documents: Arc<[utoipa::openapi::OpenApi]>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// `None` where no request may wait.
    waiting: Option<waiting::Waiting>,
}

impl App {
    /// The web UI of a database, with the clock of this machine.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, access: Access::Open, documents: Arc::default(), now: Arc::new(clock::now), waiting: None }
    }

    /// The same with access control.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// The same, in a process in which requests may wait for a verdict.
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { waiting: Some(waiting::Waiting::new()), ..self }
    }

    /// The same with `OpenAPI` descriptions of other routes of the same server, which are merged into that of the web
    /// UI.
    #[must_use]
    pub fn with_documents(self, documents: impl IntoIterator<Item = utoipa::openapi::OpenApi>) -> Self {
        Self { documents: documents.into_iter().collect(), ..self }
    }

    /// The same with another clock, for tests.
    #[must_use]
    pub fn at(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    fn now(&self) -> Timestamp {
        (self.now)()
    }

    async fn reader(&self) -> Result<Reader, StoreError> {
        self.store.reader(Deadline::within(TIME_LIMIT)).await
    }
}

/// All routes of the web UI and the API.
pub fn routes(app: App) -> Routes {
    let parts = PAGES.iter().map(|entry| (entry.routes)());
    let parts = parts.chain([api::routes(), badge::routes(), feed::routes(), operations::routes()]);
    let all = parts.fold(Routes::new(), Routes::merge);
    all.around(|router| {
        router
            .fallback(async || Problem::NotFound("no such page".to_owned()))
            .layer(axum::middleware::from_fn(known::check))
            .layer(axum::middleware::from_fn_with_state(app.clone(), access::check))
    })
    .explained(problem::document)
    .around(|router| router.layer(axum::middleware::from_fn(finish::finish)))
    .with_state(app)
}
