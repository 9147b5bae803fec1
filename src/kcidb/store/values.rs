//! Columns of a batch as parameters of a statement, and columns of a result as cells.

use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::envelope::time::bounded_micros;
use crate::kcidb::record::{Cell, Column, Holds};
use crate::store::Param;

/// A column of a batch.
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
    pub(super) fn of(holds: Holds, cells: impl Iterator<Item = Option<&'v Cell>>) -> Self {
        match holds {
            Holds::Text | Holds::Json => Self::Text(pick(cells, |cell| match cell {
                Cell::Text(text) | Cell::Json(text) => Some(&**text),
                _ => None,
            })),
            Holds::Time => Self::Time(pick(cells, |cell| match cell {
                Cell::Time(micros) => Some(system_time(*micros)),
                _ => None,
            })),
            Holds::Flag => Self::Flag(pick(cells, |cell| match cell {
                Cell::Flag(flag) => Some(*flag),
                _ => None,
            })),
            Holds::Number => Self::Number(pick(cells, |cell| match cell {
                Cell::Number(number) => Some(*number),
                _ => None,
            })),
            Holds::Integer => Self::Integer(pick(cells, |cell| match cell {
                Cell::Integer(number) => Some(*number),
                _ => None,
            })),
            Holds::Excerpt => Self::Hash(pick(cells, |cell| match cell {
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

/// The type of a column.
pub(super) fn type_of(holds: Holds) -> Type {
    match holds {
        Holds::Text => Type::TEXT,
        Holds::Json => Type::JSONB,
        Holds::Time => Type::TIMESTAMPTZ,
        Holds::Flag => Type::BOOL,
        Holds::Number => Type::FLOAT8,
        Holds::Integer => Type::INT8,
        Holds::Excerpt => Type::BYTEA,
    }
}

/// A cell in a column of its type.
#[derive(Debug)]
pub(super) struct OfCell<'c>(pub(super) Option<&'c Cell>);

impl ToSql for OfCell<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            None => Ok(IsNull::Yes),
            Some(Cell::Text(text)) => text.to_sql(kind, out),
            Some(Cell::Json(json)) => {
                // The version of the format, and the text.
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

/// Wider than a `Timestamp`: rows of earlier releases hold times of the last day of the year 9999, and of the first of the next.
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

/// The cell of a row that holds a column.
pub(super) fn cell(row: &Row, place: usize, column: &Column) -> Option<Cell> {
    let text = || row.get::<_, Option<&str>>(place).map(Into::into);
    match column.holds {
        Holds::Text => text().map(Cell::Text),
        Holds::Json => text().map(Cell::Json),
        Holds::Time => row.get::<_, Option<SystemTime>>(place).map(|time| Cell::Time(bounded_micros(micros(time)))),
        Holds::Flag => row.get::<_, Option<bool>>(place).map(Cell::Flag),
        Holds::Number => row.get::<_, Option<f64>>(place).map(Cell::Number),
        Holds::Integer => row.get::<_, Option<i64>>(place).map(Cell::Integer),
        Holds::Excerpt => {
            let hash = row.get::<_, Option<&[u8]>>(place)?.try_into().ok()?;
            Some(Cell::Excerpt(Box::new(hash)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive() {
        for time in [0, 1, -1, -62_135_596_800_000_000, 253_402_300_799_999_999] {
            assert_eq!(micros(system_time(time)), time);
        }
    }
}
