//! `wait`: waits for the verdict of a commit, which is the exit status. It survives restarts and errors of the database
//! and of the server that it asks.

mod outcome;
mod remote;
mod stored;

use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::platform::clock::{self, Deadline};
use hummingbird_status::reports::Asked;
use jiff::SignedDuration;

use self::outcome::{Conditions, End, Seen};
use self::remote::Remote;
use self::stored::Stored;
use super::out;

#[derive(clap::Args)]
pub(super) struct WaitArgs {
    /// The commit: its hash, or the first 4 or more digits; or the word mr, before the key of a merge request.
    #[arg(value_name = "SHA|mr")]
    what: String,
    /// The merge request: GROUP/PROJECT!7 or GROUP/PROJECT/7. A new head of it is waited for, too.
    key: Option<String>,
    /// The repository, where several have the commit.
    #[arg(long)]
    repo: Option<String>,
    /// The server to ask instead of the database, such as https://status.acme.example.
    ///
    /// Its credentials are those of WAIT_TOKEN (a token with `read = true`), of WAIT_BASIC_AUTH (user:password), of the
    /// URL, or of AWS (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) for a function URL or an API.
    #[arg(long, value_name = "URL", env = "WAIT_URL", hide_env_values = true)]
    url: Option<String>,
    /// How long to wait, such as 90s or 1h 30m.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    timeout: Duration,
    /// A check (SYSTEM:NAME, with * and ?) that must be there, beside those that the rules require; may be given
    /// several times.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    required: Vec<String>,
    /// End as soon as a check has failed, while others are running.
    #[arg(long)]
    fail_fast: bool,
    /// End as soon as the commit waits for a person.
    #[arg(long)]
    no_hold: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Longest time limit.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 365);
/// A request that is sent shortly before the end has so much time.
const LAST: Duration = Duration::from_secs(2);
/// Backoff after errors.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What is asked.
struct Question {
    asked: Asked,
    repo: Option<String>,
    required: Vec<String>,
}

/// The answer to a question.
enum Look {
    /// A verdict.
    Seen(Seen),
    /// The verdict is the same as before.
    Same,
}

/// Why a question has no answer.
enum Failure {
    /// No attempt can have one.
    Never(String),
    /// A later attempt may; not before this time, if given.
    Now { what: String, wait: Option<Duration> },
}

/// What answers questions.
enum Source {
    Stored(Box<Stored>),
    Remote(Box<Remote>),
}

impl Source {
    async fn open(args: &WaitArgs, question: &Question) -> anyhow::Result<Self> {
        match args.url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => Ok(Self::Remote(Box::new(Remote::open(url, question)?))),
            None => Ok(Self::Stored(Box::new(Stored::open().await?))),
        }
    }

    async fn look(&mut self, question: &Question, left: Duration) -> Result<Look, Failure> {
        let limit = left.max(LAST);
        match self {
            Self::Stored(stored) => stored.look(question, limit).await,
            Self::Remote(remote) => remote.look(left, limit).await,
        }
    }

    /// Waits until the next question makes sense, at most for this time.
    async fn changed(&mut self, longest: Duration) {
        match self {
            Self::Stored(stored) => stored.changed(longest).await,
            Self::Remote(remote) => remote.changed(longest).await,
        }
    }
}

/// Waits, and prints the result. The exit status is that of the outcome.
pub(super) async fn run(args: WaitArgs) -> anyhow::Result<()> {
    let end = match wait(&args).await {
        Ok(end) => end,
        Err(error) => End::cannot_ask(format!("{error:#}")),
    };
    if let Some(error) = &end.error {
        note!("error: {error}");
    }
    match end.line() {
        _ if args.json => out::json(&end.json().to_string()),
        Some(line) => say!("{line}"),
        None => {}
    }
    match (end.outcome.status(), out::failure()) {
        // Without its result the command must not look like a verdict.
        (_, Some(error)) => {
            note!("error: cannot write to standard output: {error}");
            Err(out::Status(outcome::Outcome::CannotAsk.status()).into())
        }
        (0, None) => Ok(()),
        (status, None) => Err(out::Status(status).into()),
    }
}

async fn wait(args: &WaitArgs) -> anyhow::Result<End> {
    let deadline = Deadline::within(args.timeout);
    let question = question(args)?;
    let conditions = Conditions { fail_fast: args.fail_fast, no_hold: args.no_hold };
    let mut source = Source::open(args, &question).await?;
    let mut last: Option<Seen> = None;
    let mut error: Option<String> = None;
    let mut failures = 0;
    loop {
        match source.look(&question, deadline.remaining()).await {
            Ok(look) => {
                failures = 0;
                let known = error.take().is_none();
                if let Look::Seen(seen) = look {
                    if !known || last.as_ref().is_none_or(|last| !last.is_shown_as(&seen)) {
                        note!("{:.0} {}", clock::now(), seen.line());
                    }
                    if let Some(outcome) = seen.end(conditions) {
                        return Ok(End::with(outcome, seen));
                    }
                    last = Some(seen);
                }
                if deadline.remaining().is_zero() {
                    break;
                }
                source.changed(deadline.remaining()).await;
            }
            Err(Failure::Never(what)) => return Ok(End { seen: last, ..End::cannot_ask(what) }),
            Err(Failure::Now { what, wait }) => {
                if error.as_ref() != Some(&what) {
                    note!("{:.0} trying again: {what}", clock::now());
                }
                error = Some(what);
                if deadline.remaining().is_zero() {
                    break;
                }
                let pause = clock::backoff(failures, BACKOFF.0, BACKOFF.1).max(wait.unwrap_or_default());
                failures += 1;
                tokio::time::sleep(pause.min(deadline.remaining())).await;
            }
        }
    }
    Ok(match last {
        Some(seen) => End::with(seen.at_limit(), seen),
        None => End::cannot_ask(error.unwrap_or_else(|| "no answer in time".to_owned())),
    })
}

/// What the arguments ask for.
fn question(args: &WaitArgs) -> anyhow::Result<Question> {
    let required = args.required.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
    let repo = args.repo.as_deref().map(str::trim).filter(|repo| !repo.is_empty()).map(str::to_owned);
    let (asked, repo) = match (args.what.trim(), &args.key) {
        ("mr", Some(key)) => {
            let (project, iid) = merge_request(key.trim())
                .with_context(|| format!("{key}: expected a merge request, as GROUP/PROJECT!7 or GROUP/PROJECT/7"))?;
            if repo.as_ref().is_some_and(|repo| *repo != project) {
                bail!("--repo: the merge request is one of {project}");
            }
            (Asked::MergeRequest(iid), Some(project))
        }
        ("mr", None) => bail!("which merge request? Expected mr GROUP/PROJECT!7"),
        (sha, None) if is_hash(sha) => (Asked::Sha(sha.to_ascii_lowercase()), repo),
        (what, _) => bail!("{what}: expected a commit, as 4 to 64 hexadecimal digits, or mr and a merge request"),
    };
    Ok(Question { asked, repo, required })
}

/// Project and number of a merge request.
fn merge_request(key: &str) -> Option<(String, i64)> {
    let (project, iid) = key.rsplit_once('!').or_else(|| key.rsplit_once('/'))?;
    let iid = iid.parse().ok().filter(|iid| *iid > 0)?;
    (!project.is_empty()).then(|| (project.to_owned(), iid))
}

fn is_hash(text: &str) -> bool {
    (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A time limit, such as `90s`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().filter(|time| *time <= LONGEST);
    let parsed = parsed.and_then(|time| Duration::try_from(time).ok());
    parsed.ok_or_else(|| "expected a duration up to a year, such as 90s or 1h 30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_merge_requests_are_read() {
        for (key, expected) in [
            ("acme/app!7", Some(("acme/app", 7))),
            ("acme/app/7", Some(("acme/app", 7))),
            ("a/b/c!12", Some(("a/b/c", 12))),
            ("acme/app", None),
            ("acme/app!0", None),
            ("acme/app!-1", None),
            ("!7", None),
            ("7", None),
        ] {
            assert_eq!(merge_request(key), expected.map(|(project, iid)| (project.to_owned(), iid)), "{key}");
        }
    }

    #[test]
    fn time_limits_are_bounded() {
        for (text, expected) in [("90s", Some(90)), ("1h 30m", Some(5400)), ("0s", Some(0)), ("30m", Some(1800))] {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
        for text in ["", "soon", "-1s", "90", "9000h", "99999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
