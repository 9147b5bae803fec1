//! The family `bots`: heartbeats of programs, `{"name", "status", "comment"?, "meta"?}`, after openSUSE's bot-status.
//!
//! The newest heartbeat of a bot by the time at which it was sent is its state, whole. `gone` takes a bot off the board
//! and stays in the table, so that an older heartbeat that comes later does not bring the bot back. Every heartbeat is
//! kept in `bot_beats` for 90 days; those that changed the status, which are the view `bot_transitions`, for two years (see
//! [`upkeep`](crate::upkeep)).

mod message;
mod record;
mod rules;
mod store;
mod update;

pub use self::message::decode;
pub use self::record::{Beat, Record, Status};
pub use self::rules::{DEFAULT_FLOOR, Effective, Pulse, effective, grace};
pub use self::store::{prune_transitions, reads, sweep, write};
pub use self::update::{Update, meta_pair};

use crate::envelope::Message;

/// Whether the message is a heartbeat, or was meant to be one: what its sender or carrier calls so is refused where it
/// is wrong, and seen by whoever looks for it.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    let attribute = |name| message.attributes.get(name).map(String::as_str);
    let said = attribute("source") == Some("bot") || attribute("routing_key") == Some("suse.bot.status");
    said || (message.head.get("name").is_some() && message.head.get("status").is_some())
}
