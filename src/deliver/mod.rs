//! The only room that speaks to the outside: events and commit statuses, from the rows of the [`outbox`](crate::outbox) to
//! whoever is in the document of the [`targets`].
//!
//! ```text
//! targets ─► registered in the database
//!             commit_statuses, deliveries ─► claim ─► commit: GitHub, GitLab ─┐
//!                                                     sns, webhook            ├─► policy (pure) ─► settle
//!                                                     notice: Slack, mail, .. │
//!                                                     pull: a worker inside ──┘
//! ```
//!
//! A drain ([`Deliverer::run`]) is one loop that writes and reads rows, and a task for each delivery under way, so many at a
//! time for each target: a slow target fills its own places only. No task sleeps because a target asked to wait: the row says
//! when it is due. A process that dies leaves leases behind, which run out.

mod app;
mod authorization;
mod commit;
mod deliverer;
mod drain;
mod http;
pub mod notice;
pub mod overflow;
pub mod policy;
pub mod pull;
mod sender;
mod signature;
mod sns;
mod step;
pub mod targets;
mod wake;
mod webhook;

pub use self::commit::CommitPoster;
pub use self::deliverer::{Deliverer, SetUpError, mail_credentials};
pub use self::drain::{LINGER, Totals, Until};
pub use self::http::is_public;
pub use self::sns::{SnsPublisher, Topics, sns_client};
pub use self::webhook::WebhookPoster;
pub use crate::outbox::{plan as route, states};
