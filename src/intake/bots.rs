//! Heartbeats of bots, as the command `bot-status` sends them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::Intake;
use super::answer::{Problem, Problems, json};
use super::take::{document, is_of};
use super::tokens::Use;
use crate::envelope::Delivery;
use crate::family::{Family, Record};
use crate::pipeline::{self, Outcome};

/// What became of a heartbeat.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Taken {
    /// Always `ok`.
    status: &'static str,
    /// `kept`, or `stale` when a newer one is there.
    outcome: Outcome,
}

/// Takes a heartbeat: `{"name": .., "status": "ok", "warning", "failed" or "gone", "comment"?: .., "meta"?: .., "interval"?: ..}`.
#[utoipa::path(
    post, path = "/bots", tag = "intake", security(("token" = [])),
    request_body(content = serde_json::Value, description = "A heartbeat"),
    responses((status = 200, description = "It is kept", body = Taken), Problems)
)]
pub(super) async fn report(State(intake): State<Intake>, request: Request) -> Result<Response, Problem> {
    let grant = intake.tokens.allow(request.headers(), Use::Bots, intake.now())?;
    let (bytes, _place) = intake.body(&grant.name, request).await?;
    let text = document(&bytes, intake.settings.limits)?;
    let now = intake.now();
    let delivery = Delivery {
        id: format!("bot-{}-{}", grant.name, now.as_microsecond()),
        body: text.into_bytes(),
        attributes: [("source".to_owned(), "bot".to_owned())].into(),
        sent_at: Some(now),
        received_at: Some(now),
        ..Delivery::default()
    };
    if !is_of(Family::Bots, &delivery, intake.settings.limits) {
        return Err(Problem::Bad("body", "no heartbeat: expected an object with name and status".to_owned()));
    }
    let batch = pipeline::read(std::slice::from_ref(&delivery), &intake.settings);
    for (_, record) in &batch.records {
        if !matches!(record, Record::Bots(beat) if grant.is_for_bot(&beat.name)) {
            return Err(Problem::Forbidden("this token is for other bots".to_owned()));
        }
    }
    // One that cannot be kept is kept among the refused, where people look for it.
    let why = batch.refused.first().map(|(_, refused)| (refused.reason, refused.detail.clone()));
    match (intake.ingest(delivery).await?, why) {
        (outcome @ (Outcome::Kept | Outcome::Stale), _) => Ok(json(StatusCode::OK, &Taken { status: "ok", outcome })),
        (Outcome::Again, _) => Err(Problem::Away),
        (_, Some((reason, detail))) => Err(Problem::Bad(reason, detail)),
        (_, None) => Err(Problem::Bad("refused", "it cannot be stored, or is not taken here".to_owned())),
    }
}
