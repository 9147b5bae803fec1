//! From rows to servers on loopback that play GitHub, GHES, GitLab, SNS and receivers of webhooks.

use std::time::Duration;

use hummingbird_status::deliver::targets::{Target, targets};
use hummingbird_status::deliver::{Deliverer, Totals, Until};
use hummingbird_status::store::Store;

use crate::support::forge::Forge;

/// The token of all targets here; nothing but a request may hold it.
pub const TOKEN: &str = "ghp_hunter2hunter2hunter2";

/// The targets of a document.
pub fn read(document: &str) -> Vec<Target> {
    let lookup = |name: &str| match name {
        "DELIVERY_TARGETS" => Some(document.to_owned()),
        "TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    };
    targets(&lookup).unwrap()
}

/// One target that plays GHES for a host.
pub fn github(forge: &Forge, host: &str) -> Vec<Target> {
    read(&format!(
        "[[target]]\nname = 'ghe'\nkind = 'github'\nhosts = ['{host}']\napi = '{}/api/v3'\ntoken = 'env:TOKEN'",
        forge.url
    ))
}

/// Delivers until nothing is due.
pub async fn drain(store: &Store, targets: &[Target]) -> Totals {
    let deliverer = Deliverer::new(store.clone(), targets.to_vec(), &|_| None).await.unwrap();
    deliverer.run(Until::Idle(tokio::time::sleep(Duration::from_secs(60)))).await
}
