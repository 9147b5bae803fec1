//! Lambda: the pages, behind a function URL or an HTTP API.
//!
//! See [`hummingbird_status::page`].

use hummingbird_status::config::{self, Database, environment};
use hummingbird_status::page::{Access, Page, router};
use hummingbird_status::store::Store;
use hummingbird_status::{extension, telemetry};
use lambda_http::{Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let database = Database { read_only: true, ..config::database(&environment)? };
    let page = Page::new(Store::open(&database)?).for_some(Access::from_env(&environment)?);
    let end = extension::end().await;
    tokio::select! {
        result = run(router(page)) => result,
        () = end => Ok(()),
    }
}
