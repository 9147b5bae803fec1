//! Lambda: brings the schema up to date, as a custom resource of the stack at each deploy, or invoked by hand.
//!
//! See [`hummingbird_status::programs::deploy::deploy`] and [`hummingbird_status::platform::custom_resource`]. All work
//! is done in the handler, because a failure before it cannot be answered.

use std::time::Duration;

use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::custom_resource::{Request, respond};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::failure::Failure;
use hummingbird_status::platform::telemetry;
use hummingbird_status::programs::deploy::deploy;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Time reserved to send the answer.
const MARGIN: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    run(service_fn(async |event: LambdaEvent<Request>| {
        let request = event.payload;
        let deadline = Deadline::of_invocation(event.context.deadline, MARGIN);
        let result =
            if request.is_delete() { Ok(None) } else { deploy(&request, environment, deadline).await.map(Some) };
        let answered = respond(&request, result.as_ref().map_err(|failure| failure.message.as_str())).await;
        answered.map_err(|why| Failure::new("NotAnswered", format!("{why:#}")))?;
        match result {
            // CloudFormation has got the error. Lambda invokes the function asynchronously, so an error to it would
            // cause a retry in the middle of the rollback.
            Err(failure) if request.is_of_a_stack() => {
                tracing::error!(error = failure.message, "the migration failed");
                Ok(None)
            }
            result => result,
        }
    }))
    .await
}
