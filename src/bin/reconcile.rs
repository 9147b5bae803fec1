//! Lambda: compares what is kept with what GitLab says and corrects it, on a schedule.
//!
//! See [`hummingbird_status::reconcile`].

use std::time::Duration;

use hummingbird_status::aws::invoke::Waker;
use hummingbird_status::aws::secrets::Secrets;
use hummingbird_status::clock::Deadline;
use hummingbird_status::config::{self, environment};
use hummingbird_status::failure::Failure;
use hummingbird_status::reconcile::{self, Options, Request};
use hummingbird_status::store::Store;
use hummingbird_status::telemetry;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Time kept back to send the answer and flush the metrics.
const MARGIN: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let metrics = telemetry::lambda_metrics(environment("METRICS_NAMESPACE"), environment("AWS_LAMBDA_FUNCTION_NAME"));
    let secrets = Secrets::read(environment).await?;
    let store = Store::open(&secrets.database(config::database)?)?;
    let concurrency = config::reconcile_concurrency(&environment)?;
    let settings = config::settings(&environment)?;
    let retention = Some(config::retention(&environment)?);
    let waker = Waker::from_env(&environment)?;
    run(service_fn(async |event: LambdaEvent<Request>| {
        secrets.renew_if_old().await;
        let instances = config::gitlab(&|name| secrets.get(name))?;
        let deadline = Deadline::of_invocation(event.context.deadline, MARGIN);
        let options = Options { concurrency, retention, settings: settings.clone(), ..Options::from(event.payload) };
        let report = reconcile::run(&store, &instances, options, deadline, |_, _| ()).await;
        let report = report.map_err(|error| Failure::by(error.error_type(), &error))?;
        report.record();
        Waker::wake_for(waker.as_ref(), report.due.wants_waking()).await;
        if let Some(metrics) = metrics {
            metrics.flush(std::io::stdout())?;
        }
        match &report.stopped {
            // What was done stands; the failure is for the alarm.
            Some(why) => Err(Failure::new("ReconcileStopped", why)),
            None => Ok(report),
        }
    }))
    .await
}
