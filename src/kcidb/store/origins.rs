//! Whose objects are there already.

use crate::store::{Reader, StoreError};

crate::store::rows! {
    /// An object that is there.
    pub struct Owned {
        /// The list that it is in, in a document.
        pub list: String,
        /// Its id.
        pub id: String,
        /// Whose it is.
        pub origin: String,
    }
}

/// Of the ids of each kind, as in [`Kind::ALL`](crate::kcidb::Kind::ALL), those that are there with an origin other than these.
///
/// # Errors
/// When the statement fails.
pub async fn foreign(
    reader: &mut Reader,
    ids: &[Vec<String>; 5],
    origins: &[String],
) -> Result<Vec<Owned>, StoreError> {
    let [checkouts, builds, tests, issues, incidents] = ids;
    let params: [crate::store::Param<'_>; 5] = [checkouts, builds, tests, issues, incidents];
    let mut owned: Vec<Owned> = reader.read(include_str!("sql/kcidb_origins.sql"), &params).await?;
    owned.retain(|owned| !origins.contains(&owned.origin));
    owned.sort_by(|a, b| (&a.list, &a.id).cmp(&(&b.list, &b.id)));
    owned.dedup_by(|a, b| (&a.list, &a.id) == (&b.list, &b.id));
    Ok(owned)
}
