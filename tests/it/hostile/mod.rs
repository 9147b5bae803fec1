//! What hostile senders, servers and readers try. Each module is a kind of attack.

mod resources;
mod secrets;
mod terminal;
mod times;
