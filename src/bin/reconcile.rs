//! Lambda: compares stored merge requests with GitLab and corrects them, on a schedule.
//!
//! See [`hummingbird_status::reconcile`].

use hummingbird_status::sources::Settings;
use std::time::Duration;

use hummingbird_status::db::{Store, database, with_secrets};
use hummingbird_status::platform::aws::invoke::Waker;
use hummingbird_status::platform::aws::secrets::Secrets;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::environment::{self, environment};
use hummingbird_status::platform::{failure::Failure, telemetry};
use hummingbird_status::reconcile::{self, Options, Request};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

/// Time reserved to send the answer and flush the metrics.
const MARGIN: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let metrics = telemetry::lambda_metrics(environment("METRICS_NAMESPACE"), environment("AWS_LAMBDA_FUNCTION_NAME"));
    let secrets = Secrets::read(environment).await?;
    let store = Store::open(&with_secrets(&secrets, database)?)?;
    let concurrency = environment::reconcile_concurrency(&environment)?;
    let settings = Settings::from_env(&environment)?;
    let retention = Some(hummingbird_status::maintenance::retention(&environment)?);
    let waker = Waker::from_env(&environment)?;
    run(service_fn(async |event: LambdaEvent<Request>| {
        secrets.renew_if_old().await;
        let instances = environment::gitlab(&|name| secrets.get(name))?;
        let deadline = Deadline::of_invocation(event.context.deadline, MARGIN);
        let options = Options { concurrency, retention, settings: settings.clone(), ..Options::from(event.payload) };
        let report = reconcile::run(&store, &instances, options, deadline, |_, _| ()).await;
        let report = report.map_err(|error| Failure::by(error.error_type(), &error))?;
        report.record();
        Waker::wake_for(waker.as_ref(), report.due.needs_waking()).await;
        if let Some(metrics) = metrics {
            metrics.flush(std::io::stdout())?;
        }
        match &report.stopped {
            // The work that was done is committed; the failure raises the alarm.
            Some(why) => Err(Failure::new("ReconcileStopped", why)),
            None => Ok(report),
        }
    }))
    .await
}
