//! The source `travis`: jobs, stages and builds, whose messages have the semantics of Travis Hub, and the notifications
//! about them.
//!
//! `build:create` inserts rows. `job:receive|start|finish|cancel|restart|reset` and the events of its build change the
//! state of a job; only its jobs change the state of a build. States have ranks and only rise, except by restart and
//! reset; a known time is never overwritten. Each change of a build or of its parts happens under the lock on the
//! build's row.
//!
//! # Order
//!
//! * Receive, start and finish of one run give the same rows in any order and with any duplicates, as long as they do
//!   not contradict each other. The same holds for messages of different jobs, and of different builds.
//! * A message that arrives before its `build:create` is stored in `travis_pending`. When the build arrives, its
//!   pending messages are applied in the order in which they were sent.
//! * `previous_state`, unless `build:create` gives it, is the final state of the newest earlier build (by id) of the
//!   same branch, in whatever order they arrive. A notification contains the value that was known when it was written.
//! * Restart, reset and cancel begin or end a run, so they do not commute with its messages: a job that ended before it
//!   was canceled has ended, and one that was canceled before its end arrived is canceled. A duplicate of them has no
//!   effect, and neither has one that is older than the latest restart or reset.
//! * A message belongs to an older run, and has no effect (outdated), when it was sent before the restart or reset that
//!   began the present run, when its earliest time is more than 2 s (clocks differ) before that, when it has the
//!   worker's uuid of the previous run, or when it has a lower `attempt`.
//! * A report (receive, start, finish, create) that is sent again later with another id has no effect, provided that it
//!   contains its time. The name of a repository is that of its newest build, by id.
//! * The default for a missing time is the time when the message was sent, never this machine's clock.
//!
//! # Deviations from upstream
//!
//! The names are those of `tests/it/conformance/travis`, which checks each against recorded cases.
//!
//! * `events-once`. Upstream applies and announces a duplicate again, sends `build:created` and `build:restarted` once
//!   for each job, and with `fast_finish` sends `build:finished` again for jobs that may fail. Here an event is sent
//!   when a state changes or a run begins: each event and state once in a run. Reason: duplicate notifications are a
//!   fault.
//! * `build-reset-is-restart`. Upstream sends `build:reseted`, which has no subscriber. Here `build:restarted` is sent
//!   if the build changed. Reason: otherwise no commit status is sent after a requeue.
//! * `older-run`. Upstream lets a late message of an older run move the new run. Here it is ignored as outdated.
//!   Reason: it would end a run that continues.
//! * `reset-of-finished`. Upstream starts a finished job again. Here a reset of it has no effect. Reason: mass requeues
//!   would run the job twice.
//! * `count-check-works`. Upstream reads `state_update_count` under a key that never exists. Here a lower number with
//!   the same uuid is outdated. Reason: this is the intention of the check.
//! * `late-times`. Upstream drops a late receive or start. Here its times are filled in where none is known; after a
//!   late start, stage and build have started. Reason: any order gives the same rows.
//! * `earliest-times`. Upstream keeps the first `started_at` and `received_at` of stage and build to arrive. Here they
//!   are the earliest. Reason: any order gives the same rows.
//! * `end-of-a-build-is-its-last-job`. Upstream's `finished_at` is that of the last message to arrive. Here it is the
//!   latest end of the required jobs. Reason: any order gives the same rows.
//! * `duration-of-all-jobs`. Upstream, with `fast_finish`, counts the duration of a job depending on the state of a
//!   later job. Here it always counts. Reason: any order gives the same rows.
//! * `finished-at-default`. Upstream stores no end for a finish without a time. Here the end is the time when the
//!   message was sent. Reason: a job without an end has no duration.
//! * `canceled-at-only-if-canceled`. Upstream sets `canceled_at` when the last job was canceled, whatever the state of
//!   the build, and not when another job was. Here it is set on canceled builds, and on no others.
//! * `no-times-ahead`. Upstream writes any time of any payload. Here a receive sets no start, and a create no times.
//!   Reason: a waiting job has not started.
//! * `allow-list`. Upstream writes any key that is the name of a column. Here only the keys of [`Details`] are written.
//!   Reason: payloads must not choose columns.
//! * `zero-times`. Upstream treats any time that contains `0001` as missing. Here only times of the year 1 are missing.
//!   Reason: `..40.000123Z` is a valid time.
//! * `stage-restart`. Upstream leaves later stages canceled when a job of a failed stage is restarted. Here the jobs
//!   that were canceled because of the stage wait again. Reason: otherwise the build ends as canceled although all jobs
//!   pass.
//! * `stage-cancel`. Upstream lets later stages start after the jobs of a stage are canceled one by one. Here later
//!   stages are canceled, unless all required jobs of the stage have passed. Reason: unintended deployments.
//! * `later-stages-only`. Upstream cancels the unfinished jobs of all other stages when a stage does not pass. Here
//!   only those of later stages. Reason: messages of earlier stages may still arrive.
//! * `fast-finish-stages`. Upstream may finish a build as `created`, and stages ignore `fast_finish` under `jobs`. Here
//!   only stages that ended count, and both keys are read.
//! * `last-build`. Upstream sets `last_build_*` regardless of ids, and `last_build_id` only at the start. Here all of
//!   them are those of the newest build that has started or ended. Reason: an older build overwrote the values of a
//!   newer one.
//! * `late-bad-news`. Upstream, with `fast_finish`, announces a failure when an optional job ends the build again, if
//!   one does. Here it is announced when the last job has ended. Reason: otherwise it may never be announced.
//! * `queueable`. Upstream keeps the row when a job is received, started or finished, or canceled by its stage. Here it
//!   is deleted. Reason: a scheduler would start the job.
//! * `commands-where-needed`. Upstream sends workers a cancel command whenever a job is canceled, and for every job of
//!   a canceled build. Here only for a job that has just been canceled, and for an ended job that a worker is about to
//!   run. Reason: a worker that reports the end has stopped.
//! * `auto-cancel-any-event`. Upstream cancels nothing for a newer build by cron, because of a fault in the text for
//!   its log. Here it cancels.
//! * `patch-same-state`. Upstream answers 409 to a worker that repeats its request, and the worker cancels itself. Here
//!   the answer is 200.
//! * `received-is-pending`. Upstream has no description and no commit status for `received`. Here it is pending.
//! * `number-of-pull-request`. Upstream reads a key that does not exist, so Slack shows `#`. Here the number is shown.
//! * `config-not-kept`. Upstream sends the configurations of build and jobs to webhooks. Here they are `{}`. Reason: no
//!   payload is stored whole, and configurations contain secrets.
//! * `build-without-jobs`. Upstream applies events of a build to its jobs, so nothing happens without jobs. Here the
//!   build itself changes; only its end sets a commit status. Reason: an unreadable configuration gives such a build,
//!   and the commit stayed pending forever.
//! * `previous-by-id`. Upstream looks the state up once, when a build is created. Here it is that of the newest earlier
//!   build that has ended, even if it ends later. Reason: any order gives the same rows.
//! * `no-value-is-none`. Upstream passes a configuration without a value on. Here it is missing.
//!
//! The following deviations of notifications have no recorded cases; `tests/it/deliver/notices.rs` shows them:
//!
//! * Upstream posts to any host that a configuration names, and follows redirects. Here messages are posted to hosts
//!   that a target allows, by https (http where private addresses are allowed), and redirects are rejected. Reason:
//!   authors of configurations must not choose hosts.
//! * Upstream uses token, user and password of the configuration, decrypted. Here those of the target are used, and
//!   rows have `_` in their place. An encrypted room or channel goes to a Slack target for all accounts (`*`), or
//!   nowhere; encrypted recipients are not replaced by the authors. Reason: rows contain no secrets, and only upstream
//!   has the keys of repositories.
//! * Upstream sends mail to authors with access to the repository who have not unsubscribed. Here to authors in the
//!   domains of the target, except those in its `except`. Reason: users and permissions are not stored here.
//! * Upstream sends one mail to all recipients. Here each recipient gets one, and two spellings of an address are one
//!   recipient. Reason: an invalid address does not delay the other mails.
//! * Upstream sends mail about a build that a newer build canceled. Here only webhooks are called. Reason: no user
//!   canceled it, and there is mail about the newer build (the intention of upstream's pull request 230).
//! * Upstream shows `0 min 0 sec` for an unknown duration. Here it is `?`.
//! * Upstream calls a webhook once. Here it is retried for a limited time, and deliveries to different destinations do
//!   not wait for each other.
//! * Upstream creates a check run when a build is created, or never. Here in any state, if none exists. Reason:
//!   messages may be lost or late.
//! * Upstream writes pull request, author and branch unescaped into messages of Slack. Here `&`, `<` and `>` are
//!   escaped. Reason: a branch could call `<!channel>`.
//! * Upstream's commit status is the last one posted. Here it is that of the newest build, in the order of its changes.
//!   Reason: requests overtake each other.
//! * Upstream posts to `HipChat`, Campfire, Flowdock and Pushover. Here `notify:*` announces that a notification is
//!   due; no kind of target supports them. Reason: most of these services no longer exist.
//!
//! Passed is overwritten by failed, failed by errored, errored by canceled, as upstream does: two finishes that
//! contradict each other give one state in any order. Such a change of state is announced, because the commit status
//! would be wrong otherwise.
//!
//! # Announcements
//!
//! Outbox events have the key `build/<id>`: `job:*` and `build:*` for all subscribers, with job, build, repository and
//! commit; `worker:cancel_job` for the workers. Each destination of a notification ([`rules::notify`]) has a key of its
//! own: `notify:<addon>` with the texts for it, and `notify:host` with a commit status and a check run for the host of
//! the repository, if the repository (`url`) or the commit (`compare_url`) names a host.
//!
//! The sweep deletes messages that have been pending for more than 30 days, and reports them; the archive still has
//! them.
//!
//! Logs are not stored, so there are no events about clearing or writing them.

mod message;
mod record;
pub mod rules;
mod store;

pub use self::message::{decode, patch};
pub use self::record::{
    Build, Create, Details, Event, Job, Message, Object, Record, Repository, Resets, Run, Source, Stage, State, Version,
};
pub use self::rules::Announcement;
pub use self::store::{Startable, TABLE, checks, lock_rows, reads, startable, sweep, write};

use crate::transport;

/// Whether the message is one of Travis' workers, API, scheduler or gatekeeper.
#[must_use]
pub fn recognise(message: &transport::Message<'_>) -> bool {
    message::recognise(message)
}
