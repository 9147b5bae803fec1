//! What somebody is to be told in words: whom, and what is sent to them. Rendered by the family; which of it may leave, by
//! which server and with which secret, is decided where it is delivered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// Stands in all texts for the address where the pages of builds begin, which the target knows.
pub const PAGES: &str = "{pages}";
/// Stands for the host of that address.
pub const PAGES_HOST: &str = "{pages_host}";

/// A notification. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// A message of Slack.
    Slack {
        /// `team` of `team.slack.com`; none where it is encrypted.
        account: Option<String>,
        /// SHA-256 of the token that the configuration of the build named; none where it is encrypted.
        #[serde(default)]
        token: Option<String>,
        /// The message.
        body: Value,
    },
    /// A mail.
    Mail {
        /// To whom.
        address: String,
        /// Subject, one line.
        subject: String,
        /// Text.
        text: String,
        /// Further headers: names and values, a line each.
        headers: Vec<(String, String)>,
    },
    /// A document for an address that the configuration of a build names.
    Hook {
        /// Where to; without user and password.
        url: String,
        /// `owner/name` of the repository.
        slug: String,
        /// Whether it is the document of Travis CI, which is signed; else a card for Teams.
        signed: bool,
        /// The document.
        body: Value,
    },
    /// Lines for a channel of IRC, by way of a bridge.
    Irc {
        /// Name of the server.
        server: String,
        /// Port, if it is not the usual one.
        port: Option<u16>,
        /// Whether the server is spoken to over TLS.
        tls: bool,
        /// Channel, with its `#`.
        channel: String,
        /// Lines.
        lines: Vec<String>,
    },
    /// A check run of GitHub.
    CheckRun {
        /// Host of the repository, in lower case.
        host: String,
        /// `owner/name`.
        path: String,
        /// The check run, as the API takes it.
        body: Value,
    },
}

/// What begins a [`fingerprint`].
const SHA256: &str = "sha256-";

/// The hash of a Slack token, to compare it with another one. The fingerprint of a fingerprint is itself.
#[must_use]
pub fn fingerprint(token: &str) -> String {
    if token.starts_with(SHA256) {
        return token.to_owned();
    }
    format!("{SHA256}{}", hex(&Sha256::digest(token)))
}

/// Member of a payload that holds one.
pub(super) const NOTICE: &str = "notice";

impl Notice {
    /// Puts it into the payload of an event.
    pub fn put_into(&self, payload: &mut Map<String, Value>) {
        payload.insert(NOTICE.to_owned(), json!(self));
    }

    /// Reads the payload of an event; none in those of other events.
    #[must_use]
    pub fn of(payload: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(payload.get(NOTICE)?).ok()
    }
}
