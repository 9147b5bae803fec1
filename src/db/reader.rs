//! Queries without a transaction, for the web UI and other read-only callers.

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::{Param, Store, StoreError, name_of};
use crate::platform::clock::Deadline;

/// A connection for queries. Its futures are `Send`, as servers need them; each statement sees the data committed when
/// it begins.
pub struct Reader {
    /// `None` after a statement that exceeded the deadline.
    object: Option<Object>,
    deadline: Deadline,
}

/// A type that a row is read into; implemented by the macro `rows`.
pub trait FromRow: Sized {
    /// Reads the columns by their names.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error>;
}

/// Declares a type whose fields are the columns of a query, by name.
macro_rules! rows {
    ($($(#[$meta:meta])* pub struct $Name:ident { $($(#[$of_field:meta])* pub $field:ident: $Type:ty,)* })*) => {
        $($(#[$meta])*
        #[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
        pub struct $Name { $($(#[$of_field])* pub $field: $Type,)* }

        impl $crate::db::FromRow for $Name {
            fn from_row(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
                Ok(Self { $($field: $crate::db::shown(row, stringify!($field))?,)* })
            }
        })*
    };
}
pub(crate) use rows;

impl Store {
    /// A connection to read with until the deadline.
    ///
    /// # Errors
    /// When there is none.
    pub async fn reader(&self, deadline: Deadline) -> Result<Reader, StoreError> {
        Ok(Reader { object: Some(self.connection("reader", deadline).await?), deadline })
    }
}

impl Reader {
    /// The rows of a query. `sql` is the text of a file that begins with `-- name`.
    ///
    /// # Errors
    /// When the statement fails, or does not answer in time.
    pub async fn read<T: FromRow>(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<T>, StoreError> {
        let name = name_of(sql);
        let failed = |source| StoreError::Statement { name, source };
        let Some(object) = &self.object else { return Err(StoreError::Timeout { name }) };
        let run = async {
            let statement = object.prepare_cached(sql).await?;
            object.query(&statement, params).await
        };
        match tokio::time::timeout(self.deadline.remaining(), run).await {
            Ok(rows) => {
                let rows = rows.map_err(failed)?;
                rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(failed)
            }
            Err(_) => {
                // The statement is still running on this connection: it must not be used again.
                drop(self.object.take().map(Object::take));
                Err(StoreError::Timeout { name })
            }
        }
    }

    /// The first row of a query, if any.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub async fn first<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<T>, StoreError> {
        Ok(self.read(sql, params).await?.into_iter().next())
    }
}
