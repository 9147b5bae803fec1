//! Database settings whose password is a secret that is read at run time and may be rotated.

use std::sync::Arc;

use super::{Database, SignIn};
use crate::platform::aws::secrets::Secrets;
use crate::platform::environment::{ConfigError, Lookup};

/// The settings that `read` finds in the environment and the secrets. The password is read again when PostgreSQL
/// rejects it.
///
/// # Errors
/// As `read`.
pub fn with_secrets(
    secrets: &Arc<Secrets>,
    read: fn(Lookup<'_>) -> Result<Database, ConfigError>,
) -> Result<Database, ConfigError> {
    let mut database = read(&|name| secrets.get(name))?;
    if secrets.is_any() {
        let secrets = Arc::clone(secrets);
        database.renewal = Some(Arc::new(move || {
            let secrets = Arc::clone(&secrets);
            Box::pin(async move {
                if let Err(error) = secrets.renew().await {
                    tracing::warn!(error = error.to_string(), "the password cannot be read again");
                }
                match read(&|name| secrets.get(name)).ok()?.sign_in {
                    SignIn::Password(password) => Some(password),
                    SignIn::Iam(_) => None,
                }
            })
        }));
    }
    Ok(database)
}
