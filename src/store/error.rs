//! What can go wrong between us and PostgreSQL, and what is to be done then.

use tokio_postgres::error::SqlState;

/// An error of the database. `Display` names what was tried; the cause is its source.
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
    /// No answer in the time there was.
    #[error("no answer from PostgreSQL in time for {name}")]
    Timeout {
        /// What was tried.
        name: &'static str,
    },
    /// What a transaction found is somewhere else by now, or has to be moved: it is tried again, alone.
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
    /// A migration that was applied is not the one that this program knows under its number.
    #[error("migration {version} ({name}) was changed after it was applied: migrations may be added, never changed")]
    Changed {
        /// Its number.
        version: i32,
        /// Its name.
        name: String,
    },
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The database is away or busy: the same will work later.
    Again,
    /// The data cannot be stored: it never will.
    Poison,
    /// We are wrong (or the schema is): alarm, and try again after the next deploy.
    Bug,
}

impl StoreError {
    /// What to do, by SQLSTATE (PostgreSQL documentation, appendix A).
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Moved => Verdict::Again,
            Self::Tls(_) | Self::Schema { .. } | Self::Changed { .. } => Verdict::Bug,
            Self::Statement { source, .. } => match source.code() {
                // No SQLSTATE: the connection broke, or a value did not fit its parameter.
                None if source.is_closed() || is_io(source) => Verdict::Again,
                None => Verdict::Bug,
                Some(code) => by_sqlstate(code),
            },
        }
    }

    /// One word for errors that call for the same.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "DatabaseUnreachable",
            Self::Timeout { .. } => "DatabaseTimeout",
            Self::Moved => "DatabaseBusy",
            Self::Tls(_) => "DatabaseTls",
            Self::Schema { .. } => "SchemaTooOld",
            Self::Changed { .. } => "MigrationChanged",
            Self::Statement { .. } => match self.verdict() {
                Verdict::Again => "DatabaseBusy",
                Verdict::Poison => "DatabaseValue",
                Verdict::Bug => "DatabaseStatement",
            },
        }
    }

    /// Whether two transactions got into each other's way, so that trying again at once is right.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Moved)
            || matches!(self, Self::Statement { source, .. } if matches!(
                source.code(),
                Some(
                    &SqlState::T_R_SERIALIZATION_FAILURE
                        | &SqlState::T_R_DEADLOCK_DETECTED
                        // A row that was not there when we looked. Whatever else may be there is a matter of ON CONFLICT.
                        | &SqlState::UNIQUE_VIOLATION
                )
            ))
    }

    /// Whether the server only reads, so that the connection is of no use to whoever writes.
    #[must_use]
    pub(super) fn is_of_a_reader(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if source.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))
    }

    /// Whether two rows have the same key.
    #[must_use]
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }

    /// Whether the server does not know the user, the password or the database: as a rule that stays so.
    #[must_use]
    pub(super) fn is_stranger(&self) -> bool {
        let Self::Connect { source, .. } = self else { return false };
        let code = source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
        code.is_some_and(|code| matches!(&code.code()[..2], "28" | "3D"))
    }

    /// What PostgreSQL says about data that it does not take, without the data itself.
    #[must_use]
    pub fn complaint(&self) -> String {
        match self {
            Self::Statement { name, source } => match source.as_db_error() {
                Some(error) => {
                    let place = [error.constraint(), error.column()].into_iter().flatten().next();
                    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
                    format!("{name}: {} {}{place}", error.code().code(), error.message())
                }
                None => format!("{name}: no message"),
            },
            other => other.to_string(),
        }
    }
}

fn by_sqlstate(code: &SqlState) -> Verdict {
    match code.code() {
        // Failover: the connection goes to what has become a replica.
        "25006" | "55P03" => Verdict::Again,
        // Somebody else was quicker, see `is_conflict`.
        "23505" => Verdict::Again,
        code => match &code[..2] {
            // Connection, rollback of the transaction, resources, operator intervention, system.
            "08" | "40" | "53" | "57" | "58" => Verdict::Again,
            // Data, constraints, limits (a key too long for an index).
            "22" | "23" | "54" => Verdict::Poison,
            _ => Verdict::Bug,
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
    fn verdicts_follow_the_class() {
        for (code, verdict) in [
            ("08006", Verdict::Again),
            ("40P01", Verdict::Again),
            ("53300", Verdict::Again),
            ("57014", Verdict::Again),
            ("57P01", Verdict::Again),
            ("25006", Verdict::Again),
            ("55P03", Verdict::Again),
            ("23505", Verdict::Again),
            ("22021", Verdict::Poison),
            ("22P05", Verdict::Poison),
            ("23514", Verdict::Poison),
            ("54000", Verdict::Poison),
            ("42P01", Verdict::Bug),
            ("25P02", Verdict::Bug),
            ("XX000", Verdict::Bug),
        ] {
            assert_eq!(by_sqlstate(&SqlState::from_code(code)), verdict, "{code}");
        }
    }
}
