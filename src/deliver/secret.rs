//! Tokens and keys: named in the document of the targets, never written in it, and never shown.

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// What stands in for a secret wherever it would be shown.
const MASK: &str = "***";

/// A token, key or password. Not shown by `Debug`, has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes one as it is, without the blanks around it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Finds one by its reference: `env:NAME` (a variable), `file:/path`, or `secret:NAME` (a member of the JSON object in
    /// the variable `DELIVERY_SECRETS`, which the SAM template fills from Secrets Manager).
    ///
    /// # Errors
    /// What is wrong with the reference, without the secret.
    pub fn find(reference: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let found = match reference.split_once(':') {
            Some(("env", name)) => lookup(name).ok_or(format!("the variable {name} is not set")),
            Some(("file", path)) => {
                std::fs::read_to_string(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))
            }
            Some(("secret", name)) => {
                let json = lookup("DELIVERY_SECRETS").ok_or("the variable DELIVERY_SECRETS is not set")?;
                // The parser's own error could quote the secrets.
                let all: serde_json::Value =
                    serde_json::from_str(&json).map_err(|_| "DELIVERY_SECRETS is not a JSON object")?;
                let one = all.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
                one.ok_or(format!("DELIVERY_SECRETS has no text {name}"))
            }
            // Not repeated: whoever does not know the forms has written the secret itself.
            _ => Err("expected env:NAME, file:/path or secret:NAME".to_owned()),
        }?;
        let secret = Self::new(&found);
        if secret.0.is_empty() || secret.0.chars().any(char::is_control) {
            return Err(format!("{reference} holds nothing, or more than one line"));
        }
        Ok(secret)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_secrets_and_errors_do_not_show_them() {
        let lookup = |name: &str| match name {
            "TOKEN" => Some(" hunter2\n".to_owned()),
            "TWO" => Some("hunter2\nhunter3".to_owned()),
            "DELIVERY_SECRETS" => Some(r#"{"ghe":"hunter2","n":7}"#.to_owned()),
            _ => None,
        };
        for reference in ["env:TOKEN", "secret:ghe"] {
            assert!(Secret::find(reference, &lookup).is_ok_and(|secret| secret.is("hunter2")), "{reference}");
        }
        for reference in ["env:NONE", "env:TWO", "secret:n", "secret:x", "file:/none", "hunter2", "token:hunter2"] {
            let error = Secret::find(reference, &lookup).expect_err(reference);
            assert!(!error.contains("hunter2"), "{error}");
        }
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.masked("Bearer hunter2!"), "Bearer ***!");
    }
}
