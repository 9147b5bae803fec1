//! The credential of a target of GitHub or GitLab: a token, or an app that gets one.

use super::document::AppId;
use super::{Raw, TargetsError};
use crate::deliver::app::App;
use crate::deliver::authorization::Credential;
use crate::platform::environment::Lookup;
use crate::platform::secret;

/// Reads the credential of a target.
///
/// # Errors
/// When a member is missing or invalid. The error never contains a secret.
pub(super) fn credential(raw: &Raw, lookup: Lookup<'_>) -> Result<Credential, TargetsError> {
    let wrong = |member, what: String| TargetsError::Member { target: raw.name.clone(), member, what };
    let missing = |member| wrong(member, "missing".to_owned());
    let Some(id) = &raw.app_id else {
        if raw.installation_id.is_some() {
            return Err(missing("app_id"));
        }
        let reference =
            raw.token.as_deref().ok_or_else(|| wrong("token", "missing, and no app_id either".to_owned()))?;
        return secret::find(reference, lookup).map(Credential::Token).map_err(|what| wrong("token", what));
    };
    if raw.kind == "gitlab" {
        return Err(wrong("app_id", "only GitHub has apps".to_owned()));
    }
    if raw.token.is_some() {
        return Err(wrong("token", "either a token, or an app that gets one".to_owned()));
    }
    let id = match id {
        AppId::Number(number) => number.to_string(),
        AppId::Client(id) => id.trim().to_owned(),
    };
    if id.is_empty() {
        return Err(missing("app_id"));
    }
    let installation = raw.installation_id.ok_or_else(|| missing("installation_id"))?;
    let reference = raw.key.as_deref().ok_or_else(|| missing("key"))?;
    let pem = secret::find_lines(reference, lookup).map_err(|what| wrong("key", what))?;
    App::new(id, installation, &pem).map(Credential::App).map_err(|what| wrong("key", what))
}
