//! The addresses as `OpenAPI` describes them.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{answer, bots, jobs, submit};

#[derive(OpenApi)]
#[openapi(
    paths(submit::submit, submit::status, submit::authtest, submit::health, jobs::state, bots::report),
    // Of what every address may answer: those are not found by themselves.
    components(schemas(answer::Body, answer::Reason)),
    modifiers(&Tokens),
    tags((name = "intake", description = "What may be sent in, by who has a token"))
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

/// The document, to be merged with that of the pages.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
