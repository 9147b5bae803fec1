//! The routes of the web function: the web UI and API, the submit endpoints for holders of a token, and the pull
//! endpoints for holders of a key.

use crate::sources::Settings;
use std::sync::Arc;

use axum::Router;

use crate::db::{Store, database, page_database, with_secrets};
use crate::deliver::{pull, targets};
use crate::platform::aws::invoke::Waker;
use crate::platform::aws::secrets::Secrets;
use crate::platform::environment::Lookup;
use crate::platform::failure::Failure;
use crate::platform::failure::chain;
use crate::platform::routing::Routes;
use crate::submit::{self, Intake};
use crate::web::{self, Access, App};

/// All routes. An invalid document of tokens or targets disables its endpoints (503) and is logged; the web UI stays
/// available.
///
/// # Errors
/// When the configuration of the web UI is invalid.
pub fn routes(secrets: &Arc<Secrets>) -> Result<Router, Failure> {
    let lookup = |name: &str| secrets.get(name);
    let reading = with_secrets(secrets, page_database)?;
    let opens = ["INTAKE_TOKENS", "DELIVERY_TARGETS"].iter().any(|name| lookup(name).is_some());
    // Connects on the first request that may write.
    let writing = Store::open(&if opens { with_secrets(secrets, database)? } else { reading.clone() })?;
    // With an invalid document no token is accepted; the error is logged below.
    let access = Access::from_env(&lookup)?.with_tokens(submit::readers(&lookup).unwrap_or_default());
    let app = App::new(Store::open(&reading)?).with_access(access);
    let app = app.with_documents([submit::document(), pull::document()]);
    let intake = taken(&writing, &lookup);
    let intake = match intake {
        Ok(intake) => intake,
        Err(failure) => {
            tracing::error!(error = failure.message, "nothing can be posted");
            taken(&writing, &|_| None)?.unavailable()
        }
    };
    let pulled = targets::pulled(&lookup).and_then(|targets| Ok((targets, targets::registrations(&lookup)?)));
    let pulled = match pulled {
        Ok((targets, registered)) => pull::routes(writing, &targets, registered),
        Err(error) => {
            tracing::error!(error = chain(&error), "nothing can be fetched");
            pull::routes(writing, &[], Vec::new()).unavailable()
        }
    };
    Ok(web::routes(app).merge(intake).merge(pulled).into_router())
}

fn taken(store: &Store, lookup: Lookup<'_>) -> Result<Routes, Failure> {
    let intake = Intake::new(store.clone(), Settings::from_env(lookup)?, lookup)?;
    let waker = Waker::from_env(lookup).map_err(|why| Failure::new("Configuration", why))?;
    Ok(intake.waking(waker).routes())
}
