//! Delivery: sends events and commit statuses from the rows of the [`outbox`](crate::outbox) to the [`targets`], which
//! the configuration names. No other module calls targets.
//!
//! ```text
//! targets ─► registered in the database
//!             commit_statuses, deliveries ─► claim ─► commit: GitHub, GitLab ─┐
//!                                                     sns, webhook            ├─► policy (pure) ─► settle
//!                                                     notice: Slack, mail, .. │
//!                                                     pull: a worker inside ──┘
//! ```
//!
//! Where a target asks for verdicts of commits, the same processes announce their changes.
//!
//! A drain ([`Deliverer::run`]) is one loop that writes and reads rows, and one task for each delivery in progress. The
//! number of tasks is limited for each target, so that a slow target delays only its own deliveries. No task sleeps
//! because of a backoff or a rate limit: the row holds the time of the next attempt. A target with several faults in a
//! row is closed for a while (circuit breaker); a delivery that cannot succeed is kept as dead (dead letter). The
//! leases of a process that dies expire, and another process retries their deliveries: each delivery is made at least
//! once.

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
mod verdicts;
mod wake;
mod webhook;

pub use self::commit::CommitPoster;
pub use self::deliverer::{Deliverer, SetUpError, mail_credentials};
pub use self::drain::{LINGER, Totals, Until};
pub use self::http::is_public;
pub use self::sns::{SnsPublisher, Topics, sns_client};
pub use self::webhook::WebhookPoster;
pub use crate::outbox::{plan as route, states};
