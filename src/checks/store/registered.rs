//! The rules of verdicts that a process registered: `migrate`, and each process that has the variable `VERDICTS`.

use crate::checks::rules::Verdicts;
use crate::db::{Reader, StoreError, Tx, rows};

rows! {
    /// The registered document.
    pub struct RegisteredRules {
        /// TOML.
        pub document: String,
        /// How often another document was registered.
        pub revision: i64,
    }
}

/// Registers a document, which [`Verdicts::parse`] has read. Idempotent.
///
/// # Errors
/// When the statement fails.
pub async fn register_rules(tx: &Tx<'_>, document: &str) -> Result<(), StoreError> {
    tx.query(include_str!("sql/register_rules.sql"), &[&document]).await.map(drop)
}

/// The registered rules; the defaults if there are none. Rules that another release registered and that this one cannot
/// read count as none.
///
/// # Errors
/// As [`Reader::read`].
pub async fn registered_rules(reader: &mut Reader) -> Result<Verdicts, StoreError> {
    let found: Option<RegisteredRules> = reader.first(include_str!("sql/verdict_rules.sql"), &[]).await?;
    let read = |found: RegisteredRules| match Verdicts::parse(&found.document) {
        Ok(verdicts) => verdicts,
        Err(error) => {
            tracing::error!(revision = found.revision, error = %error, "cannot read the registered rules");
            Verdicts::default()
        }
    };
    Ok(found.map(read).unwrap_or_default())
}
