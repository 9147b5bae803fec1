//! The statements of an address, read from PostgreSQL's log, and their repetition on a bare connection.

use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::join_all;
use hummingbird_status::db::Store;
use serde::Serialize;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use crate::rows::connect;
use crate::support::{deadline, render};

/// The prefix of each log entry while the log is read.
const MARK: &str = "~entry~ ";

/// The statements of an address.
#[derive(Serialize)]
pub struct Asked {
    /// Its name.
    pub name: &'static str,
    /// The address.
    pub path: String,
    /// The statements, in order.
    pub statements: Vec<Query>,
}

/// A statement with the text of its parameters.
#[derive(Serialize)]
pub struct Query {
    /// The SQL, with `$1` and so on.
    pub sql: String,
    /// `None` for NULL.
    pub parameters: Vec<Option<String>>,
}

/// Requests each address, and finds its statements in the log.
pub async fn asked(store: &Store, get: impl AsyncFn(&str), addresses: &[(&'static str, String)]) -> Vec<Asked> {
    let folder = render::rows(store, "SELECT current_setting('data_directory')").await;
    let log = PathBuf::from(&folder[0]).with_file_name("log").join("postgres.log");
    set(store, &["SET log_line_prefix = '~entry~ '", "SET log_statement = 'all'"]).await;
    let mut all = Vec::new();
    for (name, path) in addresses {
        // A statement is prepared the first time; after that the log has its execution only.
        get(path).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begin = std::fs::read(&log).unwrap().len();
        get(path).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let text = std::fs::read(&log).unwrap().split_off(begin);
        let statements = executed(&String::from_utf8(text).unwrap());
        assert!(!statements.is_empty(), "{path} asks nothing, or {} has another form", log.display());
        all.push(Asked { name, path: path.clone(), statements });
    }
    set(store, &["RESET log_line_prefix", "RESET log_statement"]).await;
    all
}

/// Changes settings of the whole server, and waits until they are in effect.
async fn set(store: &Store, settings: &[&str]) {
    for setting in settings {
        store.script(&format!("ALTER SYSTEM {setting}"), deadline()).await.unwrap();
    }
    store.script("SELECT pg_reload_conf()", deadline()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// The executed statements in the entries of a log: `LOG:  execute NAME: SQL`, and then `DETAIL:  Parameters: $1 =
/// '..', $2 = NULL`.
fn executed(log: &str) -> Vec<Query> {
    let mut found: Vec<Query> = Vec::new();
    for entry in log.split(MARK) {
        // Each further line of an entry begins with a tab.
        let entry = entry.trim_end_matches('\n').replace("\n\t", "\n");
        if let Some(rest) = entry.strip_prefix("LOG:  execute ") {
            let (_, sql) = rest.split_once(": ").unwrap();
            found.push(Query { sql: sql.to_owned(), parameters: Vec::new() });
        } else if let Some(rest) = entry.strip_prefix("DETAIL:  ")
            && let Some((_, list)) = rest.split_once("arameters: ")
            && let Some(query) = found.last_mut()
        {
            query.parameters = parameters(list);
        }
    }
    found
}

/// The texts of `$1 = 'it''s', $2 = NULL`.
fn parameters(list: &str) -> Vec<Option<String>> {
    let mut found = Vec::new();
    let mut rest = list;
    while let Some((_, value)) = rest.split_once(" = ") {
        let Some(mut quoted) = value.strip_prefix('\'') else {
            found.push(None);
            rest = value;
            continue;
        };
        let mut text = String::new();
        loop {
            let (part, after) = quoted.split_once('\'').unwrap();
            text += part;
            rest = after;
            match after.strip_prefix('\'') {
                Some(after) => quoted = after,
                None => break,
            }
            text.push('\'');
        }
        found.push(Some(text));
    }
    found
}

/// A connection on which all statements of the addresses are prepared.
pub struct Session {
    client: Client,
    prepared: Vec<Vec<(Statement, Vec<Text>)>>,
}

impl Session {
    /// Connects and prepares.
    pub async fn new(url: &str, asked: &[Asked]) -> Self {
        let client = connect(url).await;
        let mut prepared = Vec::new();
        for asked in asked {
            prepared.push(join_all(asked.statements.iter().map(async |query| {
                let parameters = query.parameters.iter().cloned().map(Text).collect();
                (client.prepare(&query.sql).await.unwrap(), parameters)
            })));
        }
        let prepared = join_all(prepared).await;
        Self { client, prepared }
    }

    /// Runs all statements of an address, one after the other, and ignores the rows.
    pub async fn ask(&self, number: usize) {
        for (statement, parameters) in &self.prepared[number] {
            let parameters: Vec<_> = parameters.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
            std::hint::black_box(self.client.query(statement, &parameters).await.unwrap());
        }
    }
}

/// A parameter as text, whatever its type.
#[derive(Debug)]
struct Text(Option<String>);

impl ToSql for Text {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
