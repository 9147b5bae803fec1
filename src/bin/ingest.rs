//! Lambda: takes a batch of messages into the database.
//!
//! Answers SQS with the messages that could not be tried; see [`hummingbird_status::pipeline`].

use std::time::Duration;

use hummingbird_status::aws::invoke::Waker;
use hummingbird_status::aws::secrets::Secrets;
use hummingbird_status::clock::{self, Deadline};
use hummingbird_status::config::{self, environment};
use hummingbird_status::envelope::lambda::Invocation;
use hummingbird_status::failure::Failure;
use hummingbird_status::pipeline::{answer, ingest};
use hummingbird_status::store::Store;
use hummingbird_status::{extension, telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Time kept back to send the answer and flush the metrics.
const MARGIN: Duration = Duration::from_millis(1500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let metrics = telemetry::lambda_metrics(environment("METRICS_NAMESPACE"), environment("AWS_LAMBDA_FUNCTION_NAME"));
    let settings = config::settings(&environment)?;
    let secrets = Secrets::read(environment).await?;
    let store = Store::open(&secrets.database(config::database)?)?;
    let waker = Waker::from_env(&environment)?;
    let end = extension::end().await;
    let events = run(service_fn(async |event: LambdaEvent<Invocation>| {
        let deadline = Deadline::of_invocation(event.context.deadline, MARGIN);
        let invocation = event.payload.received(clock::now());
        let report = ingest(&store, invocation.to_be_taken(), &settings, deadline).await;
        telemetry::record(&report);
        Waker::wake_for(waker.as_ref(), report.due.wants_waking()).await;
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
