//! The family `travis`: jobs, stages and builds, moved by messages as Travis Hub moves them, and what is told of it.
//!
//! Rows come into being with `build:create`. A job is moved by `job:receive|start|finish|cancel|restart|reset` and by the
//! events of its build, which is moved by its jobs alone. States have ranks and only rise, but for restart and reset; a
//! time that is known is never overwritten. Who changes anything of a build holds the lock on its row.
//!
//! # Order
//!
//! * Receive, start and finish of a run, delivered in any order and however often, give the same rows, as long as they do
//!   not contradict each other. So do those of different jobs, and of different builds.
//! * A message that comes before its `build:create` waits in `travis_pending`. When the build comes, the messages that wait
//!   are applied in the order in which they were sent.
//! * `previous_state`, if `build:create` does not bring it, is how the newest build before it on its branch ended, by ids, whichever of
//!   them arrives first. A notification says what was known when it was written.
//! * Restart, reset and cancel begin or end a run, so they do not commute with its messages: a job that ended before it was
//!   canceled has ended, one that was canceled before its end came is canceled. A duplicate of them does nothing, an older
//!   one that comes after a newer restart or reset neither.
//! * A message is of an older run when it was sent before the restart or reset that began the present one, when the earliest
//!   time that it tells lies more than 2 s (clocks differ) before that, when it carries the worker's uuid of the run before, or
//!   when it has a lower `attempt`. It changes nothing.
//! * A report (receive, start, finish, create) that is sent again later, under another id, changes nothing, as long as it tells its time.
//!   A repository is called what its newest build, by id, says.
//! * What stands in for a time that nobody told is the time when the message was sent, never this machine's clock.
//!
//! # Deviations from upstream
//!
//! The word is that of `tests/it/conformance/travis`, where each is checked against recorded cases.
//!
//! | word | upstream | here | why |
//! |---|---|---|---|
//! | `events-once` | a duplicate is applied and told again; `build:created` and `build:restarted` once a job; with `fast_finish` `build:finished` again for jobs that may fail | told when a state changes, or a run begins: the same event and state once a run | a notification twice is a fault |
//! | `build-reset-is-restart` | `build:reseted`, which nobody listens to | `build:restarted`, if the build changed | else no status goes out after a requeue |
//! | `older-run` | a late message of an older run moves the new one | refused | it ends a run that goes on |
//! | `reset-of-finished` | starts a finished job again | nothing | a requeue storm would run it twice |
//! | `count-check-works` | `state_update_count` is read under a key that is never there | a lower number of the same uuid is late | as it was meant |
//! | `late-times` | a receive or start that comes late is dropped | its times are filled in where none is known; if it is a start, stage and build have begun | any order gives the same rows |
//! | `earliest-times` | stage and build keep the `started_at` and `received_at` that came first | the earliest | the same |
//! | `end-of-a-build-is-its-last-job` | `finished_at` of the message that came last | the latest end of the jobs waited for | the same |
//! | `duration-of-all-jobs` | with `fast_finish` it depends on the state of a later job whether its time counts | it counts | the same |
//! | `finished-at-default` | a finish without a time leaves none | the time it was sent | a job without an end has no duration |
//! | `canceled-at-only-if-canceled` | set when the last job was canceled, whatever came of the build; missing when another one was | set on a canceled build, and on no other | |
//! | `no-times-ahead` | any time in any payload is written | a receive brings no start, a create no times | a job that waits has not begun |
//! | `allow-list` | any key with a column is written | those of [`Told`] | a payload is not a statement |
//! | `zero-times` | a time with `0001` anywhere in it is none | one of the year 1 | `..40.000123Z` is a time |
//! | `stage-restart` | later stages stay canceled when a job of the failed one is restarted | what was canceled because of the stage waits again | else the build ends canceled though all pass |
//! | `stage-cancel` | canceling the jobs of a stage one by one leaves later stages to be started | they are canceled, unless all that must not fail has passed | unmeant deployments |
//! | `later-stages-only` | a stage that does not pass cancels what has not ended in all others | in later ones | messages of earlier ones may still be on their way |
//! | `fast-finish-stages` | a build may finish as `created`; `fast_finish` under `jobs` is not seen by stages | only stages that ended count; both keys count | |
//! | `last-build` | `last_build_*` without a look at ids, and `last_build_id` at the start alone | all of them, of the newest build that has begun or ended | an older build overwrote a newer one's |
//! | `late-bad-news` | with `fast_finish` a failure is told of when a job that may fail ends the build again, if it does | when the last of the jobs has ended | else nobody may ever be told |
//! | `queueable` | the row stays when a job is received, started, finished or canceled by its stage | it goes | a scheduler would start the job |
//! | `commands-where-needed` | workers are told to cancel whenever a job is canceled, and for every job of a canceled build | for a job that was canceled just now, and for one that a worker is about to run although it has ended | who reports an end has stopped |
//! | `auto-cancel-any-event` | a newer build by cron cancels nothing, by a fault in the text for its log | it cancels | |
//! | `patch-same-state` | 409 to a worker that repeats itself, which then cancels itself | 200 | |
//! | `received-is-pending` | no word and no commit status for `received` | pending | |
//! | `number-of-pull-request` | looked for where it is not, so that Slack shows `#` | shown | |
//! | `config-not-kept` | webhooks get the configurations of build and jobs | `{}` | no payload is kept whole, and they hold secrets |
//! | `build-without-jobs` | its events are applied to its jobs, so nothing happens | the build is moved itself; the commit hears of its end alone | a configuration that cannot be read gives such a build; the commit stayed pending for ever |
//! | `previous-by-id` | looked up once, when a build is created | of the newest build before it that has ended, also if that ends later | any order gives the same rows |
//! | `no-value-is-none` | a configuration that is no value is handed on | no value | |
//!
//! Of what is told to people, these have no recorded cases; `tests/it/deliver/notices.rs` shows them:
//!
//! | upstream | here | why |
//! |---|---|---|
//! | posts to whatever host a configuration names, follows redirects | to hosts that a target allows, over https (http where private addresses are allowed), redirects are refused | who writes a configuration does not choose hosts |
//! | token, user and password of the configuration, decrypted | those of the target; in rows there is `_` in their place. What is encrypted, in whatever place, goes to a Slack target for all accounts (`*`), or nowhere; recipients that are encrypted are not replaced by the authors | no secret in rows; the keys of repositories are upstream's |
//! | mail to authors that may see the repository, unless they unsubscribed | to authors in the domains of the target, but for its `except` | users and permissions are not here |
//! | one mail to all | one each, one for two spellings of an address | one bad address holds up no other |
//! | a build that a newer one canceled is mailed about | no mail; webhooks hear of it | nobody canceled it, and the newer one is mailed about (upstream meant it so, pull request 230) |
//! | `0 min 0 sec` where no time is known | `?` | |
//! | a webhook is tried once | again for a while; what goes to one place waits for nothing that goes to another | |
//! | a check run is made when a build is created, or never | on any state, if it is not there | a message may be lost or late |
//! | a pull request, author or branch stands in a message of Slack as it is | `&`, `<` and `>` are escaped | a branch could call `<!channel>` |
//! | the commit status that is posted last counts | that of the newest build, as it happened | requests overtake each other |
//! | `HipChat`, Campfire, Flowdock and Pushover are posted to | `notify:*` says that it is due; no target speaks to them | most of them are gone |
//!
//! Passed is overwritten by failed, failed by errored, errored by canceled, as upstream: so two finishes that contradict each
//! other come to one state in any order. That is a change of state, and told: a status outside would be wrong otherwise.
//!
//! # What is told
//!
//! Events of the outbox, with the key `build/<id>`: `job:*` and `build:*` for everybody, with job, build, repository and
//! commit; `worker:cancel_job` for the workers. And for each place that is to be told something ([`rules::notify`]), with a
//! key of its own: `notify:<addon>` with the words for it, and `notify:host` with a commit status and a check run for the
//! host of the repository, if the repository (`url`) or the commit (`compare_url`) names one.
//!
//! A message that waits for its build for more than 30 days is thrown away by the sweep, which says so; the archive has it.
//!
//! Logs are not kept here, so there is no clearing and no writing of them.

mod message;
mod record;
pub mod rules;
mod store;

pub use self::message::{decode, patch};
pub use self::record::{
    Build, Create, Event, Job, Message, Object, Record, Repository, Resets, Run, Source, Stage, State, Told, Version,
};
pub use self::rules::Happened;
pub use self::store::{Startable, reads, startable, sweep, write};

use crate::envelope;

/// Whether the message is one of Travis' workers, API, scheduler or gatekeeper.
#[must_use]
pub fn recognise(message: &envelope::Message<'_>) -> bool {
    message::recognise(message)
}
