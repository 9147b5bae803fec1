//! Lambda: the pages, behind a function URL or an HTTP API; and beside them, for those who have a token or a key, what may be
//! sent in or fetched.
//!
//! See [`hummingbird_status::page`], [`hummingbird_status::intake`] and [`hummingbird_status::deliver::pull`].

use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::{pull, targets};
use hummingbird_status::intake::{self, Intake};
use hummingbird_status::page::{self, Access, Page};
use hummingbird_status::store::Store;
use hummingbird_status::{extension, telemetry};
use lambda_http::{Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let reading = config::page_database(&environment)?;
    let opens = ["INTAKE_TOKENS", "DELIVERY_TARGETS"].iter().any(|name| environment(name).is_some());
    let writing = if opens { config::database(&environment)? } else { reading.clone() };
    // Connects when somebody who may write does.
    let writing = Store::open(&writing)?;
    let page = Page::new(Store::open(&reading)?);
    let page = page.for_some(Access::from_env(&environment)?).beside([intake::document(), pull::document()]);
    let intake = Intake::new(writing.clone(), config::settings(&environment)?, &environment)?;
    let pulled = targets::pulled(&environment)?;
    let routes = page::routes(page).merge(intake.routes()).merge(pull::routes(writing, &pulled));
    let end = extension::end().await;
    tokio::select! {
        result = run(routes.into_router()) => result,
        () = end => Ok(()),
    }
}
