//! `page`, and what `up` shows in a browser.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use hummingbird_status::config::environment;
use hummingbird_status::page::{Access, Page, serve};
use hummingbird_status::store::Store;
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
    show(listener, for_pages(&database)?, stop).await
}

/// The database as pages read it.
pub(super) fn for_pages(database: &Database) -> anyhow::Result<Store> {
    database.for_reading(CONNECTIONS, STATEMENT)
}

/// Where the pages are, and the socket they will be served on.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let link = format!("http://{}", listener.local_addr()?);
    Ok((listener, link))
}

/// Serves the pages of a database on a socket until the stop.
pub(super) async fn show(listener: TcpListener, store: Store, stop: Stop) -> anyhow::Result<()> {
    let page = Page::new(store).for_some(Access::from_env(&environment)?);
    serve(listener, page, async move { stop.wait().await }).await.context("the pages cannot be served")
}
