//! Tokens, keys and passwords: kept, sent, and shown to nobody.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What stands in for a secret wherever it would be shown.
const MASK: &str = "***";

/// A token, key or password. Not shown by `Debug`, has no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

impl Secret {
    /// Takes one as it is, without the blanks and ends of lines around it that editors of secrets leave.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The secret itself, to be sent and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a text is the secret; takes as long for a near miss as for a far one.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(text)
    }

    /// A text with the secret made unreadable: what others answer may repeat what was sent to them.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        text.replace(&self.0, MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_masked_wherever_it_would_be_shown() {
        let secret = Secret::new(" hunter2\n");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.masked("Bearer hunter2!"), "Bearer ***!");
        assert!(secret.is("hunter2") && !secret.is("hunter"));
    }
}
