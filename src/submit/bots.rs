//! Heartbeats of bots, as the command `bot-status` sends them.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::Intake;
use super::answer::{Problem, Problems, json};
use super::take::{document, is_of};
use super::tokens::Use;
use crate::ingest::{self, Outcome};
use crate::sources::{Record, Source};
use crate::transport::Delivery;

/// The outcome of a heartbeat.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Taken {
    /// Always `ok`.
    status: &'static str,
    /// `kept`, or `stale` when a newer heartbeat is stored.
    outcome: Outcome,
}

/// Stores a heartbeat: `{"name": .., "status": "ok", "warning", "failed" or "gone", "comment"?: .., "meta"?: ..,
/// "interval"?: ..}`.
#[utoipa::path(
    post, path = "/bots", tag = "intake", security(("token" = [])),
    request_body(content = serde_json::Value, description = "A heartbeat"),
    responses((status = 200, description = "The heartbeat is stored, or outdated", body = Taken), Problems)
)]
pub(super) async fn report(State(intake): State<Intake>, request: Request) -> Result<Response, Problem> {
    let grant = intake.tokens.allow(request.headers(), Use::Bots, intake.now())?;
    let (bytes, _slot) = intake.body(&grant.name, request).await?;
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
    if !is_of(Source::Bots, &delivery, intake.settings.limits) {
        return Err(Problem::Bad("body", "not a heartbeat: expected an object with name and status".to_owned()));
    }
    let batch = ingest::read(std::slice::from_ref(&delivery), &intake.settings);
    for (_, record) in &batch.records {
        if !matches!(record, Record::Bots(beat) if grant.is_for_bot(&beat.name)) {
            return Err(Problem::Forbidden("this token is for other bots".to_owned()));
        }
    }
    // An invalid heartbeat is stored as a rejected message, where operators look for it.
    let why = batch.refused.first().map(|(_, refused)| (refused.reason, refused.detail.clone()));
    match (intake.ingest(delivery).await?, why) {
        (outcome @ (Outcome::Kept | Outcome::Outdated), _) => {
            Ok(json(StatusCode::OK, &Taken { status: "ok", outcome }))
        }
        (Outcome::Retry, _) => Err(Problem::Away),
        (_, Some((reason, detail))) => Err(Problem::Bad(reason, detail)),
        (_, None) => Err(Problem::Bad("refused", "it cannot be stored, or this source is not enabled here".to_owned())),
    }
}
