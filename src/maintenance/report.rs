//! The report of a run of maintenance.

use serde::Serialize;

/// The work of a run; with `dry_run` the work that it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether another run holds the lock, so that this one did nothing more.
    pub busy: bool,
    /// Months of `refused` that got a partition, as `2026-03`.
    pub made: Vec<String>,
    /// Rows that were moved into them.
    pub moved: i64,
    /// Months of `refused` that were dropped.
    pub dropped: Vec<String>,
    /// Deleted rows by table, those of dropped months included.
    pub gone: Vec<Gone>,
    /// Deliveries and statuses that were ended, because their targets are disabled.
    pub ended: i64,
    /// Tasks that are not done: the time was over, a table was in use, or a statement failed. The next run continues
    /// them.
    pub left: Vec<Left>,
}

/// The deleted rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// The table.
    pub table: &'static str,
    /// The number of rows.
    pub rows: i64,
}

/// A task that is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The task.
    pub task: &'static str,
    /// The reason.
    pub why: String,
}

impl Report {
    /// Whether all tasks are done.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn count(&mut self, table: &'static str, rows: i64) {
        match self.gone.iter_mut().find(|gone| gone.table == table) {
            Some(gone) => gone.rows += rows,
            None if rows == 0 => {}
            None => self.gone.push(Gone { table, rows }),
        }
    }

    /// Writes metrics and log lines for the work that was done.
    pub fn record(&self) {
        for Gone { table, rows } in &self.gone {
            metrics::counter!("pruned").increment(u64::try_from(*rows).unwrap_or_default());
            tracing::info!(table, rows, "pruned");
        }
        if self.ended > 0 {
            tracing::warn!(
                deliveries = self.ended,
                "given up, because their targets are disabled; see `deliveries list`"
            );
        }
        if !self.made.is_empty() || !self.dropped.is_empty() {
            tracing::info!(made = ?self.made, moved = self.moved, dropped = ?self.dropped, "months of refused");
        }
        for Left { task, why } in &self.left {
            tracing::warn!(task, why, "maintenance left a task to the next run");
        }
    }
}
