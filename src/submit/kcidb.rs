//! Submissions of KCIDB.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Intake;
use super::answer::{Problem, Problems, Reason, json};
use super::take::{document, id_of, is_of};
use super::tokens::{Grant, Use};
use crate::ingest::{self, Outcome};
use crate::platform::shutdown::on_a_thread;
use crate::sources::kcidb::{self, Receipt, Rights};
use crate::sources::{Record as SourceRecord, Settings, Source};
use crate::transport::{Delivery, Head};

/// An accepted submission.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Submitted {
    /// Its id, for `GET /status?id=`: the same for the same submission with the same token (idempotency key).
    id: String,
    /// Always `ok`.
    status: &'static str,
    /// `kept` when it changed a row, `stale` when all of it was stored already.
    outcome: Outcome,
}

/// The outcome of a submission.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Status {
    /// Its id.
    id: String,
    /// `processed` or `failed`, with details.
    #[serde(flatten)]
    receipt: Receipt,
}

/// A submission that is checked, and not written yet.
struct Judged {
    delivery: Delivery,
    verdict: Verdict,
    /// The status of the answer when it is accepted.
    created: StatusCode,
    /// Origins whose objects it may change, where those are not all, and the ids in it by kind.
    limited: Option<(Vec<String>, [Vec<String>; 5])>,
}

enum Verdict {
    /// It has no errors.
    Fine,
    /// It has objects of other origins.
    Foreign(Vec<Reason>),
    /// It has other errors. `rejected`: ingest rejects all of it, too.
    Wrong { errors: Vec<Reason>, rejected: bool },
}

/// Stores a submission of any version from 1.1 to 5.3, or `{"data": ..}` with one, plain or compressed with gzip. All
/// of it is stored, or nothing.
#[utoipa::path(
    post, path = "/submit", tag = "intake", security(("token" = [])),
    request_body(content = serde_json::Value, description = "A submission of KCIDB"),
    responses(
        (status = 200, description = "It is stored", body = Submitted),
        (status = 201, description = "It is stored, and was sent as `{\"data\": ..}`", body = Submitted),
        Problems
    )
)]
pub(super) async fn submit(State(intake): State<Intake>, request: Request) -> Result<Response, Problem> {
    let grant = intake.tokens.allow(request.headers(), Use::Submit, intake.now())?;
    let (bytes, _slot) = intake.body(&grant.name, request).await?;
    let (settings, now, name) = (Arc::clone(&intake.settings), intake.now(), grant.name.clone());
    // Large submissions take a while to parse.
    let judged = on_a_thread(move || async move { judge(&bytes, grant, &settings, now) }).await;
    let Judged { delivery, verdict, created, limited } = judged.map_err(|error| {
        tracing::error!(error = %error, alarm = true, "a request panicked");
        Problem::Bug
    })??;
    let id = delivery.id.clone();
    let verdict = match (verdict, limited) {
        (Verdict::Fine, Some((origins, ids))) => not_of_others(&intake, &origins, &ids).await?,
        (verdict, _) => verdict,
    };
    match verdict {
        Verdict::Fine => match intake.ingest(delivery).await? {
            outcome @ (Outcome::Kept | Outcome::Outdated) => {
                Ok(json(created, &Submitted { id, status: "ok", outcome }))
            }
            // PostgreSQL rejected it, or the source is not enabled in this deployment.
            _ => {
                let why = find(&intake, &id, &name).await?.and_then(|receipt| receipt.detail);
                let errors = vec![Reason::Document(why.unwrap_or_else(|| "not stored here".to_owned()))];
                Err(Problem::Submission { status: StatusCode::BAD_REQUEST, id, errors })
            }
        },
        Verdict::Foreign(errors) => {
            tracing::info!(token = name, objects = errors.len(), "a submission has objects of other origins");
            Err(Problem::Submission { status: StatusCode::FORBIDDEN, id, errors })
        }
        Verdict::Wrong { errors, rejected } => {
            if rejected {
                // Stores it as a rejected message with its reason, where `GET /status` finds it.
                intake.ingest(delivery).await?;
            }
            Err(Problem::Submission { status: StatusCode::BAD_REQUEST, id, errors })
        }
    }
}

/// Checks that no stored object of these ids has an origin that the token does not permit.
async fn not_of_others(intake: &Intake, origins: &[String], ids: &[Vec<String>; 5]) -> Result<Verdict, Problem> {
    let mut reader = intake.store.reader(intake.deadline()).await?;
    let objects_of_other_origins = kcidb::objects_of_other_origins(&mut reader, ids, origins).await?.into_iter();
    let reason = |owned: kcidb::StoredObject| {
        let what = format!("origin: it exists as an object of `{}`", owned.origin);
        Reason::Object(owned.list, owned.id, what)
    };
    let errors: Vec<Reason> = objects_of_other_origins.map(reason).collect();
    Ok(if errors.is_empty() { Verdict::Fine } else { Verdict::Foreign(errors) })
}

/// The ids of the objects in a submission, by kind.
fn ids(batch: &ingest::Batch) -> [Vec<String>; 5] {
    let mut ids: [Vec<String>; 5] = Default::default();
    for (_, record) in &batch.records {
        if let SourceRecord::Kcidb(kcidb::Record::Submission(submission)) = record {
            for (ids, objects) in ids.iter_mut().zip(&submission.objects) {
                ids.extend(objects.iter().map(|object| object.id.clone()));
            }
        }
    }
    ids
}

/// All checks that need no database. Pure.
fn judge(bytes: &[u8], grant: Grant, settings: &Settings, now: Timestamp) -> Result<Judged, Problem> {
    let (document, created) = data(document(bytes, settings.limits)?);
    let rights = grant.submit.unwrap_or(Rights { origins: Some(Vec::new()), own_ids: true });
    let problems = kcidb::problems(&document, &rights);
    let delivery = Delivery {
        id: id_of(&[grant.name.as_bytes(), document.as_bytes()]),
        body: document.into_bytes(),
        attributes: [(kcidb::RECEIPT_FOR.to_owned(), grant.name)].into(),
        sent_at: Some(now),
        received_at: Some(now),
        ..Delivery::default()
    };
    let only_foreign = problems.iter().all(|problem| problem.is_foreign);
    let mut errors: Vec<Reason> = problems
        .into_iter()
        .map(|problem| match problem.list.is_empty() {
            true => Reason::Document(problem.what),
            false => Reason::Object(problem.list, problem.id, problem.what),
        })
        .collect();
    let is_submission = is_of(Source::Kcidb, &delivery, settings.limits);
    let verdict = match errors.is_empty() {
        true if is_submission => Verdict::Fine,
        false if is_submission && only_foreign => Verdict::Foreign(errors),
        _ => {
            if errors.is_empty() {
                errors.push(Reason::Document("not a submission of KCIDB".to_owned()));
            }
            let read = || ingest::read(std::slice::from_ref(&delivery), settings);
            Verdict::Wrong { errors, rejected: is_submission && read().records.is_empty() }
        }
    };
    let limited = rights.origins.filter(|_| matches!(verdict, Verdict::Fine));
    let limited = limited.map(|origins| (origins, ids(&ingest::read(std::slice::from_ref(&delivery), settings))));
    Ok(Judged { delivery, verdict, created, limited })
}

/// The content of `{"data": ..}`: clients of `DataWarehouse` send that and expect 201. Else the document itself:
/// clients of kcidb-restd-rs accept 200 only.
fn data(document: String) -> (String, StatusCode) {
    let inner = Head::read(&document).ok().filter(|head| head.names().eq(["data"]));
    let inner = inner.and_then(|head| head.get("data").map(|data| data.get().to_owned()));
    match inner {
        Some(inner) => (inner, StatusCode::CREATED),
        None => (document, StatusCode::OK),
    }
}

/// Answers that the service runs, as kcidb-restd-rs does.
#[utoipa::path(
    get, path = "/health", tag = "intake",
    responses((status = 200, description = "The service runs", body = String))
)]
pub(super) async fn health() -> &'static str {
    "OK"
}

/// The check of a token, without a submission.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Authenticated {
    /// Always `0`.
    id: &'static str,
    /// Always `ok`.
    status: &'static str,
    /// A message for people.
    message: &'static str,
}

/// Answers whether a token may submit, as kcidb-restd-rs does.
#[utoipa::path(
    get, path = "/authtest", tag = "intake", security(("token" = [])),
    responses((status = 200, description = "The token may submit", body = Authenticated), Problems)
)]
pub(super) async fn authtest(State(intake): State<Intake>, headers: HeaderMap) -> Result<Response, Problem> {
    intake.tokens.allow(&headers, Use::Submit, intake.now())?;
    Ok(json(StatusCode::OK, &Authenticated { id: "0", status: "ok", message: "Authentication successful" }))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The id from the answer of `POST /submit`.
    id: Option<String>,
}

/// The outcome of a submission with the same token: `processed` or `failed`, for 90 days.
#[utoipa::path(
    get, path = "/status", tag = "intake", security(("token" = [])), params(Asked),
    responses((status = 200, description = "The outcome", body = Status), Problems)
)]
pub(super) async fn status(
    State(intake): State<Intake>,
    headers: HeaderMap,
    asked: Query<Asked>,
) -> Result<Response, Problem> {
    let grant = intake.tokens.allow(&headers, Use::Submit, intake.now())?;
    let id = asked.0.id.unwrap_or_default();
    if id.is_empty() || id.len() > 100 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Problem::Bad("id", "Invalid id".to_owned()));
    }
    match find(&intake, &id, &grant.name).await? {
        Some(receipt) => Ok(json(StatusCode::OK, &Status { id, receipt })),
        // `id` and `status` are those of kcidb-restd-rs, the rest is as in all errors here.
        None => {
            let message = "no submission with this id and this token";
            let body = serde_json::json!({"id": id, "status": "notfound", "reason": "not-found", "message": message});
            Ok(json(StatusCode::NOT_FOUND, &body))
        }
    }
}

async fn find(intake: &Intake, id: &str, name: &str) -> Result<Option<Receipt>, Problem> {
    let mut reader = intake.store.reader(intake.deadline()).await?;
    Ok(kcidb::receipt(&mut reader, id, name).await?)
}
