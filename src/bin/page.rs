//! Lambda: the pages, behind a function URL or an HTTP API; and beside them, for those who have a token or a key, what may be
//! sent in or fetched.
//!
//! See [`hummingbird_status::served`].

use std::sync::{Mutex, PoisonError};

use hummingbird_status::aws::secrets::Secrets;
use hummingbird_status::config::environment;
use hummingbird_status::served::routes;
use hummingbird_status::{extension, telemetry};
use lambda_http::{Error, Request, Service, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let secrets = Secrets::read(environment).await?;
    let router = Mutex::new(routes(&secrets).map_err(|failure| failure.message)?);
    let end = extension::end().await;
    let serve = async |request: Request| {
        let renewed = secrets.renew_if_old().await.then(|| routes(&secrets)).transpose();
        let renewed =
            renewed.inspect_err(|error| tracing::error!(error = error.message, "the new secrets are of no use"));
        let mut current = router.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Ok(Some(renewed)) = renewed {
            *router.lock().unwrap_or_else(PoisonError::into_inner) = renewed.clone();
            current = renewed;
        }
        current.call(request).await
    };
    tokio::select! {
        result = run(service_fn(serve)) => result,
        () = end => Ok(()),
    }
}
