//! What an invocation of a Lambda function ends with when it fails: an error type to group and to filter by, and a message.
//!
//! Without it the type would be that of a box, the same for all errors.

use std::any::type_name;

use lambda_runtime::Diagnostic;

use crate::store::chain;

/// An error of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One word, the same for all errors that call for the same.
    pub error_type: &'static str,
    /// What happened, with causes.
    pub message: String,
}

impl Failure {
    /// A failure of a type.
    #[must_use]
    pub fn new(error_type: &'static str, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into() }
    }

    /// A failure of a type by an error, with its causes.
    #[must_use]
    pub fn by(error_type: &'static str, error: &dyn std::error::Error) -> Self {
        Self::new(error_type, chain(error))
    }
}

/// Of what has no better name the type is that of the error.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let name = type_name::<E>().split('<').next().unwrap_or_default();
        Self::by(name.rsplit("::").next().unwrap_or(name), &error)
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type.to_owned(), error_message: failure.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_words() {
        let failure = Failure::from(std::io::Error::other("full"));
        assert_eq!(failure, Failure::new("Error", "full"));
        let failure = Failure::from(serde_json::from_str::<u8>("x").expect_err("no number"));
        assert_eq!(Diagnostic::from(failure).error_type, "Error");
        let failure = Failure::from(crate::config::ConfigError::NoDatabase);
        assert_eq!(failure.error_type, "ConfigError");
    }
}
