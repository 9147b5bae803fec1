//! The `OpenAPI` description of the addresses.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::server;

#[derive(OpenApi)]
#[openapi(
    paths(server::lease, server::delivered, server::hand_back),
    // Of the error answers: utoipa does not find it by itself.
    components(schemas(server::Body)),
    modifiers(&Keys),
    tags((name = "deliveries", description = "Commit statuses that clients inside a firewall fetch"))
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = ApiKeyValue::with_description("x-api-key", "The `api_key` of a target");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// The description, to be merged with that of the web UI.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
