//! Fills the database from archived data: the message archive in S3, a mirror of it on disk, or a dump of the database.
//!
//! ```text
//! backfill   list keys in order ─► N reads at a time ─► batches ─► ingest, W at a time ─► cursor and counts
//!            (S3, or folder)       in order of keys     (large objects are split)         in backfill_runs
//! init       dump, else mirror, else S3: the first that exists
//! ```
//!
//! Archived messages pass through the same code and the same SQL statements as live messages. The version guard in each
//! statement makes this idempotent: a message may be older than the stored row, may be ingested twice, and may be
//! ingested while live messages arrive.

pub mod backfill;
pub mod dump;
pub mod init;
pub mod mirror;
pub mod range;
pub mod s3;
mod source;
mod split;

pub use self::source::Archive;
