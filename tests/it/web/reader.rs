//! The role of `sam/reader.sql`: it can read all that the web UI shows, and change nothing, whatever a session sets.

use hummingbird_status::db::Store;

use super::{NOW, Site, crawl, filled, problems};
use crate::support::{self, Db, deadline, project, render};

/// The address of a database for the role, which is made for it.
async fn reader_of(db: &Db) -> String {
    let script = std::fs::read_to_string(project("sam/reader.sql")).unwrap();
    // Roles are of the whole server, which may outlive this run.
    let role = format!("page_reader_{}", std::process::id());
    let script = script.replace(":\"reader\"", &role).replace(":'password'", "'secret'");
    assert!(!script.contains(":\"") && !script.contains(":'"), "an unknown variable");
    db.store.script(&script, deadline()).await.unwrap();
    let (_, rest) = db.url.split_once("://").unwrap();
    format!("postgres://{role}:secret@{}", rest.split_once('@').unwrap().1)
}

async fn rejection(store: &Store, sql: &str) -> String {
    let error = store.script(sql, deadline()).await.expect_err(sql);
    hummingbird_status::platform::failure::chain(&error)
}

#[tokio::test]
async fn the_role_of_pages_reads_all_and_writes_nothing() {
    let db = filled().await;
    let url = reader_of(&db).await;
    // A table of a later migration is seen, too.
    db.store.script("CREATE TABLE later (x text)", deadline()).await.unwrap();
    let store = support::store_of(&url, 2);
    let tables = "SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v') ORDER BY 1";
    let tables = render::rows(&store, tables).await;
    assert!(tables.len() > 30 && tables.contains(&"later".to_owned()), "{tables:?}");
    for table in &tables {
        store.script(&format!("SELECT FROM {table} LIMIT 1"), deadline()).await.unwrap();
    }
    // A session may change its own settings, but it still has no right to write.
    assert!(rejection(&store, "DELETE FROM bots").await.contains("read-only transaction"));
    for table in &tables {
        for sql in [format!("DELETE FROM {table}"), format!("TRUNCATE {table}"), format!("DROP TABLE {table}")] {
            let said = rejection(&store, &format!("SET transaction_read_only = off; {sql}")).await;
            // Some views accept no changes from any role; none grants the right to change.
            let whys = ["permission denied", "must be owner", "is not a table", "cannot delete from view"];
            let rejected = whys.iter().any(|why| said.contains(why));
            assert!(rejected, "{sql}: {said}");
        }
    }
    for sql in
        ["CREATE TABLE x ()", "UPDATE bots SET status = 'ok'", "SELECT nextval('outbox_id_seq')", "CREATE ROLE x"]
    {
        let said = rejection(&store, &format!("SET transaction_read_only = off; {sql}")).await;
        assert!(said.contains("permission denied"), "{sql}: {said}");
    }

    let mut database = hummingbird_status::db::from_url(&url).unwrap();
    database.read_only = true;
    let site = Site::of(&Store::open(&database).unwrap(), NOW).await;
    let pages = crawl(&site).await;
    let found: Vec<String> = pages.iter().flat_map(|(path, answer)| problems(path, answer)).collect();
    assert!(found.is_empty() && pages.len() > 40, "of {}:\n{}", pages.len(), found.join("\n"));
}

/// Also with a login that may write, the web UI only reads, with a statement time limit.
#[tokio::test]
async fn pages_write_with_no_login() {
    let db = support::database().await;
    let mut database = hummingbird_status::db::from_url(&db.url).unwrap();
    database.read_only = true;
    database.statement_timeout = std::time::Duration::from_secs(1);
    let store = Store::open(&database).unwrap();
    let insert = "INSERT INTO delivery_targets (name) VALUES ('x')";
    assert!(rejection(&store, insert).await.contains("read-only transaction"));
    assert!(rejection(&store, "SELECT pg_sleep(60)").await.contains("statement timeout"));
    db.store.script(insert, deadline()).await.unwrap();
}
