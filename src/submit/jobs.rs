//! States of Travis CI jobs, which workers report over HTTP.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Intake;
use super::answer::{Problem, Problems, json};
use super::take::{document, is_of};
use super::tokens::Use;
use crate::ingest::Outcome;
use crate::sources::Source;
use crate::sources::travis::{self, Event, State as JobState, rules};
use crate::transport::{Delivery, Rejection};

/// The state of a job after a report.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Reported {
    /// The job.
    id: i64,
    /// Its current state; none before the first decision.
    state: Option<&'static str>,
    /// `canceled`, or `state` when the job is not in the requested state.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The reason as a message for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// Requests a state of a job: `new` is `created`, `received`, `started`, `passed`, `failed`, `errored` or `cancelled`.
///
/// 200 when the job is in that state now, even if it was before (idempotent); 409 when it is not, or was canceled: the
/// worker then stops.
#[utoipa::path(
    patch, path = "/jobs/{id}/state", tag = "intake", security(("job" = []), ("token" = [])),
    params(("id" = i64, Path, description = "The job")),
    request_body(content = serde_json::Value, description = "`{\"new\": .., \"received_at\": .., \"meta\": ..}`"),
    responses(
        (status = 200, description = "The job is in the requested state", body = Reported),
        (status = 409, description = "The job is in another state", body = Reported),
        Problems,
    )
)]
pub(super) async fn state(
    State(intake): State<Intake>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = intake.tokens.allow(request.headers(), Use::Jobs, intake.now())?;
    let unknown = || Problem::NotFound("no such job".to_owned());
    let id: i64 = id.parse().ok().filter(|id| *id > 0).ok_or_else(unknown)?;
    if !grant.is_for_job(id) {
        return Err(Problem::Forbidden("this token is for another job".to_owned()));
    }
    let (bytes, _slot) = intake.body(&grant.name, request).await?;
    let text = document(&bytes, intake.settings.limits)?;
    let bad = |rejection: Rejection| Problem::Bad(rejection.reason, rejection.detail);
    let asked = travis::patch(id, &text, String::new(), None).map_err(bad)?.event;
    let before = find(&intake, id).await?.ok_or_else(unknown)?;
    if before == Some(JobState::Canceled) {
        return Ok(answer(id, rules::patch_status(asked, before, before), before));
    }
    let delivery = message(&intake, id, asked, &text)?;
    match intake.ingest(delivery).await? {
        Outcome::Kept | Outcome::Outdated => {}
        Outcome::Retry => return Err(Problem::Away),
        outcome => return Err(Problem::Bad("refused", format!("{outcome:?}").to_lowercase())),
    }
    let after = find(&intake, id).await?.ok_or_else(unknown)?;
    Ok(answer(id, rules::patch_status(asked, before, after), after))
}

/// The message of a report, as a worker sends it that uses a queue.
fn message(intake: &Intake, id: i64, asked: Event, text: &str) -> Result<Delivery, Problem> {
    let payload: Result<Map<String, Value>, _> = serde_json::from_str(text);
    let mut payload = payload.map_err(|error| Problem::Bad("not-json", error.to_string()))?;
    payload.insert("id".to_owned(), id.into());
    payload.remove("state");
    if let Event::Finish(state) = asked {
        payload.insert("state".to_owned(), state.name().into());
    }
    let now = intake.now();
    let delivery = Delivery {
        id: format!("patch-{id}-{}", now.as_microsecond()),
        body: serde_json::json!({"event": format!("job:{}", asked.name()), "payload": payload})
            .to_string()
            .into_bytes(),
        sent_at: Some(now),
        received_at: Some(now),
        ..Delivery::default()
    };
    let is_ours = is_of(Source::Travis, &delivery, intake.settings.limits);
    is_ours.then_some(delivery).ok_or_else(|| Problem::Bad("body", "not a report of a job".to_owned()))
}

async fn find(intake: &Intake, id: i64) -> Result<Option<Option<JobState>>, Problem> {
    let mut reader = intake.store.reader(intake.deadline()).await?;
    Ok(travis::reads::job_state(&mut reader, id).await?)
}

fn answer(id: i64, status: u16, state: Option<JobState>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT);
    let why = match state {
        _ if status.is_success() => None,
        Some(JobState::Canceled) => Some(("canceled", "the job is canceled")),
        _ => Some(("state", "the job is not in the requested state")),
    };
    let (reason, message) = why.unzip();
    json(status, &Reported { id, state: state.map(JobState::name), reason, message })
}
