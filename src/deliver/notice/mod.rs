//! Notices, which are texts for people: to Slack, by mail, to webhooks that builds name, to a bridge to IRC, and as
//! check runs.

mod check_run;
mod hook;
mod mail;
mod slack;

use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::Value;

use super::authorization::{Authorization, Installations};
use super::http::{ClientOptions, Poster};
use super::policy::Decision;
use super::targets::{NoticeMethod, NoticeTarget};
use crate::outbox::CheckRun;
use crate::outbox::EventDue;
use crate::outbox::{Notice, PAGES, PAGES_HOST, StoredPayload, fingerprint};
use crate::platform::secret::Secret;

pub use self::slack::address as slack_address;

/// Client of one target.
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
        // Builds name the addresses of hooks, and servers of IRC; the configuration names all others.
        let public_only = matches!(target.method, NoticeMethod::Hook { .. } | NoticeMethod::Irc { .. })
            && !target.rules.allow_private;
        let secrets: Vec<&Secret> = match &target.method {
            NoticeMethod::SlackWebhook(secret)
            | NoticeMethod::SlackToken(secret, _)
            | NoticeMethod::Irc { secret, .. } => {
                vec![secret]
            }
            NoticeMethod::Hook { secret, token, .. } => [secret, token].into_iter().flatten().collect(),
            NoticeMethod::Mail { .. } | NoticeMethod::CheckRun { .. } => Vec::new(),
        };
        let secret_address = !matches!(target.method, NoticeMethod::Mail { .. } | NoticeMethod::CheckRun { .. });
        let ca_bundle = target.ca_bundle.as_deref();
        let poster = Poster::new(ClientOptions { ca_bundle, public_only, secret_address, secrets: &secrets })?;
        let authorization = match &target.method {
            NoticeMethod::CheckRun { api, credential } => Some(installations.authorization(credential, api)),
            _ => None,
        };
        Ok(Self { target: target.clone(), poster, credentials: None, authorization })
    }

    /// Signs requests to AWS with these credentials.
    pub(super) fn signing(&mut self, credentials: &SharedCredentialsProvider) {
        self.credentials = Some(credentials.clone());
    }

    /// Sends a notice, and decides what the answer means. Also returns the check run that it wrote.
    pub(super) async fn post(&self, due: &EventDue) -> (Decision, Option<CheckRun>) {
        let mut run = None;
        let decision = self.send(due, &mut run).await;
        (decision, run)
    }

    async fn send(&self, due: &EventDue, run: &mut Option<CheckRun>) -> Decision {
        let Some(notice) = notice(&due.payload, &self.target.rules.pages) else {
            return Decision::dead("no notice that this version can read");
        };
        match (&self.target.method, notice) {
            // The configuration may have changed since this was routed.
            (_, notice) if !self.target.rules.takes(&notice) => Decision::dead("the target does not allow it any more"),
            (NoticeMethod::SlackWebhook(url), Notice::Slack { mut body, .. }) => {
                // To other channels than its default, it writes only where the target lists them.
                if !self.target.rules.lists_channel(&body)
                    && let Some(members) = body.as_object_mut()
                {
                    members.remove("channel");
                }
                slack::to_webhook(&self.poster, url, &body, due.attempts).await
            }
            (NoticeMethod::SlackToken(token, api), Notice::Slack { account: Some(account), token: named, body }) => {
                // At Travis CI, the token in the configuration of a build permits it to write.
                let is_named = named.is_some_and(|named| named == fingerprint(token.expose()));
                if !is_named && !self.target.rules.lists_channel(&body) {
                    return Decision::dead(
                        "the build does not name the token of the target, which does not list the channel",
                    );
                }
                slack::with_token(&self.poster, &account, token, api.as_ref(), &body, due.attempts).await
            }
            (NoticeMethod::Mail { from, api, region }, mail @ Notice::Mail { .. }) => {
                let by = mail::Sender { from, api, region, credentials: self.credentials.as_ref() };
                mail::send(&self.poster, &by, &mail, due.attempts).await
            }
            (NoticeMethod::Hook { .. }, Notice::Hook { url, slug, signed, body }) => {
                match self.target.rules.url(&url) {
                    Some(url) => {
                        let document = hook::Document { url, slug, signed, body };
                        hook::send(&self.poster, &self.target.method, due, &document).await
                    }
                    None => Decision::dead("the target does not allow this address"),
                }
            }
            (NoticeMethod::Irc { url, secret }, irc @ Notice::Irc { .. }) => {
                hook::to_bridge(&self.poster, url, secret, due, &irc).await
            }
            (NoticeMethod::CheckRun { api, .. }, Notice::CheckRun { path, body, .. }) => match &self.authorization {
                Some(authorization) => {
                    let (poster, path, attempts) = (&self.poster, &*path, due.attempts);
                    let api = check_run::Api { poster, api, authorization, path, attempts };
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

/// The notice in a payload, with the base URL of the pages filled in.
fn notice(payload: &StoredPayload, pages: &str) -> Option<Notice> {
    Notice::of(filled(&Value::Object(payload.ours()), pages).as_object()?)
}

/// Fills in the base URL of the pages.
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
