//! All that the web function serves: pages, and beside them, for those who have a token or a key, what may be sent in or fetched.

use std::sync::Arc;

use axum::Router;

use crate::aws::invoke::Waker;
use crate::aws::secrets::Secrets;
use crate::config::{self, Lookup};
use crate::deliver::{pull, targets};
use crate::failure::Failure;
use crate::intake::{self, Intake};
use crate::page::{self, Access, Page};
use crate::routing::Routes;
use crate::store::{Store, chain};

/// All addresses. A mistake in a document of tokens or targets closes what that is for, is in the log, and never closes the pages.
///
/// # Errors
/// When the pages themselves are configured wrongly.
pub fn routes(secrets: &Arc<Secrets>) -> Result<Router, Failure> {
    let lookup = |name: &str| secrets.get(name);
    let reading = secrets.database(config::page_database)?;
    let opens = ["INTAKE_TOKENS", "DELIVERY_TARGETS"].iter().any(|name| lookup(name).is_some());
    // Connects when somebody who may write does.
    let writing = Store::open(&if opens { secrets.database(config::database)? } else { reading.clone() })?;
    let page = Page::new(Store::open(&reading)?).for_some(Access::from_env(&lookup)?);
    let page = page.beside([intake::document(), pull::document()]);
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
    Ok(page::routes(page).merge(intake).merge(pulled).into_router())
}

fn taken(store: &Store, lookup: Lookup<'_>) -> Result<Routes, Failure> {
    let intake = Intake::new(store.clone(), config::settings(lookup)?, lookup)?;
    let waker = Waker::from_env(lookup).map_err(|why| Failure::new("Configuration", why))?;
    Ok(intake.waking(waker).routes())
}
