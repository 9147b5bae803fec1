//! Lambda: ingests a batch of messages.
//!
//! Answers SQS with the messages that could not be tried; see [`hummingbird_status::ingest`].

use hummingbird_status::sources::Settings;
use std::time::Duration;

use hummingbird_status::db::{Store, database, with_secrets};
use hummingbird_status::ingest::{answer, ingest};
use hummingbird_status::platform::aws::invoke::Waker;
use hummingbird_status::platform::aws::secrets::Secrets;
use hummingbird_status::platform::clock::{self, Deadline};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::failure::Failure;
use hummingbird_status::platform::{extension, telemetry};
use hummingbird_status::transport::lambda::Invocation;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Time reserved to send the answer and flush the metrics.
const MARGIN: Duration = Duration::from_millis(1500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let metrics = telemetry::lambda_metrics(environment("METRICS_NAMESPACE"), environment("AWS_LAMBDA_FUNCTION_NAME"));
    let settings = Settings::from_env(&environment)?;
    let secrets = Secrets::read(environment).await?;
    let store = Store::open(&with_secrets(&secrets, database)?)?;
    let waker = Waker::from_env(&environment)?;
    let end = extension::end().await;
    let events = run(service_fn(async |event: LambdaEvent<Invocation>| {
        let deadline = Deadline::of_invocation(event.context.deadline, MARGIN);
        let invocation = event.payload.received(clock::now());
        let report = ingest(&store, invocation.to_be_taken(), &settings, deadline).await;
        hummingbird_status::ingest::record(&report);
        Waker::wake_for(waker.as_ref(), report.due.needs_waking()).await;
        if let Some(metrics) = metrics {
            metrics.flush(std::io::stdout())?;
        }
        Ok::<_, Failure>(answer(&invocation, &report)?)
    }));
    tokio::select! {
        result = events => result,
        () = end => Ok(()),
    }
}
