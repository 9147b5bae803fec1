//! Lambda: the web UI and API, behind a function URL or an HTTP API; and, for clients with a token or a key, submitting
//! messages and fetching deliveries.
//!
//! See [`hummingbird_status::programs::web`].

use std::sync::{Mutex, PoisonError};

use hummingbird_status::platform::aws::secrets::Secrets;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::{extension, telemetry};
use hummingbird_status::programs::web::routes;
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
            renewed.inspect_err(|error| tracing::error!(error = error.message, "the new secrets are invalid"));
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
