//! The environment of every program: variables, clock, secrets, HTTP, AWS, logs and metrics, shutdown.
//!
//! Modules of `platform` know nothing about sources, tables or messages.

pub mod aws;
pub mod clock;
pub mod custom_resource;
pub mod environment;
pub mod escape;
pub mod extension;
pub mod failure;
pub mod hex;
pub mod https;
pub mod routing;
pub mod secret;
pub mod serving;
pub mod shutdown;
pub mod telemetry;
