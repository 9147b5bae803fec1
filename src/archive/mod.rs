//! Messages that were kept: the archive in S3, a mirror of it on disk, dumps of the database; and the ways back from
//! them to a whole database.
//!
//! ```text
//! backfill   list keys in order ─► N reads at a time ─► batches ─► pipeline::ingest, W at a time ─► cursor, counts
//!            (S3, or folder)       in order of keys     (take apart what was gathered)          in backfill_runs
//! init       dump, else mirror, else S3: the first that exists
//! ```
//!
//! What is archived is read by the same code as what is delivered, and written by the same statements, so that it may
//! be older than what is there, and come twice, and beside live messages.

pub mod backfill;
pub mod dump;
pub mod init;
pub mod mirror;
pub mod range;
pub mod s3;
mod source;
mod split;

pub use self::source::Source;
