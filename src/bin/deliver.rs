//! Lambda: tells the outside what is due, from its start until shortly before its time is over.
//!
//! Scheduled each minute and allowed more than a minute, so that one is always at work; see
//! [`hummingbird_status::deliver`].

use std::time::Duration;

use hummingbird_status::clock::Deadline;
use hummingbird_status::config::{self, environment};
use hummingbird_status::deliver::{Deliverer, Until, mail_credentials, sns_client, targets};
use hummingbird_status::failure::Failure;
use hummingbird_status::store::Store;
use hummingbird_status::telemetry;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;

/// Time kept back: a delivery takes ten seconds at most, and then has to be written down.
const MARGIN: Duration = Duration::from_secs(13);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::logging(true, environment("RUST_LOG").as_deref());
    let metrics = telemetry::lambda_metrics(environment("METRICS_NAMESPACE"), environment("AWS_LAMBDA_FUNCTION_NAME"));
    let store = Store::open(&config::database(&environment)?)?;
    let targets = targets::targets(&environment)?;
    let sns = sns_client(&targets, &environment).await;
    let mail = mail_credentials(&targets, &environment).await;
    let deliverer = Deliverer::new(store, targets, sns)?.mailing(mail).keeping(config::retention_days(&environment)?);
    run(service_fn(async |event: LambdaEvent<IgnoredAny>| {
        let time = Deadline::of_invocation(event.context.deadline, MARGIN).remaining();
        let totals = deliverer.run(Until::Stopped(tokio::time::sleep(time))).await;
        if let Some(metrics) = metrics {
            metrics.flush(std::io::stdout())?;
        }
        Ok::<_, Failure>(totals)
    }))
    .await
}
