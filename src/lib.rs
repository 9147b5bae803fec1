//! The keeper of CI statuses: takes what build and release systems announce, keeps one true state of each thing in
//! PostgreSQL, whatever the order in which announcements come and however often.
//!
//! ```text
//!            bytes            messages            records             rows
//! transport ───────► envelope ────────► family ─────────► store ─────────► PostgreSQL
//!                                       │ konflux          each family's store.rs,
//!                                       │ gitlab           one transaction a batch
//!                                       │ travis
//!                                       └ ..
//!            └──────────────────── pipeline ────────────────────┘   the only one that knows the order
//! ```
//!
//! # Rooms
//!
//! | room | what happens there | may name |
//! |---|---|---|
//! | [`envelope`] | bytes of a transport to messages: gzip, base64, SNS, SQS, EventBridge, lists, .. Knows no family | `shown` |
//! | [`family`] | which family a message is of; one line a family | `envelope`, `outbox`, `store`, the families |
//! | [`konflux`], [`gitlab`], [`kcidb`], [`buildkite`], [`travis`], [`bots`] | a family each: `message` (foreign JSON to records), `record`, `rules` (pure), `store` + `sql/` | `envelope`, `store`, `outbox` |
//! | [`store`] | connections, TLS, transactions, verdicts on errors, migrations, the table `refused` | `clock`, `config`, `envelope` |
//! | [`outbox`] | events for the outside, written by the transaction that caused them; leases, attempts, breakers | `store` |
//! | [`deliver`] | the only room that speaks to the outside: commit statuses, SNS, webhooks | `aws`, `clock`, `https`, `outbox`, `routing`, `secret`, `store`, `tasks` |
//! | [`pipeline`] | decode, write in one transaction, outcome for each delivery | `envelope`, `family`, `outbox`, `store`, `clock` |
//! | [`reconcile`] | asks GitLab what lost messages left wrong, corrects it; lets families look for what got stuck, and do what messages left to be done | `clock`, `config`, `envelope`, `family`, `gitlab`, `https`, `outbox`, `store`, `upkeep` |
//! | [`upkeep`] | partitions made and dropped, old rows thrown away | `bots`, `clock`, `config`, `kcidb`, `outbox`, `store` |
//! | [`replay`] | what was refused, once more through the pipeline | `pipeline` and what it takes, `tasks` |
//! | [`archive`] | what was kept: S3, mirrors, dumps; backfill and init | `pipeline` and what it takes, `aws`, `https`, `tasks` |
//! | [`worker`] | SQS or a folder instead of Lambda | `pipeline` and what it takes, `archive`, `aws`, `routing`, `serving`, `tasks` |
//! | [`intake`] | HTTP as a transport: submissions, states of jobs and heartbeats that are posted, by token | `pipeline` and what it takes, `aws`, `config`, `kcidb`, `routing`, `secret`, `serving`, `tasks`, `telemetry`, `travis` |
//! | [`serving`] | routes on a socket: time limits for clients, a bound on connections, the hosts that are answered for | `clock`, `routing` |
//! | [`tasks`] | how long-running work is stopped, and driven on threads | - |
//! | [`page`] | what everybody can see, over HTTP: HTML, JSON, badges, feeds | `clock`, `config`, `routing`, `store`, reads of the families |
//! | [`local`] | a PostgreSQL of our own, for laptops and tests | - |
//! | [`config`], [`clock`], [`telemetry`] | environment, time, logs and metrics: nothing else touches these | |
//! | [`custom_resource`] | the answer to CloudFormation | - |
//! | [`https`], [`aws`] | how requests go out; what clients of AWS begin with | `clock`, `config`, `https`, `secret` |
//! | [`routing`] | addresses as data; a document with the reason for every answer that is no success | - |
//! | [`secret`] | tokens and keys, which nothing shows | - |
//! | [`shown`] | foreign text for the eyes of people: control and bidirectional characters as escapes | - |
//! | [`hex`] | bytes as hexadecimal digits; every room may name it | - |
//! | [`sorted`] | sorting in little code; every room may name it | - |
//! | [`checked`] | what a deploy does before any function changes: checks the configuration, migrates | `aws`, `clock`, `config`, `custom_resource`, `deliver`, `failure`, `intake`, `outbox`, `store` |
//! | [`served`] | all that the web function serves, in one router | `aws`, `config`, `deliver`, `failure`, `intake`, `page`, `routing`, `store` |
//! | [`failure`] | the error that an invocation of Lambda ends with: its type and its message | `store::chain` |
//! | [`extension`] | word from Lambda before it ends a function | - |
//! | `src/bin` | shells: wire and call. One Lambda function each, and the command line | anything |
//!
//! `tests/it/architecture.rs` reads the imports and fails when an arrow is not in this table.
//!
//! # What holds
//!
//! * No row is written without its version guard, which is part of the statement. So order, duplication and batching
//!   do not matter; `tests/it/replay.rs` is the proof.
//! * A batch holds each key once and writes keys in order: else SQLSTATE 21000, else deadlocks.
//! * A bad message is kept in `refused`, with its bytes and the reason, and acknowledged. One that could not be tried
//!   comes again. No message harms its batch, not even by a panic.
//! * An event of a transport that is not decoded fails the invocation, because success would let its messages be deleted.
//! * Number of statements for a batch depends on the tables it touches, never on the number of messages.
//!
//! # A new family in three steps
//!
//! 1. A room `src/<family>/` with `mod.rs` (`recognise`, `decode`, `write`, `Record`), `message.rs`, `record.rs`,
//!    `store.rs` with its `sql/`, and a migration in `src/store/migrations`.
//! 2. One line in [`family`].
//! 3. Fixtures in `events/<family>/`. Tests fail until all three are there.

pub mod archive;
pub mod aws;
pub mod bots;
pub mod buildkite;
pub mod checked;
pub mod clock;
pub mod config;
pub mod custom_resource;
pub mod deliver;
pub mod envelope;
pub mod extension;
pub mod failure;
pub mod family;
pub mod gitlab;
pub mod hex;
pub mod https;
pub mod intake;
pub mod kcidb;
pub mod konflux;
pub mod local;
pub mod outbox;
pub mod page;
pub mod pipeline;
pub mod reconcile;
pub mod replay;
pub mod routing;
pub mod secret;
pub mod served;
pub mod serving;
pub mod shown;
pub mod sorted;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod travis;
pub mod upkeep;
pub mod worker;
