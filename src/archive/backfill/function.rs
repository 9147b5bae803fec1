//! Backfill as a Lambda function: for as long as an invocation lasts, then in another one.

use std::time::Duration;

use serde_json::{Value, json};

use super::request::{Parameters, Request, Resume};
use super::{BackfillError, Claim, Options, Summary};
use crate::aws::invoke;
use crate::clock::Deadline;
use crate::config::{self, Lookup};
use crate::store::{Run, Store, chain};
use crate::tasks::Stopper;

/// Work ends so long before the invocation does: what is in hand is finished, noted, and the next one invoked.
const MARGIN: Duration = Duration::from_secs(40);
/// A batch in hand is given up so long before the invocation ends.
const LAST_MARGIN: Duration = Duration::from_secs(15);
/// So many invocations follow each other without anybody asking for it: at 15 minutes each, five days.
const LONGEST_CHAIN: u32 = 500;

/// One invocation.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'i> {
    /// Its id: the same when Lambda tries again what failed, so that this goes on where it was left.
    pub request_id: &'i str,
    /// Seconds that are left, as the runtime says.
    pub ends: Deadline,
}

/// Does what an event asks for, and says what became of it. A run that needs longer than the invocation lasts is gone on
/// with in another one, which is invoked here.
///
/// # Errors
/// When it cannot be done. Lambda then tries an asynchronous event again, which goes on where this one ended.
pub async fn invoked(lookup: Lookup<'_>, request: Request, invocation: Invocation<'_>) -> Result<Value, BackfillError> {
    let wrong = |error: config::ConfigError| BackfillError::Request(chain(&error));
    let settings = config::settings(lookup).map_err(wrong)?;
    let mut database = config::database(lookup).map_err(wrong)?;
    database.pool_size = 2;
    let store = Store::open(&database)?;
    if let Some(id) = &request.status {
        return super::find(&store, id).await?.map(|run| shown(&run)).ok_or_else(|| BackfillError::NoRun(id.clone()));
    }
    if let Some(id) = &request.cancel {
        return Ok(json!({"run": id, "cancelled": super::cancel(&store, id).await?}));
    }
    let claim = match claim(lookup, &store, &request, invocation.request_id).await {
        // It has got a word since it was asked for.
        Err(BackfillError::Ended { id, .. }) if request.resume.is_none() => {
            let run = super::find(&store, &id).await?;
            return run.map(|run| shown(&run)).ok_or(BackfillError::NoRun(id));
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
        go_on(lookup, &request, &summary, begun_at.as_deref()).await?;
    }
    Ok(json!(summary))
}

/// The run that an event is about.
async fn claim(lookup: Lookup<'_>, store: &Store, request: &Request, id: &str) -> Result<Claim, BackfillError> {
    let owner = super::new_owner(&format!("invocation {id}"));
    if let Some(run) = &request.continuation {
        return super::claim(store, run, &owner, &["running"]).await;
    }
    match &request.resume {
        Some(Resume::Run(run)) => super::resume(store, run, &owner).await,
        Some(Resume::Latest(true)) => {
            let run = super::unfinished(store).await?;
            super::resume(store, &run.ok_or_else(|| BackfillError::NoRun("to go on with".to_owned()))?, &owner).await
        }
        Some(Resume::Latest(false)) | None => {
            let parameters = parameters(lookup, request)?;
            super::begin(store, id, &parameters, &owner).await
        }
    }
}

/// What a new run is to do.
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
        return Err(BackfillError::Request("no bucket is named, neither here nor by S3_BUCKET".to_owned()));
    }
    parameters.check()?;
    Ok(parameters)
}

/// Has the rest done by another invocation.
async fn go_on(
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
        return Err(failed(format!("{LONGEST_CHAIN} invocations have followed each other")));
    }
    let event = json!({"continue": summary.run, "chain": chain});
    let name = lookup("AWS_LAMBDA_FUNCTION_NAME").ok_or_else(|| "AWS_LAMBDA_FUNCTION_NAME is not set".to_owned());
    let function = name.and_then(|name| invoke::Function::named(lookup, &name)).map_err(failed)?;
    function.invoke(&event, invoke::CONTINUES).await.map_err(failed)?;
    tracing::info!(run = summary.run, chain, cursor = summary.cursor, "backfill goes on in another invocation");
    Ok(())
}

/// A run for who asks how it stands.
fn shown(run: &Run) -> Value {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    json!({
        "run": run.id, "state": run.state, "is_worked_on": run.is_worked_on, "parameters": json(&run.parameters),
        "cursor": run.cursor, "counts": json(&run.counts), "unreadable_objects": json(&run.unreadable),
        "error": run.error, "invocations": run.invocations, "started_at": run.started_at, "ended_at": run.ended_at,
    })
}
