//! Backfill as a Lambda function. A run that takes longer than one invocation is continued in the next one, which the
//! function invokes itself.

use crate::sources::Settings;
use std::time::Duration;

use serde_json::{Value, json};

use super::request::{Parameters, Request, Resume};
use super::{BackfillError, Claim, Options, Summary};
use crate::db::{Run, Store};
use crate::platform::aws::invoke;
use crate::platform::clock::Deadline;
use crate::platform::environment::{self, Lookup};
use crate::platform::failure::chain;
use crate::platform::shutdown::Stopper;

/// Work stops this long before the end of the invocation: current batches are finished, the cursor is saved, and the
/// next invocation is made.
const MARGIN: Duration = Duration::from_secs(40);
/// A batch that is being retried is given up this long before the end of the invocation.
const LAST_MARGIN: Duration = Duration::from_secs(15);
/// The most invocations in a row that the function makes itself: at 15 minutes each, five days.
const LONGEST_CHAIN: u32 = 500;

/// One invocation.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'i> {
    /// Its id. Lambda's retry of a failed invocation has the same id, so it continues the same run.
    pub request_id: &'i str,
    /// When it ends, as reported by the runtime.
    pub ends: Deadline,
}

/// Handles an event, and returns the summary or the state of the run. A run that takes longer than the invocation is
/// continued in another one, which is invoked here.
///
/// # Errors
/// When the event is invalid, or the run fails to begin or to continue. Lambda retries an asynchronous event, and the
/// retry continues where this invocation ended.
pub async fn invoked(lookup: Lookup<'_>, request: Request, invocation: Invocation<'_>) -> Result<Value, BackfillError> {
    let wrong = |error: environment::ConfigError| BackfillError::Request(chain(&error));
    let settings = Settings::from_env(lookup).map_err(wrong)?;
    let mut database = crate::db::database(lookup).map_err(wrong)?;
    database.pool_size = 2;
    let store = Store::open(&database)?;
    if let Some(id) = &request.status {
        return super::find(&store, id).await?.map(|run| to_json(&run)).ok_or_else(|| BackfillError::NoRun(id.clone()));
    }
    if let Some(id) = &request.cancel {
        return Ok(json!({"run": id, "cancelled": super::cancel(&store, id).await?}));
    }
    let claim = match claim(lookup, &store, &request, invocation.request_id).await {
        // A retry or a continuation of a run that has ended meanwhile.
        Err(BackfillError::Ended { id, .. }) if request.resume.is_none() => {
            let run = super::find(&store, &id).await?;
            return run.map(|run| to_json(&run)).ok_or(BackfillError::NoRun(id));
        }
        claim => claim?,
    };
    let source = claim.parameters.source(lookup).await?;
    database.pool_size = claim.parameters.writers() + 1;
    let store = Store::open(&database)?;
    let (stopper, stop) = Stopper::new();
    let time = invocation.ends.remaining();
    tokio::spawn(async move {
        tokio::time::sleep(time.saturating_sub(MARGIN)).await;
        stopper.stop();
    });
    let options = Options { deadline: Some(Deadline::within(time.saturating_sub(LAST_MARGIN))), ..Options::default() };
    tracing::info!(run = claim.id, archive = %source, cursor = claim.cursor, "backfill begins");
    let (run, begun_at) = (claim.id.clone(), claim.cursor.clone());
    let watch = super::every_few_seconds(&run);
    let summary = super::run(&store, &settings, &source, claim, &options, &stop, watch).await?;
    if summary.state == "running" {
        continue_run(lookup, &request, &summary, begun_at.as_deref()).await?;
    }
    Ok(json!(summary))
}

/// Claims the run that an event names, or begins a new one.
async fn claim(lookup: Lookup<'_>, store: &Store, request: &Request, id: &str) -> Result<Claim, BackfillError> {
    let owner = super::new_owner(&format!("invocation {id}"));
    if let Some(run) = &request.continuation {
        return super::claim(store, run, &owner, &["running"]).await;
    }
    match &request.resume {
        Some(Resume::Run(run)) => super::resume(store, run, &owner).await,
        Some(Resume::Latest(true)) => {
            let run = super::unfinished(store).await?;
            super::resume(store, &run.ok_or_else(|| BackfillError::NoRun("to resume".to_owned()))?, &owner).await
        }
        Some(Resume::Latest(false)) | None => {
            let parameters = parameters(lookup, request)?;
            super::begin(store, id, &parameters, &owner).await
        }
    }
}

/// The parameters of a new run.
fn parameters(lookup: Lookup<'_>, request: &Request) -> Result<Parameters, BackfillError> {
    let parameters = Parameters {
        bucket: request.bucket.clone().or_else(|| lookup("S3_BUCKET")),
        prefix: request.prefix.clone().or_else(|| lookup("S3_PREFIX")).unwrap_or_else(|| "sns/".to_owned()),
        from: request.from,
        to: request.to,
        families: request.families.clone().unwrap_or_default(),
        concurrency: request.concurrency,
        batch: request.batch,
        dry_run: request.dry_run.unwrap_or(false),
        announce: request.announce.unwrap_or(false),
        ..Parameters::default()
    };
    if parameters.bucket.is_none() {
        return Err(BackfillError::Request("no bucket is named in the event or by S3_BUCKET".to_owned()));
    }
    parameters.check()?;
    Ok(parameters)
}

/// Invokes the function again, to continue the run.
async fn continue_run(
    lookup: Lookup<'_>,
    request: &Request,
    summary: &Summary,
    begun_at: Option<&str>,
) -> Result<(), BackfillError> {
    let chain = request.chain.unwrap_or(0) + 1;
    let failed = |why: String| BackfillError::NotContinued { id: summary.run.clone(), why };
    if summary.cursor.as_deref() == begun_at {
        return Err(failed("nothing was done in a whole invocation".to_owned()));
    }
    if chain > LONGEST_CHAIN {
        return Err(failed(format!("there were {LONGEST_CHAIN} invocations in a row")));
    }
    let event = json!({"continue": summary.run, "chain": chain});
    let name = lookup("AWS_LAMBDA_FUNCTION_NAME").ok_or_else(|| "AWS_LAMBDA_FUNCTION_NAME is not set".to_owned());
    let function = name.and_then(|name| invoke::Function::named(lookup, &name)).map_err(failed)?;
    function.invoke(&event, invoke::CONTINUES).await.map_err(failed)?;
    tracing::info!(run = summary.run, chain, cursor = summary.cursor, "backfill continues in another invocation");
    Ok(())
}

/// The state of a run, as the answer to `status`.
fn to_json(run: &Run) -> Value {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({
        "run": run.id, "state": run.state, "is_worked_on": run.is_worked_on, "parameters": json(&run.parameters),
        "cursor": run.cursor, "counts": json(&run.counts), "unreadable_objects": json(&run.unreadable),
        "error": run.error, "invocations": run.invocations, "started_at": run.started_at, "ended_at": run.ended_at,
    })
}
