//! Errors of the database, and their classes: retry, poison or bug.

use tokio_postgres::error::SqlState;

/// An error of the database. `Display` names the operation; the cause is its source.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection.
    #[error("cannot connect to PostgreSQL at {target}")]
    Connect {
        /// `host:port/name`.
        target: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A statement failed.
    #[error("statement {name} failed")]
    Statement {
        /// Name of the statement, the first line of its file.
        name: &'static str,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// No answer within the time limit.
    #[error("no answer from PostgreSQL in time for {name}")]
    Timeout {
        /// Name of the operation.
        name: &'static str,
    },
    /// Rows changed their key concurrently, or have to be moved first: the transaction is retried by itself.
    #[error("rows have to be moved")]
    Moved,
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// The schema is older than this program.
    #[error("the database has schema {found}, this program needs {expected}: run `migrate`")]
    Schema {
        /// Newest migration in the database.
        found: i32,
        /// Newest migration of this program.
        expected: i32,
    },
    /// An applied migration differs from the one of this program with its number.
    #[error("migration {version} ({name}) was changed after it was applied: migrations may be added, never changed")]
    Changed {
        /// Its number.
        version: i32,
        /// Its name.
        name: String,
    },
}

/// The class of an error: what the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Transient: the database is away or busy. A retry will work later.
    Retry,
    /// Permanent: the data cannot be stored. A retry never works; the message is rejected.
    Poison,
    /// A fault of this program or the schema: raise an alarm, and retry after the next deployment.
    Bug,
}

impl StoreError {
    /// The class, by SQLSTATE (PostgreSQL documentation, appendix A).
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Moved => ErrorClass::Retry,
            Self::Tls(_) | Self::Schema { .. } | Self::Changed { .. } => ErrorClass::Bug,
            Self::Statement { source, .. } => match source.code() {
                // No SQLSTATE: the connection broke, or a value does not fit its parameter.
                None if source.is_closed() || is_io(source) => ErrorClass::Retry,
                None => ErrorClass::Bug,
                Some(code) => by_sqlstate(code),
            },
        }
    }

    /// A name for errors that need the same reaction.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "DatabaseUnreachable",
            Self::Timeout { .. } => "DatabaseTimeout",
            Self::Moved => "DatabaseBusy",
            Self::Tls(_) => "DatabaseTls",
            Self::Schema { .. } => "SchemaTooOld",
            Self::Changed { .. } => "MigrationChanged",
            Self::Statement { .. } => match self.class() {
                ErrorClass::Retry => "DatabaseBusy",
                ErrorClass::Poison => "DatabaseValue",
                ErrorClass::Bug => "DatabaseStatement",
            },
        }
    }

    /// Whether two transactions conflicted, so that an immediate retry is right.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Moved)
            || matches!(self, Self::Statement { source, .. } if matches!(
                source.code(),
                Some(
                    &SqlState::T_R_SERIALIZATION_FAILURE
                        | &SqlState::T_R_DEADLOCK_DETECTED
                        // Another transaction inserted the row first. Other duplicates are handled by ON CONFLICT.
                        | &SqlState::UNIQUE_VIOLATION
                )
            ))
    }

    /// Whether the server is read-only, so that the connection is useless for writes.
    #[must_use]
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if source.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))
    }

    /// Whether two rows have the same key.
    #[must_use]
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether the server rejects the user, the password or the database, which is usually permanent.
    #[must_use]
    pub(super) fn is_rejected_login(&self) -> bool {
        let Self::Connect { source, .. } = self else { return false };
        let code = source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
        code.is_some_and(|code| matches!(&code.code()[..2], "28" | "3D"))
    }

    /// The message of PostgreSQL about data that it rejects, without the data itself.
    #[must_use]
    pub fn server_message(&self) -> String {
        match self {
            Self::Statement { name, source } => match source.as_db_error() {
                Some(error) => {
                    let location = [error.constraint(), error.column()].into_iter().flatten().next();
                    let location = location.map(|name| format!(" ({name})")).unwrap_or_default();
                    format!("{name}: {} {}{location}", error.code().code(), error.message())
                }
                None => format!("{name}: no message"),
            },
            other => other.to_string(),
        }
    }
}

fn by_sqlstate(code: &SqlState) -> ErrorClass {
    match code.code() {
        // After a failover the connection leads to a replica.
        "25006" | "55P03" => ErrorClass::Retry,
        // Another transaction inserted the row first, see `is_conflict`.
        "23505" => ErrorClass::Retry,
        code => match &code[..2] {
            // Connection, rollback of the transaction, resources, operator intervention, system.
            "08" | "40" | "53" | "57" | "58" => ErrorClass::Retry,
            // Data, constraints, limits (a key too long for an index).
            "22" | "23" | "54" => ErrorClass::Poison,
            _ => ErrorClass::Bug,
        },
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_have_a_class() {
        for (code, class) in [
            ("08006", ErrorClass::Retry),
            ("40P01", ErrorClass::Retry),
            ("53300", ErrorClass::Retry),
            ("57014", ErrorClass::Retry),
            ("57P01", ErrorClass::Retry),
            ("25006", ErrorClass::Retry),
            ("55P03", ErrorClass::Retry),
            ("23505", ErrorClass::Retry),
            ("22021", ErrorClass::Poison),
            ("22P05", ErrorClass::Poison),
            ("23514", ErrorClass::Poison),
            ("54000", ErrorClass::Poison),
            ("42P01", ErrorClass::Bug),
            ("25P02", ErrorClass::Bug),
            ("XX000", ErrorClass::Bug),
        ] {
            assert_eq!(by_sqlstate(&SqlState::from_code(code)), class, "{code}");
        }
    }
}
