//! Baselines that write the same rows without ingest: one statement for each row, and COPY.

use hummingbird_status::sources::Record;
use hummingbird_status::sources::konflux;
use serde_json::Value;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Statement};

/// The statement that ingest uses.
const UPSERT: &str = include_str!("../../src/sources/konflux/store/sql/upsert_pipelineruns.sql");

type Cell = Box<dyn ToSql + Sync + Send>;

/// A bare connection, without the pool.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET jit = off; SET timezone = 'UTC'").await.unwrap();
    client
}

/// The columns that the statement writes, in its order.
fn columns() -> &'static str {
    let (_, rest) = UPSERT.split_once('(').unwrap();
    rest.split_once(')').unwrap().0
}

/// Rows as values by column: the fields of a record have the names of the columns.
fn values(records: &[(usize, Record)]) -> Vec<Vec<Value>> {
    let columns: Vec<_> = columns().split(',').map(str::trim).collect();
    let row = |(_, record): &(usize, Record)| {
        let Record::Konflux(konflux::Record::PipelineRun(run)) = record else { panic!("not a run: {record:?}") };
        let mut row = serde_json::to_value(run).unwrap();
        columns.iter().map(|column| row[column].take()).collect()
    };
    records.iter().map(row).collect()
}

/// Rows as parameters of the given types; for an array type, an array with one element.
fn cells(records: &[(usize, Record)], types: &[Type]) -> Vec<Vec<Cell>> {
    values(records).into_iter().map(|row| row.into_iter().zip(types).map(|(v, t)| cell(v, t)).collect()).collect()
}

fn cell(value: Value, kind: &Type) -> Cell {
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let time = |value: Value| value.as_str().map(|text| text.parse::<jiff::Timestamp>().unwrap());
    let small = |value: Value| value.as_i64().map(|number| i16::try_from(number).unwrap());
    match *kind {
        Type::TEXT => Box::new(text(value)),
        Type::TEXT_ARRAY => Box::new(vec![text(value)]),
        Type::BOOL => Box::new(value.as_bool()),
        Type::BOOL_ARRAY => Box::new(vec![value.as_bool()]),
        Type::INT8 => Box::new(value.as_i64()),
        Type::INT8_ARRAY => Box::new(vec![value.as_i64()]),
        Type::INT2 => Box::new(small(value)),
        Type::INT2_ARRAY => Box::new(vec![small(value)]),
        Type::TIMESTAMPTZ => Box::new(time(value)),
        Type::TIMESTAMPTZ_ARRAY => Box::new(vec![time(value)]),
        Type::JSONB => Box::new(value),
        Type::JSONB_ARRAY => Box::new(vec![value]),
        ref other => panic!("no values of type {other}"),
    }
}

fn params(row: &[Cell]) -> Vec<&(dyn ToSql + Sync)> {
    row.iter().map(|cell| &**cell as &(dyn ToSql + Sync)).collect()
}

/// One statement for each row, each a transaction of its own.
pub struct OneByOne {
    client: Client,
    statement: Statement,
    rows: Vec<Vec<Cell>>,
}

impl OneByOne {
    /// Prepares the statement and its parameters.
    pub async fn new(url: &str, records: &[(usize, Record)]) -> Self {
        let client = connect(url).await;
        let statement = client.prepare(UPSERT).await.unwrap();
        let rows = cells(records, statement.params());
        Self { client, statement, rows }
    }

    /// Writes the first `count` rows.
    pub async fn run(&self, count: usize) {
        for row in &self.rows[..count] {
            assert_eq!(self.client.query(&self.statement, &params(row)).await.unwrap().len(), 1);
        }
    }

    /// The time of one empty round trip.
    pub async fn ping(&self) {
        self.client.batch_execute("").await.unwrap();
    }
}

/// Binary COPY into a table with the same columns that has no index, no constraint and no WAL.
pub struct Copy {
    client: Client,
    types: Vec<Type>,
    rows: Vec<Vec<Cell>>,
}

impl Copy {
    /// Makes the table and prepares the values.
    pub async fn new(url: &str, records: &[(usize, Record)]) -> Self {
        let client = connect(url).await;
        let table = format!(
            "CREATE UNLOGGED TABLE IF NOT EXISTS bench_copy AS SELECT {} FROM pipelineruns WITH NO DATA",
            columns()
        );
        client.batch_execute(&table).await.unwrap();
        let statement = client.prepare("SELECT * FROM bench_copy").await.unwrap();
        let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        let rows = cells(records, &types);
        Self { client, types, rows }
    }

    /// Writes the first `count` rows, one COPY for each batch.
    pub async fn run(&self, count: usize, batch: usize) {
        for rows in self.rows[..count].chunks(batch) {
            let sink = self.client.copy_in("COPY bench_copy FROM STDIN (FORMAT binary)").await.unwrap();
            let mut writer = std::pin::pin!(BinaryCopyInWriter::new(sink, &self.types));
            for row in rows {
                writer.as_mut().write(&params(row)).await.unwrap();
            }
            assert_eq!(writer.as_mut().finish().await.unwrap(), rows.len() as u64);
        }
    }
}
