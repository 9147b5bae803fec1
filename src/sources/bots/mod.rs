//! The source `bots`: heartbeats of programs, `{"name", "status", "comment"?, "meta"?}`, after openSUSE's bot-status.
//!
//! The heartbeat with the latest send time is the state of its bot, as a whole. The status `gone` hides a bot; its row
//! stays in the table, so that an older heartbeat that arrives later does not show the bot again. Every heartbeat is
//! kept in `bot_beats` for 90 days. Heartbeats that changed the status (the view `bot_transitions`) are kept for two
//! years, see [`maintenance`](crate::maintenance).

mod message;
mod record;
mod rules;
mod store;
mod update;

pub use self::message::decode;
pub use self::record::{Beat, Record, Status};
pub use self::rules::{DEFAULT_FLOOR, Effective, Pulse, effective, grace};
pub use self::store::{TABLE, checks, lock_rows, prune_transitions, reads, sweep, write};
pub use self::update::{Update, meta_pair};

use crate::transport::Message;

/// Whether the message is a heartbeat: by its content, or by an attribute of its sender or transport. A message with
/// such an attribute and wrong content is then rejected and stored with the reason, instead of ignored.
#[must_use]
pub fn recognise(message: &Message<'_>) -> bool {
    let attribute = |name| message.attributes.get(name).map(String::as_str);
    let labelled = attribute("source") == Some("bot") || attribute("routing_key") == Some("suse.bot.status");
    labelled || (message.head.get("name").is_some() && message.head.get("status").is_some())
}
