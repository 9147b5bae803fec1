//! The keeper of CI statuses.
//!
//! (docs to come)
pub mod clock;
pub mod config;
pub mod custom_resource;
pub mod envelope;
pub mod family;
pub mod gitlab;
pub mod konflux;
pub mod local;
pub mod pipeline;
pub mod store;
pub mod telemetry;
