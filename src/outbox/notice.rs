//! A notification for people or webhooks: recipient and content. The source renders it; the rules of a target decide
//! whether it is sent, by which server and with which secret.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::platform::hex::hex;

/// Placeholder for the base URL of the build pages, which the target configures.
pub const PAGES: &str = "{pages}";
/// Placeholder for the host of that URL.
pub const PAGES_HOST: &str = "{pages_host}";

/// A notification. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// A Slack message.
    Slack {
        /// `team` of `team.slack.com`; `None` if it is encrypted.
        account: Option<String>,
        /// SHA-256 of the token in the configuration of the build; `None` if it is encrypted.
        #[serde(default)]
        token: Option<String>,
        /// The message.
        body: Value,
    },
    /// An email.
    Mail {
        /// Recipient.
        address: String,
        /// Subject, one line.
        subject: String,
        /// Text.
        text: String,
        /// Further headers: names and values, each of one line.
        headers: Vec<(String, String)>,
    },
    /// A document for a webhook that the configuration of a build names.
    Hook {
        /// URL, without user and password.
        url: String,
        /// `owner/name` of the repository.
        slug: String,
        /// Whether it is the Travis CI document, which is signed; otherwise a Teams card.
        signed: bool,
        /// The document.
        body: Value,
    },
    /// Lines for an IRC channel, sent through a bridge.
    Irc {
        /// Name of the server.
        server: String,
        /// Port, if it is not the default one.
        port: Option<u16>,
        /// Whether to use TLS.
        tls: bool,
        /// Channel, with its `#`.
        channel: String,
        /// Lines.
        lines: Vec<String>,
    },
    /// A GitHub check run.
    CheckRun {
        /// Host of the repository, in lower case.
        host: String,
        /// `owner/name`.
        path: String,
        /// The check run in the form of the API.
        body: Value,
    },
}

/// Prefix of a [`fingerprint`].
const SHA256: &str = "sha256-";

/// The hash of a Slack token, to compare it with another one. The fingerprint of a fingerprint is itself.
#[must_use]
pub fn fingerprint(token: &str) -> String {
    if token.starts_with(SHA256) {
        return token.to_owned();
    }
    format!("{SHA256}{}", hex(&Sha256::digest(token)))
}

/// Member of a payload that holds a [`Notice`].
pub(super) const NOTICE: &str = "notice";

impl Notice {
    /// Puts it into the payload of an event.
    pub fn put_into(&self, payload: &mut Map<String, Value>) {
        payload.insert(NOTICE.to_owned(), json!(self));
    }

    /// Reads the payload of an event; `None` for events without a notice.
    #[must_use]
    pub fn of(payload: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(payload.get(NOTICE)?).ok()
    }
}
