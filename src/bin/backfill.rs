//! Lambda: ingests the archive, in as many invocations as needed.
//!
//! The event is a [`Request`], the answer a summary.

use std::time::Duration;

use hummingbird_status::archive::backfill::{Invocation, Request, invoked};
use hummingbird_status::platform::aws::secrets::Secrets;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::failure::Failure;
use hummingbird_status::platform::telemetry;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    run(service_fn(async |event: LambdaEvent<Request>| {
        let ends = Deadline::of_invocation(event.context.deadline, Duration::ZERO);
        let invocation = Invocation { request_id: &event.context.request_id, ends };
        let secrets = Secrets::read(environment).await?;
        invoked(&|name| secrets.get(name), event.payload, invocation)
            .await
            .map_err(|error| Failure::by(error.error_type(), &error))
    }))
    .await
}
