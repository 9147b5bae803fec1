//! Tokens, keys and passwords, which are never shown. Configuration documents name them by reference and never hold
//! them.

mod mask;

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use self::mask::Mask;

/// The replacement of a secret in text.
const MASK: &str = "***";
/// Variables that each hold a JSON object of secrets, which a SAM template fills from Secrets Manager.
const OBJECTS: [&str; 3] = ["DELIVERY_SECRETS", "INTAKE_SECRETS", "PULL_SECRETS"];

/// A token, key or password. `Debug` masks it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

impl Secret {
    /// Takes a secret without the white space around it that editors of secrets leave.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The secret itself, only to be sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a text is the secret; the time does not depend on how similar they are.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(text)
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

/// Finds a secret by its reference: `env:NAME` (a variable), `file:/path`, or `secret:NAME` (a member of the JSON
/// object in the variable `DELIVERY_SECRETS`, `INTAKE_SECRETS` or `PULL_SECRETS`).
///
/// # Errors
/// When the reference is invalid, or leads to nothing or to more than one line; the error does not hold the secret.
pub fn find(reference: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    let secret = find_lines(reference, lookup)?;
    if secret.expose().chars().any(char::is_control) {
        return Err(format!("{reference} holds more than one line"));
    }
    Ok(secret)
}

/// As [`find`], for a secret of several lines, such as a key in PEM.
///
/// # Errors
/// As [`find`], except for the number of lines.
pub fn find_lines(reference: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    let found = match reference.split_once(':') {
        Some(("env", name)) => lookup(name).ok_or(format!("the variable {name} is not set")),
        Some(("file", path)) => {
            std::fs::read_to_string(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))
        }
        Some(("secret", name)) => member(name, lookup),
        // Not repeated: a user who does not know the forms may have written the secret itself.
        _ => Err("expected env:NAME, file:/path or secret:NAME".to_owned()),
    }?;
    let secret = Secret::new(&found);
    if secret.expose().is_empty() { Err(format!("{reference} holds nothing")) } else { Ok(secret) }
}

fn member(name: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let set: Vec<_> = OBJECTS.iter().filter_map(|variable| Some((*variable, lookup(variable)?))).collect();
    for (variable, json) in &set {
        // The parser's own error could quote the secrets.
        let all: serde_json::Value =
            serde_json::from_str(json).map_err(|_| format!("{variable} is not a JSON object"))?;
        if let Some(text) = all.get(name).and_then(serde_json::Value::as_str) {
            return Ok(text.to_owned());
        }
    }
    let set: Vec<_> = set.iter().map(|(variable, _)| *variable).collect();
    Err(match set.is_empty() {
        true => format!("none of the variables {} is set", OBJECTS.join(", ")),
        false => format!("{} has no text {name}", set.join(" and ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked() {
        let secret = Secret::new(" hunter2\n");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert!(secret.is("hunter2") && !secret.is("hunter"));
    }

    #[test]
    fn references_lead_to_secrets_and_errors_do_not_show_them() {
        let lookup = |name: &str| match name {
            "TOKEN" => Some(" hunter2\n".to_owned()),
            "TWO" => Some("hunter2\nhunter3".to_owned()),
            "DELIVERY_SECRETS" => Some(r#"{"ghe":"hunter2","n":7}"#.to_owned()),
            "INTAKE_SECRETS" => Some(r#"{"ci":"hunter2"}"#.to_owned()),
            _ => None,
        };
        for reference in ["env:TOKEN", "secret:ghe", "secret:ci"] {
            assert!(find(reference, &lookup).is_ok_and(|secret| secret.is("hunter2")), "{reference}");
        }
        for reference in ["env:NONE", "env:TWO", "secret:n", "secret:x", "file:/none", "hunter2", "token:hunter2"] {
            let error = find(reference, &lookup).expect_err(reference);
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(find_lines("env:TWO", &lookup).is_ok_and(|secret| secret.is("hunter2\nhunter3")));
        assert!(find("secret:x", &|_| None).is_err_and(|error| error.contains("INTAKE_SECRETS")));
    }
}
