//! The `OpenAPI` description of the addresses.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{answer, bots, jobs, kcidb};

#[derive(OpenApi)]
#[openapi(
    paths(kcidb::submit, kcidb::status, kcidb::authtest, kcidb::health, jobs::state, bots::report),
    // Of the error answers: utoipa does not find them by itself.
    components(schemas(answer::Body, answer::Reason)),
    modifiers(&Tokens),
    tags((name = "intake", description = "Write endpoints, which need a token"))
)]
struct Document;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let token = bearer().description(Some("A token of INTAKE_TOKENS")).build();
        let job = bearer().bearer_format("JWT").description(Some("Signed for one job, its id in `sub`")).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
        components.add_security_scheme("job", SecurityScheme::Http(job));
    }
}

/// The description, to be merged with that of the web UI.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
