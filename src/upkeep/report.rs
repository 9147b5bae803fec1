//! What a run of upkeep did.

use serde::Serialize;

/// What a run did; with `dry_run` what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was written.
    pub dry_run: bool,
    /// Another upkeep is at work: this one left it to that.
    pub busy: bool,
    /// Months of `refused` that got a partition, as `2026-03`.
    pub made: Vec<String>,
    /// Rows that were moved into them.
    pub moved: i64,
    /// Months of `refused` that were dropped.
    pub dropped: Vec<String>,
    /// Rows that were thrown away, by table; those of dropped months as well.
    pub gone: Vec<Gone>,
    /// Deliveries and statuses that were given up, because their targets are disabled.
    pub ended: i64,
    /// What was not done: the time was over, a table was in use, or there was a fault. The next run goes on there.
    pub left: Vec<Left>,
}

/// Rows that were thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Of this table.
    pub table: &'static str,
    /// How many.
    pub rows: i64,
}

/// Something that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The part of the work.
    pub task: &'static str,
    /// Why.
    pub why: String,
}

impl Report {
    /// Whether all was done that there was to do.
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

    /// Says what was done, if anything was.
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
            tracing::warn!(task, why, "upkeep left something to the next run");
        }
    }
}
