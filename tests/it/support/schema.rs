//! The tables of a database, from its catalog.

use hummingbird_status::db::Store;
use tokio::sync::OnceCell;

use super::{deadline, render};

/// All tables that hold data, sorted; without partitions, and without the list of migrations.
pub async fn tables(store: &Store) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', \
        'p') \
               AND NOT relispartition AND relname <> 'schema_migrations' ORDER BY relname COLLATE \"C\"";
    render::rows(store, sql).await
}

/// Empties all tables: equivalent to a fresh database, and faster. For few rows, DELETE is much faster than TRUNCATE.
pub async fn clear(store: &Store) {
    static SQL: OnceCell<String> = OnceCell::const_new();
    let delete = |table: &String| format!("DELETE FROM {table};");
    let sql = SQL.get_or_init(|| async { tables(store).await.iter().map(delete).collect() }).await;
    store.script(sql, deadline()).await.unwrap();
}

/// Tables without a primary key, partitions included.
pub async fn without_key(store: &Store) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace \
               AND relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)";
    render::rows(store, sql).await
}
