//! Finds stored objects of other origins, which a submitter may not overwrite.

use crate::db::{Reader, StoreError};

crate::db::rows! {
    /// A stored object.
    pub struct StoredObject {
        /// Name of its list in a document.
        pub list: String,
        /// Its id.
        pub id: String,
        /// Its origin.
        pub origin: String,
    }
}

/// Of the ids of each kind, in the order of [`Kind::ALL`](crate::sources::kcidb::Kind::ALL), those that are stored with
/// an origin other than `origins`.
///
/// # Errors
/// When the statement fails.
pub async fn objects_of_other_origins(
    reader: &mut Reader,
    ids: &[Vec<String>; 5],
    origins: &[String],
) -> Result<Vec<StoredObject>, StoreError> {
    let [checkouts, builds, tests, issues, incidents] = ids;
    let params: [crate::db::Param<'_>; 5] = [checkouts, builds, tests, issues, incidents];
    let mut owned: Vec<StoredObject> = reader.read(include_str!("sql/kcidb_origins.sql"), &params).await?;
    owned.retain(|owned| !origins.contains(&owned.origin));
    owned.sort_by(|a, b| (&a.list, &a.id).cmp(&(&b.list, &b.id)));
    owned.dedup_by(|a, b| (&a.list, &a.id) == (&b.list, &b.id));
    Ok(owned)
}
