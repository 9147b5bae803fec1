//! Secrets by reference: the document of the targets names them, and never holds them.

use std::path::Path;

use crate::config::Lookup;
use crate::secret::Secret;

/// Finds one by its reference: `env:NAME` (a variable), `file:/path`, or `secret:NAME` (a member of the JSON object in
/// the variable `DELIVERY_SECRETS`, which the SAM template fills from Secrets Manager).
///
/// # Errors
/// What is wrong with the reference, without the secret.
pub(super) fn find(reference: &str, lookup: Lookup<'_>) -> Result<Secret, String> {
    let secret = find_lines(reference, lookup)?;
    if secret.expose().chars().any(char::is_control) {
        return Err(format!("{reference} holds nothing, or more than one line"));
    }
    Ok(secret)
}

/// The same for one of several lines, a key in PEM.
///
/// # Errors
/// What is wrong with the reference, without the secret.
pub(super) fn find_lines(reference: &str, lookup: Lookup<'_>) -> Result<Secret, String> {
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
    let secret = Secret::new(&found);
    if secret.expose().is_empty() { Err(format!("{reference} holds nothing")) } else { Ok(secret) }
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
            assert!(find(reference, &lookup).is_ok_and(|secret| secret.is("hunter2")), "{reference}");
        }
        for reference in ["env:NONE", "env:TWO", "secret:n", "secret:x", "file:/none", "hunter2", "token:hunter2"] {
            let error = find(reference, &lookup).expect_err(reference);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
