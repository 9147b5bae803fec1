//! The set-up of delivery: the targets, and a client for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_credential_types::provider::SharedCredentialsProvider;

use super::authorization::Installations;
use super::commit::CommitPoster;
use super::notice::NoticePoster;
use super::sender::Sender;
use super::sns::{SnsPublisher, Topics};
use super::step;
use super::targets::{Kind, NoticeMethod, Posting, Target};
use super::webhook::WebhookPoster;
use crate::db::{Store, StoreError};
use crate::outbox::waits::Waits;
use crate::platform::aws;
use crate::platform::environment::Lookup;

/// Days that rows are kept after they have come to an end.
const RETENTION_DAYS: i32 = 90;
/// A target whose client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("target {target}: cannot set up TLS (ca_bundle)")]
pub struct SetUpError {
    /// Its name.
    pub target: String,
    /// Why.
    pub source: reqwest::Error,
}

/// The credentials of the environment, if a target sends mail.
pub async fn mail_credentials(targets: &[Target], lookup: Lookup<'_>) -> Option<SharedCredentialsProvider> {
    let is_mail =
        |target: &Target| matches!(&target.kind, Kind::Notice(of) if matches!(of.method, NoticeMethod::Mail { .. }));
    if !targets.iter().any(is_mail) {
        return None;
    }
    aws::config(lookup).await.credentials_provider()
}

/// Delivers what is due, for all targets except pull targets.
pub struct Deliverer {
    pub(super) store: Store,
    pub(super) targets: Vec<Target>,
    pub(super) senders: BTreeMap<String, Arc<Sender>>,
    pub(super) retention_days: i32,
    pub(super) listens: bool,
}

impl Deliverer {
    /// Sets up clients for the targets; does not connect yet. `sns` is needed where a target is a topic, see
    /// [`sns_client`](super::sns_client).
    ///
    /// # Errors
    /// When TLS cannot be set up for one of them.
    pub fn new(store: Store, targets: Vec<Target>, sns: Option<Topics>) -> Result<Self, SetUpError> {
        let mut senders = BTreeMap::new();
        let mut installations = Installations::default();
        for target in &targets {
            let failed = |source| SetUpError { target: target.name.clone(), source };
            let sender = match &target.kind {
                Kind::Commit(commit) => {
                    let Posting::Push(credential) = &commit.posting else { continue };
                    let (api, bundle) = (commit.api.clone(), commit.ca_bundle.as_deref());
                    let authorization = installations.authorization(credential, &api);
                    Sender::Commit(CommitPoster::new(commit.rules.forge, api, authorization, bundle).map_err(failed)?)
                }
                Kind::Sns { topic_arn, overflow, .. } => match &sns {
                    Some(topics) => Sender::Sns(SnsPublisher::new(topics, topic_arn, overflow.clone())),
                    None => continue,
                },
                Kind::Webhook { url, secret, allow_private, ca_bundle, .. } => {
                    let bundle = ca_bundle.as_deref();
                    let poster = WebhookPoster::new(url.clone(), secret.clone(), *allow_private, bundle);
                    Sender::Webhook(poster.map_err(failed)?)
                }
                Kind::Notice(notice) => {
                    let poster = NoticePoster::new(notice, &mut installations).map_err(failed)?;
                    Sender::Notice(Box::new(poster))
                }
            };
            senders.insert(target.name.clone(), Arc::new(sender));
        }
        Ok(Self { store, targets, senders, retention_days: RETENTION_DAYS, listens: false })
    }

    /// Sends mail with these credentials, see [`mail_credentials`].
    #[must_use]
    pub fn mailing(mut self, credentials: Option<SharedCredentialsProvider>) -> Self {
        if let Some(credentials) = credentials {
            for sender in self.senders.values_mut().filter_map(Arc::get_mut) {
                if let Sender::Notice(poster) = sender {
                    poster.signing(&credentials);
                }
            }
        }
        self
    }

    /// Keeps ended deliveries for so many days.
    #[must_use]
    pub fn keeping(self, retention_days: i32) -> Self {
        Self { retention_days, ..self }
    }

    /// Listens to notifications of PostgreSQL about due deliveries, on a connection of its own; only with
    /// [`Until::Stopped`](super::Until).
    #[must_use]
    pub fn listening(self) -> Self {
        Self { listens: true, ..self }
    }

    /// Deliveries that wait for the targets of this deliverer, and for how long.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn left(&self) -> Result<Vec<Waits>, StoreError> {
        step::waits(&self.store, &self.senders.keys().map(String::as_str).collect::<Vec<_>>()).await
    }
}
