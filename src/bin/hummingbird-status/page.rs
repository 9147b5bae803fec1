//! `page`, and what `up` shows in a browser.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::{pull, targets};
use hummingbird_status::intake::{self, Intake};
use hummingbird_status::page::{self, Access, Page};
use hummingbird_status::worker::{Stop, Stopper};
use tokio::net::TcpListener;

use super::database::{self, Database};

#[derive(clap::Args)]
pub(super) struct PageArgs {
    /// Where to listen; port 0 takes a free one. Others can see it only with an address of this machine, or 0.0.0.0.
    #[arg(long, default_value = DEFAULT, env = "PAGE_ADDRESS")]
    listen: SocketAddr,
}

/// Where pages are served unless something else is asked for.
pub(super) const DEFAULT: &str = "127.0.0.1:8080";
/// Connections for reading.
const CONNECTIONS: usize = 4;
/// A statement for a page takes no longer.
const STATEMENT: Duration = Duration::from_secs(5);

/// Serves the pages until stopped.
pub(super) async fn run(args: PageArgs) -> anyhow::Result<()> {
    let database = database::open(1).await?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let (listener, link) = listen(args.listen).await?;
    println!("Pages on {link}   Ctrl-C ends it.");
    show(listener, routes(&database)?, stop).await
}

/// The pages of a database, and beside them what may be sent in (INTAKE_TOKENS) or fetched (DELIVERY_TARGETS). Says on standard
/// output who may.
pub(super) fn routes(database: &Database) -> anyhow::Result<Router> {
    let reading = database.for_reading(CONNECTIONS, STATEMENT)?;
    let page = Page::new(reading).for_some(Access::from_env(&environment)?);
    let page = page.beside([intake::document(), pull::document()]);
    let writing = database.for_writing(CONNECTIONS)?;
    let intake = Intake::new(writing.clone(), config::settings(&environment)?, &environment)?;
    let pulled = targets::pulled(&environment)?;
    println!(
        "Posting is {}, fetching deliveries {} (README, Posting and Telling others)",
        if intake.is_open() { "open to who has a token" } else { "closed until INTAKE_TOKENS opens it" },
        if pulled.is_empty() { "closed until a target has an api_key" } else { "open to who has a key" }
    );
    Ok(page::routes(page).merge(intake.routes()).merge(pull::routes(writing, &pulled)).into_router())
}

/// Where the pages are, and the socket they will be served on.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let link = format!("http://{}", listener.local_addr()?);
    Ok((listener, link))
}

/// Serves them on a socket until the stop.
pub(super) async fn show(listener: TcpListener, routes: Router, stop: Stop) -> anyhow::Result<()> {
    page::serve(listener, routes, async move { stop.wait().await }).await.context("the pages cannot be served")
}
