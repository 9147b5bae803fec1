//! Notices: words for people, to Slack, by mail, to webhooks that builds name, to a bridge to IRC, and as check runs.

mod check_run;
mod hook;
mod mail;
mod slack;

use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::Value;

use super::authorization::{Authorization, Installations};
use super::http::{Poster, Ways};
use super::policy::Decision;
use super::targets::{NoticeTarget, NoticeWay};
use crate::outbox::check_run::CheckRun;
use crate::outbox::queue::EventDue;
use crate::outbox::{Notice, PAGES, PAGES_HOST, StoredPayload, fingerprint};
use crate::secret::Secret;

pub use self::slack::address as slack_address;

/// Tells one target.
#[derive(Clone, Debug)]
pub(super) struct NoticePoster {
    target: NoticeTarget,
    poster: Poster,
    credentials: Option<SharedCredentialsProvider>,
    authorization: Option<Authorization>,
}

impl NoticePoster {
    /// Sets up a client for a target.
    ///
    /// # Errors
    /// When the bundle is no PEM, or TLS cannot be set up.
    pub(super) fn new(target: &NoticeTarget, installations: &mut Installations) -> Result<Self, reqwest::Error> {
        // Builds name the addresses of hooks; all others are the document's own.
        let public_only =
            matches!(target.way, NoticeWay::Hook { .. } | NoticeWay::Irc { .. }) && !target.rules.allow_private;
        let secrets: Vec<&Secret> = match &target.way {
            NoticeWay::SlackWebhook(secret) | NoticeWay::SlackToken(secret, _) | NoticeWay::Irc { secret, .. } => {
                vec![secret]
            }
            NoticeWay::Hook { secret, token, .. } => [secret, token].into_iter().flatten().collect(),
            NoticeWay::Mail { .. } | NoticeWay::CheckRun { .. } => Vec::new(),
        };
        let secret_address = !matches!(target.way, NoticeWay::Mail { .. } | NoticeWay::CheckRun { .. });
        let ca_bundle = target.ca_bundle.as_deref();
        let poster = Poster::new(Ways { ca_bundle, public_only, secret_address, secrets: &secrets })?;
        let authorization = match &target.way {
            NoticeWay::CheckRun { api, credential } => Some(installations.authorization(credential, api)),
            _ => None,
        };
        Ok(Self { target: target.clone(), poster, credentials: None, authorization })
    }

    /// Signs requests to AWS with these.
    pub(super) fn signing(&mut self, credentials: &SharedCredentialsProvider) {
        self.credentials = Some(credentials.clone());
    }

    /// Tells, and decides what the answer means. Beside it, the check run that it wrote.
    pub(super) async fn post(&self, due: &EventDue) -> (Decision, Option<CheckRun>) {
        let mut run = None;
        let decision = self.send(due, &mut run).await;
        (decision, run)
    }

    async fn send(&self, due: &EventDue, run: &mut Option<CheckRun>) -> Decision {
        let Some(notice) = notice(&due.payload, &self.target.rules.pages) else {
            return Decision::dead("no notice that this version can read");
        };
        match (&self.target.way, notice) {
            // The document may have changed since this was routed.
            (_, notice) if !self.target.rules.takes(&notice) => Decision::dead("the target does not allow it any more"),
            (NoticeWay::SlackWebhook(url), Notice::Slack { mut body, .. }) => {
                // Elsewhere than on its own channel it writes only where the document says so.
                if !self.target.rules.lists_channel(&body)
                    && let Some(members) = body.as_object_mut()
                {
                    members.remove("channel");
                }
                slack::to_webhook(&self.poster, url, &body, due.tries).await
            }
            (NoticeWay::SlackToken(token, api), Notice::Slack { account: Some(account), token: named, body }) => {
                // At Travis CI the token in the configuration is the right to write.
                let is_named = named.is_some_and(|named| named == fingerprint(token.expose()));
                if !is_named && !self.target.rules.lists_channel(&body) {
                    return Decision::dead(
                        "the build does not name the token of the target, which does not list the channel",
                    );
                }
                slack::with_token(&self.poster, &account, token, api.as_ref(), &body, due.tries).await
            }
            (NoticeWay::Mail { from, api, region }, mail @ Notice::Mail { .. }) => {
                let by = mail::Sender { from, api, region, credentials: self.credentials.as_ref() };
                mail::send(&self.poster, &by, &mail, due.tries).await
            }
            (NoticeWay::Hook { .. }, Notice::Hook { url, slug, signed, body }) => match self.target.rules.url(&url) {
                Some(url) => {
                    let letter = hook::Letter { url, slug, signed, body };
                    hook::send(&self.poster, &self.target.way, due, &letter).await
                }
                None => Decision::dead("the target does not allow this address"),
            },
            (NoticeWay::Irc { url, secret }, irc @ Notice::Irc { .. }) => {
                hook::to_bridge(&self.poster, url, secret, due, &irc).await
            }
            (NoticeWay::CheckRun { api, .. }, Notice::CheckRun { path, body, .. }) => match &self.authorization {
                Some(authorization) => {
                    let (poster, path, tries) = (&self.poster, &*path, due.tries);
                    let api = check_run::Api { poster, api, authorization, path, tries };
                    let (decision, kept) = check_run::keep(api, due, &body).await;
                    *run = kept;
                    decision
                }
                None => Decision::dead("no token for this target"),
            },
            _ => Decision::dead("nothing for this target"),
        }
    }
}

/// The notice in a payload, with the address of the pages in its texts.
fn notice(payload: &StoredPayload, pages: &str) -> Option<Notice> {
    Notice::of(filled(&Value::Object(payload.ours()), pages).as_object()?)
}

/// A notice with the address of the pages in its texts.
fn filled(notice: &Value, pages: &str) -> Value {
    let host = pages.split_once("://").map_or(pages, |(_, rest)| rest).split('/').next().unwrap_or_default();
    match notice {
        Value::String(text) => Value::String(text.replace(PAGES, pages).replace(PAGES_HOST, host)),
        Value::Array(items) => items.iter().map(|item| filled(item, pages)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), filled(value, pages))).collect())
        }
        other => other.clone(),
    }
}
