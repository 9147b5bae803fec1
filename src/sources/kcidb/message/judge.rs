//! Decides whether the schema of the document's own version allows a value, and whether it can be upgraded and stored.

use std::borrow::Cow;
use std::cell::Cell as Mutable;

use serde::de::Error;

use super::rule::Rule;
use super::version::Version;
use crate::transport::field::without_credentials;

/// The class of an error, from which the rejection reason follows. It is set just before the error is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    /// The schema of its version does not allow it.
    #[default]
    Schema,
    /// It is valid, but the newest version does not allow the upgraded value.
    Upgrade,
    /// It is valid, but PostgreSQL does not store it.
    Storage,
}

/// Checks values by the rules of a version.
pub(super) struct Judge {
    pub(super) version: Version,
    /// Whether only the schema of the document's own version is checked, to find out if a document that cannot be
    /// upgraded is valid.
    pub(super) schema_only: bool,
    pub(super) fault: Mutable<Fault>,
}

impl Judge {
    pub(super) fn new(version: Version, schema_only: bool) -> Self {
        Self { version, schema_only, fault: Mutable::default() }
    }

    /// Checks a string.
    ///
    /// # Errors
    /// When the version or the newest version does not allow it, or it cannot be stored.
    pub(super) fn text<E: Error>(&self, rule: Rule, text: &str) -> Result<(), E> {
        let rejection = || E::custom(format!("a string of {} bytes, expected {}", text.len(), rule.words()));
        if !rule.allows(self.version, text) {
            return Err(rejection());
        }
        // `upgrade` checks values that it combines from several members.
        let changes = self.version < Version::V4_0 && matches!(rule, Rule::Id | Rule::Origin | Rule::Revision)
            || self.version == Version::V1_1 && rule == Rule::FileName;
        if self.version < Version::V5_0 && !changes && !rule.allows(Version::NEWEST, text) {
            return self.fail(Fault::Upgrade, rejection);
        }
        if rule == Rule::Email && text.contains('\0') {
            return Err(self.unstorable("a NUL (\\u0000), which PostgreSQL does not store"));
        }
        Ok(())
    }

    /// An address without user and password: CI systems submit the address that they cloned from, with its token.
    pub(super) fn address<'a>(&self, rule: Rule, text: Cow<'a, str>) -> Cow<'a, str> {
        match rule {
            Rule::Repository | Rule::Uri => without_credentials(text),
            _ => text,
        }
    }

    /// The name of a file, converted to the newest version: in 1.1 it can be a path.
    pub(super) fn file_name<'a, E: Error>(&self, name: Cow<'a, str>) -> Result<Cow<'a, str>, E> {
        if self.version > Version::V1_1 {
            return Ok(name);
        }
        let name = name.replace('/', "_");
        if !Rule::FileName.allows(Version::NEWEST, &name) {
            let rejection = || E::custom(format!("name: not {}", Rule::FileName.words()));
            self.fail(Fault::Upgrade, rejection)?;
        }
        Ok(name.into())
    }

    /// The error for a value that is valid and cannot be stored.
    pub(super) fn unstorable<E: Error>(&self, what: &str) -> E {
        self.fault.set(Fault::Storage);
        E::custom(what)
    }

    /// Fails, unless only the schema of the document's own version is checked.
    pub(super) fn fail<E>(&self, fault: Fault, error: impl FnOnce() -> E) -> Result<(), E> {
        if self.schema_only {
            return Ok(());
        }
        self.fault.set(fault);
        Err(error())
    }
}
