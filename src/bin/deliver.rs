//! Lambda: makes due deliveries, until none was due for some seconds, or its time is nearly over.
//!
//! Invoked by the functions that commit work, and by a schedule as the safety net; see [`hummingbird_status::deliver`].

use hummingbird_status::maintenance::retention_days;
use std::time::Duration;

use hummingbird_status::db::{Store, database, with_secrets};
use hummingbird_status::deliver::{Deliverer, LINGER, Until, mail_credentials, sns_client, targets};
use hummingbird_status::platform::aws::secrets::Secrets;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::{failure::Failure, telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;

/// Time reserved at the end: a delivery takes up to ten seconds, and then its result has to be stored.
const MARGIN: Duration = Duration::from_secs(13);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let metrics = telemetry::lambda_metrics(environment("METRICS_NAMESPACE"), environment("AWS_LAMBDA_FUNCTION_NAME"));
    let secrets = Secrets::read(environment).await?;
    let deliverer = tokio::sync::Mutex::new(deliverer(&secrets).await?);
    run(service_fn(async |event: LambdaEvent<IgnoredAny>| {
        let time = Deadline::of_invocation(event.context.deadline, MARGIN).remaining();
        let mut deliverer = deliverer.lock().await;
        if secrets.renew_if_old().await {
            *deliverer =
                self::deliverer(&secrets).await.map_err(|error| Failure::new("Configuration", error.to_string()))?;
        }
        let totals = deliverer.run(Until::Lingering(tokio::time::sleep(time), LINGER)).await;
        if let Some(metrics) = metrics {
            metrics.flush(std::io::stdout())?;
        }
        Ok::<_, Failure>(totals)
    }))
    .await
}

/// Makes a deliverer with the current secrets.
async fn deliverer(secrets: &std::sync::Arc<Secrets>) -> Result<Deliverer, Error> {
    let lookup = |name: &str| secrets.get(name);
    let store = Store::open(&with_secrets(secrets, database)?)?;
    let targets = targets::targets(&lookup)?;
    let sns = sns_client(&targets, &lookup).await;
    let mail = mail_credentials(&targets, &lookup).await;
    Ok(Deliverer::new(store, targets, sns)?.mailing(mail).keeping(retention_days(&lookup)?))
}
