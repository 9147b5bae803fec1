//! Converts columns of a batch to parameters of a statement, and values of a result to cells.

use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::db::Param;
use crate::sources::kcidb::record::{Cell, CellType, Column};
use crate::transport::time::bounded_micros;

/// A column of a batch as an array parameter.
pub(super) enum Values<'v> {
    Text(Vec<Option<&'v str>>),
    Time(Vec<Option<SystemTime>>),
    Flag(Vec<Option<bool>>),
    Number(Vec<Option<f64>>),
    Integer(Vec<Option<i64>>),
    Hash(Vec<Option<&'v [u8]>>),
}

impl<'v> Values<'v> {
    /// The cells of a column, in order of the rows.
    pub(super) fn of(cell_type: CellType, cells: impl Iterator<Item = Option<&'v Cell>>) -> Self {
        match cell_type {
            CellType::Text | CellType::Json => Self::Text(pick(cells, |cell| match cell {
                Cell::Text(text) | Cell::Json(text) => Some(&**text),
                _ => None,
            })),
            CellType::Time => Self::Time(pick(cells, |cell| match cell {
                Cell::Time(micros) => Some(system_time(*micros)),
                _ => None,
            })),
            CellType::Flag => Self::Flag(pick(cells, |cell| match cell {
                Cell::Flag(flag) => Some(*flag),
                _ => None,
            })),
            CellType::Number => Self::Number(pick(cells, |cell| match cell {
                Cell::Number(number) => Some(*number),
                _ => None,
            })),
            CellType::Integer => Self::Integer(pick(cells, |cell| match cell {
                Cell::Integer(number) => Some(*number),
                _ => None,
            })),
            CellType::Excerpt => Self::Hash(pick(cells, |cell| match cell {
                Cell::Excerpt(hash) => Some(&hash[..]),
                _ => None,
            })),
        }
    }

    pub(super) fn param(&self) -> Param<'_> {
        match self {
            Self::Text(values) => values,
            Self::Time(values) => values,
            Self::Flag(values) => values,
            Self::Number(values) => values,
            Self::Integer(values) => values,
            Self::Hash(values) => values,
        }
    }
}

fn pick<'v, T>(cells: impl Iterator<Item = Option<&'v Cell>>, get: impl Fn(&'v Cell) -> Option<T>) -> Vec<Option<T>> {
    cells.map(|cell| cell.and_then(&get)).collect()
}

/// The PostgreSQL type of a column.
pub(super) fn type_of(cell_type: CellType) -> Type {
    match cell_type {
        CellType::Text => Type::TEXT,
        CellType::Json => Type::JSONB,
        CellType::Time => Type::TIMESTAMPTZ,
        CellType::Flag => Type::BOOL,
        CellType::Number => Type::FLOAT8,
        CellType::Integer => Type::INT8,
        CellType::Excerpt => Type::BYTEA,
    }
}

/// A cell as a parameter of the type of its column.
#[derive(Debug)]
pub(super) struct CellParam<'c>(pub(super) Option<&'c Cell>);

impl ToSql for CellParam<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            None => Ok(IsNull::Yes),
            Some(Cell::Text(text)) => text.to_sql(kind, out),
            Some(Cell::Json(json)) => {
                // The binary format of jsonb: a version number, then the text.
                out.extend_from_slice(&[1]);
                out.extend_from_slice(json.as_bytes());
                Ok(IsNull::No)
            }
            Some(Cell::Time(micros)) => system_time(*micros).to_sql(kind, out),
            Some(Cell::Flag(flag)) => flag.to_sql(kind, out),
            Some(Cell::Number(number)) => number.to_sql(kind, out),
            Some(Cell::Integer(number)) => number.to_sql(kind, out),
            Some(Cell::Excerpt(hash)) => hash.as_slice().to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// `SystemTime` has a wider range than `Timestamp`: rows of earlier releases have times of the last day of the year
/// 9999, and of the first day of the next year.
fn system_time(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}

fn micros(time: SystemTime) -> i64 {
    let micros = |distance: Duration| i64::try_from(distance.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => micros(after),
        Err(before) => -micros(before.duration()),
    }
}

/// The cell of a column at an index of a row.
pub(super) fn cell(row: &Row, index: usize, column: &Column) -> Option<Cell> {
    let text = || row.get::<_, Option<&str>>(index).map(Into::into);
    match column.cell_type {
        CellType::Text => text().map(Cell::Text),
        CellType::Json => text().map(Cell::Json),
        CellType::Time => row.get::<_, Option<SystemTime>>(index).map(|time| Cell::Time(bounded_micros(micros(time)))),
        CellType::Flag => row.get::<_, Option<bool>>(index).map(Cell::Flag),
        CellType::Number => row.get::<_, Option<f64>>(index).map(Cell::Number),
        CellType::Integer => row.get::<_, Option<i64>>(index).map(Cell::Integer),
        CellType::Excerpt => {
            let hash = row.get::<_, Option<&[u8]>>(index)?.try_into().ok()?;
            Some(Cell::Excerpt(Box::new(hash)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_converted_without_loss() {
        for time in [0, 1, -1, -62_135_596_800_000_000, 253_402_300_799_999_999] {
            assert_eq!(micros(system_time(time)), time);
        }
    }
}
