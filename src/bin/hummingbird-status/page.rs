//! `page`, and what `up` shows in a browser.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::{pull, targets};
use hummingbird_status::intake::{self, Intake};
use hummingbird_status::page::{self, Access, Page};
use hummingbird_status::routing::Routes;
use hummingbird_status::serving::{self, Hosts, Limits};
use hummingbird_status::worker::{Stop, Stopper};
use tokio::net::TcpListener;

use super::database::{self, Database};

#[derive(clap::Args)]
pub(super) struct PageArgs {
    /// Where to listen; port 0 takes a free one. Others can see it only with an address of this machine, or 0.0.0.0.
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT, env = "PAGE_ADDRESS", value_parser = address)]
    listen: String,
    /// A name by which a proxy asks; others than those of this machine are refused as long as only this machine can ask.
    #[arg(long = "host", value_name = "HOST", env = "PAGE_HOSTS", value_delimiter = ',')]
    hosts: Vec<String>,
}

/// Where pages are served unless something else is asked for.
pub(super) const DEFAULT: &str = "127.0.0.1:8080";
/// Connections for reading.
const CONNECTIONS: usize = 4;
/// A statement for a page takes no longer.
const STATEMENT: Duration = Duration::from_secs(5);

/// Serves the pages until stopped.
pub(super) async fn run(args: PageArgs) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let routes = routes(&database)?;
    let (listener, link) = listen(&args.listen).await?;
    say!("Pages on {link}   Ctrl-C ends it.");
    show(listener, routes, Hosts::new(&args.hosts), stop).await
}

/// The pages of a database, and beside them what may be sent in (INTAKE_TOKENS) or fetched (DELIVERY_TARGETS). Says on standard
/// output who may.
pub(super) fn routes(database: &Database) -> anyhow::Result<Routes> {
    let reading = database.for_reading(CONNECTIONS, STATEMENT)?;
    let page = Page::new(reading).for_some(Access::from_env(&environment)?);
    let page = page.beside([intake::document(), pull::document()]);
    let writing = database.for_writing(CONNECTIONS)?;
    let intake = Intake::new(writing.clone(), config::settings(&environment)?, &environment)?;
    let pulled = targets::pulled(&environment)?;
    say!(
        "Posting is {}, fetching deliveries {} (README, Posting and Telling others)",
        if intake.is_open() { "open to who has a token" } else { "closed until INTAKE_TOKENS opens it" },
        if pulled.is_empty() { "closed until a target has an api_key" } else { "open to who has a key" }
    );
    let pull = pull::routes(writing, &pulled, targets::registrations(&environment)?);
    Ok(page::routes(page).merge(intake.routes()).merge(pull))
}

/// An address to listen on. Its host may be a name, which is looked up later.
pub(super) fn address(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && is_port(port));
    let is_whole = parts.is_some_and(|(host, _)| text.parse::<SocketAddr>().is_ok() || !host.contains(':'));
    let what =
        "expected HOST:PORT, such as 127.0.0.1:8080 or localhost:8080 (from --listen or the variable PAGE_ADDRESS)";
    if is_whole { Ok(text.to_owned()) } else { Err(what.to_owned()) }
}

/// Where the pages are, and the socket they will be served on.
pub(super) async fn listen(address: &str) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let link = format!("http://{}", listener.local_addr()?);
    Ok((listener, link))
}

/// Serves them on a socket until the stop.
pub(super) async fn show(listener: TcpListener, routes: Routes, hosts: Hosts, stop: Stop) -> anyhow::Result<()> {
    let served = stop.unless(serving::serve(listener, routes, Limits { hosts, ..Limits::default() })).await;
    served.transpose().map(drop).context("the pages cannot be served")
}
