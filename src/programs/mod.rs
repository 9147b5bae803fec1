//! Wiring that several entry points share: what a deployment checks and migrates, and the router of the web function.

pub mod deploy;
pub mod web;
