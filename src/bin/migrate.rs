//! Lambda: brings the schema up to date, as a custom resource of the stack at each deploy, or invoked by hand.
//!
//! See [`hummingbird_status::store::migrate`] and [`hummingbird_status::custom_resource`].

use std::time::Duration;

use hummingbird_status::clock::Deadline;
use hummingbird_status::config::{self, environment};
use hummingbird_status::custom_resource::{Request, respond};
use hummingbird_status::store::{Applied, Store, chain, migrate};
use hummingbird_status::telemetry;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Time kept back to send the answer.
const MARGIN: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    run(service_fn(async |event: LambdaEvent<Request>| {
        let request = event.payload;
        if request.is_delete() {
            respond(&request, Ok(&())).await?;
            return Ok::<_, Error>(None);
        }
        let result = apply(Deadline::of_invocation(event.context.deadline, MARGIN)).await;
        respond(&request, result.as_ref().map_err(|error| error.as_str())).await?;
        match result {
            // CloudFormation knows. To Lambda, which invoked us for it asynchronously, an error would mean to try again, in the
            // middle of the rollback.
            Err(error) if request.is_of_a_stack() => {
                tracing::error!(error, "the migration failed");
                Ok(None)
            }
            result => Ok(Some(result?)),
        }
    }))
    .await
}

/// Configures within the handler: what fails before it cannot be answered.
async fn apply(deadline: Deadline) -> Result<Applied, String> {
    let database = config::database(&environment).map_err(|error| chain(&error))?;
    let store = Store::open(&database).map_err(|error| chain(&error))?;
    migrate(&store, deadline).await.map_err(|error| chain(&error))
}
