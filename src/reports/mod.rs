//! Queries over several sources: explanations of objects, DORA metrics, lead times, summaries, commits by their first
//! digits, what is broken now, and the repair of times in the future.

mod asked;
mod commits;
mod dora;
mod explain;
mod failures;
mod lead;
mod repair;
mod series;
mod summary;
mod verdict;

pub use self::asked::{Asked, VerdictOfCommit, joint, verdict_of};
pub use self::commits::{Commit, NamedCommit, commit, commit_in};
pub use self::dora::{Delivered, dora};
pub use self::explain::{EXPLAINED, Explained, Part, explain};
pub use self::failures::{SameFailure, TargetRow};
pub use self::lead::{LeadStage, STAGES, lead_stages};
pub use self::repair::{frozen_until, repair, repairable};
pub use self::series::{
    BrokenCount, ResultRow, SeriesFilter, SeriesHistory, SeriesItem, SeriesRow, SuspectRow, TransitionRow, broken,
    broken_counts, series, series_history, transitions,
};
pub use self::summary::{TableSummary, filled_tables, summary};
pub use self::verdict::{
    BranchName, CheckItem, CommitHead, CommitVerdict, NewestCommit, default_branch, head_of_branch,
    head_of_merge_request, verdicts,
};
