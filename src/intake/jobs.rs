//! States of jobs, as workers of Travis that speak HTTP report them.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Intake;
use super::answer::{Problem, Problems, json};
use super::take::{document, is_of};
use super::tokens::Use;
use crate::envelope::{Delivery, Refusal};
use crate::family::Family;
use crate::pipeline::Outcome;
use crate::travis::{self, Event, State as JobState, rules};

/// What became of a report.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Reported {
    /// The job.
    id: i64,
    /// How it stands now; none where nothing was decided yet.
    state: Option<&'static str>,
    /// `canceled`, or `state` when it stands otherwise than was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// A sentence for people about the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// Asks for a state of a job: `new` is `created`, `received`, `started`, `passed`, `failed`, `errored` or `cancelled`.
///
/// 200 when the job stands so now, even if it did before; 409 when it does not, or was canceled, whereupon a worker stops.
#[utoipa::path(
    patch, path = "/jobs/{id}/state", tag = "intake", security(("job" = []), ("token" = [])),
    params(("id" = i64, Path, description = "The job")),
    request_body(content = serde_json::Value, description = "`{\"new\": .., \"received_at\": .., \"meta\": ..}`"),
    responses(
        (status = 200, description = "It stands so", body = Reported),
        (status = 409, description = "It does not", body = Reported),
        Problems,
    )
)]
pub(super) async fn state(
    State(intake): State<Intake>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let grant = intake.tokens.allow(request.headers(), Use::Jobs, intake.now())?;
    let unknown = || Problem::NotFound("there is no such job".to_owned());
    let id: i64 = id.parse().ok().filter(|id| *id > 0).ok_or_else(unknown)?;
    if !grant.is_for_job(id) {
        return Err(Problem::Forbidden("this token is for another job".to_owned()));
    }
    let (bytes, _place) = intake.body(&grant.name, request).await?;
    let text = document(&bytes, intake.settings.limits)?;
    let bad = |refusal: Refusal| Problem::Bad(refusal.reason, refusal.detail);
    let asked = travis::patch(id, &text, String::new(), None).map_err(bad)?.event;
    let before = find(&intake, id).await?.ok_or_else(unknown)?;
    if before == Some(JobState::Canceled) {
        return Ok(answer(id, rules::patch_status(asked, before, before), before));
    }
    let delivery = message(&intake, id, asked, &text)?;
    match intake.ingest(delivery).await? {
        Outcome::Kept | Outcome::Stale => {}
        Outcome::Again => return Err(Problem::Away),
        outcome => return Err(Problem::Bad("refused", format!("{outcome:?}").to_lowercase())),
    }
    let after = find(&intake, id).await?.ok_or_else(unknown)?;
    Ok(answer(id, rules::patch_status(asked, before, after), after))
}

/// The message that a report stands for, as a worker that speaks to a queue sends it.
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
    let is_ours = is_of(Family::Travis, &delivery, intake.settings.limits);
    is_ours.then_some(delivery).ok_or_else(|| Problem::Bad("body", "no report about a job".to_owned()))
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
        _ => Some(("state", "the job does not stand in the state that was asked for")),
    };
    let (reason, message) = why.unzip();
    json(status, &Reported { id, state: state.map(JobState::name), reason, message })
}
