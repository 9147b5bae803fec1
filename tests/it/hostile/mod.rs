//! What hostile senders, servers and readers try. Each module is a kind of attack.

mod secrets;
mod terminal;
