//! What hostile senders, servers and readers try. Each module is a kind of attack.

pub mod expressions;
mod resources;
mod secrets;
mod solid;
mod terminal;
mod times;
