//! `web`, and the web server of `up`.

use hummingbird_status::sources::Settings;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use hummingbird_status::deliver::{pull, targets};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::routing::Routes;
use hummingbird_status::platform::serving::{self, Hosts, Limits};
use hummingbird_status::submit::{self, Intake};
use hummingbird_status::web::{self, Access, App};
use hummingbird_status::worker::{Stop, Stopper};
use tokio::net::TcpListener;

use super::database::{self, Database};

#[derive(clap::Args)]
pub(super) struct WebArgs {
    /// The address to listen on; port 0 chooses a free one. Other machines can connect only to an address of this
    /// machine's network, or 0.0.0.0.
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT, env = "PAGE_ADDRESS", value_parser = address)]
    listen: String,
    /// A host name that a proxy sends. While the server listens on loopback only, requests with other host names than
    /// those of this machine are denied.
    #[arg(long = "host", value_name = "HOST", env = "PAGE_HOSTS", value_delimiter = ',')]
    hosts: Vec<String>,
}

/// The default address.
pub(super) const DEFAULT: &str = "127.0.0.1:8080";
/// Connections for reading.
const CONNECTIONS: usize = 4;
/// The time limit of a statement.
const STATEMENT: Duration = Duration::from_secs(5);

/// Serves the web UI until stopped.
pub(super) async fn run(args: WebArgs) -> anyhow::Result<()> {
    let database = database::open_existing(1).await?;
    let (stopper, stop) = Stopper::new();
    stopper.on_signals().context("cannot listen to signals")?;
    let routes = routes(&database)?;
    let (listener, link) = listen(&args.listen).await?;
    say!("Pages on {link}   Ctrl-C ends it.");
    show(listener, routes, Hosts::new(&args.hosts), stop).await
}

/// The routes of the web UI and API, of submitting messages (INTAKE_TOKENS) and of fetching deliveries
/// (DELIVERY_TARGETS). Prints which of the latter are enabled.
pub(super) fn routes(database: &Database) -> anyhow::Result<Routes> {
    let reading = database.for_reading(CONNECTIONS, STATEMENT)?;
    let access = Access::from_env(&environment)?.with_tokens(submit::readers(&environment)?);
    let app = App::new(reading).with_access(access).waiting();
    let app = app.with_documents([submit::document(), pull::document()]);
    let writing = database.for_writing(CONNECTIONS)?;
    let intake = Intake::new(writing.clone(), Settings::from_env(&environment)?, &environment)?;
    let pulled = targets::pulled(&environment)?;
    say!(
        "Posting messages is {}, fetching deliveries is {} (see README)",
        if intake.is_open() { "enabled for clients with a token" } else { "disabled until INTAKE_TOKENS is set" },
        if pulled.is_empty() { "disabled until a target has an api_key" } else { "enabled for clients with a key" }
    );
    let pull = pull::routes(writing, &pulled, targets::registrations(&environment)?);
    Ok(web::routes(app).merge(intake.routes()).merge(pull))
}

/// Validates an address to listen on. Its host may be a name, which is resolved later.
pub(super) fn address(text: &str) -> Result<String, String> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let parts = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && is_port(port));
    let is_whole = parts.is_some_and(|(host, _)| text.parse::<SocketAddr>().is_ok() || !host.contains(':'));
    let expected =
        "expected HOST:PORT, such as 127.0.0.1:8080 or localhost:8080 (from --listen or the variable PAGE_ADDRESS)";
    if is_whole { Ok(text.to_owned()) } else { Err(expected.to_owned()) }
}

/// Opens the socket; returns it with the URL of the web UI.
pub(super) async fn listen(address: &str) -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let link = format!("http://{}", listener.local_addr()?);
    Ok((listener, link))
}

/// Serves the routes on a socket until stopped.
pub(super) async fn show(listener: TcpListener, routes: Routes, hosts: Hosts, stop: Stop) -> anyhow::Result<()> {
    let served = stop.unless(serving::serve(listener, routes, Limits { hosts, ..Limits::default() })).await;
    served.transpose().map(drop).context("the pages cannot be served")
}
