//! Columns of a batch as parameters of a statement, and columns of a result as cells.

use std::time::{Duration, SystemTime};

use tokio_postgres::Row;

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

/// Wider than a `Timestamp`, which ends a day before the year 9999 does.
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
        Holds::Time => row.get::<_, Option<SystemTime>>(place).map(|time| Cell::Time(micros(time))),
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
