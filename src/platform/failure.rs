//! The error of a failed Lambda invocation: an error type to group and filter by, and a message.
//!
//! Without it the error type would be that of a `Box`, the same for all errors.

use std::any::type_name;

use lambda_runtime::Diagnostic;

/// An error of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the kind of error; errors that need the same reaction share it.
    pub error_type: &'static str,
    /// What happened, with causes.
    pub message: String,
}

impl Failure {
    /// A failure with a type and a message.
    #[must_use]
    pub fn new(error_type: &'static str, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into() }
    }

    /// A failure with a type, from an error with its causes.
    #[must_use]
    pub fn by(error_type: &'static str, error: &dyn std::error::Error) -> Self {
        Self::new(error_type, chain(error))
    }
}

/// Other errors have the name of their Rust type.
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

/// An error with its causes, for the log: `cannot connect ..: connection refused`.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_types_are_single_words() {
        let failure = Failure::from(std::io::Error::other("full"));
        assert_eq!(failure, Failure::new("Error", "full"));
        let failure = Failure::from(serde_json::from_str::<u8>("x").expect_err("no number"));
        assert_eq!(Diagnostic::from(failure).error_type, "Error");
        let failure = Failure::from(crate::platform::environment::ConfigError::NoDatabase);
        assert_eq!(failure.error_type, "ConfigError");
    }
}
