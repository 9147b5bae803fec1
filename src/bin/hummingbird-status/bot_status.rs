//! `bot-status`: sends the heartbeat of a bot. It has the flags of openSUSE's update_bot_status, and the exit status is
//! 0 only when the heartbeat was accepted.

use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::platform::https;
use hummingbird_status::sources::bots::{Status, Update, meta_pair};
use hummingbird_status::worker::sqs;

#[derive(clap::Args)]
pub(super) struct BotStatusArgs {
    /// The destination: the URL of an SQS queue, or another http(s) URL, which gets a POST of JSON.
    ///
    /// The POST has BOT_STATUS_TOKEN, if set, as a bearer token. An SQS queue of another service than AWS is recognised
    /// by its path, /ACCOUNT/NAME with an account of 12 digits.
    #[arg(short, long, value_name = "URL", env = "BOT_STATUS_QUEUE")]
    queue: String,
    /// Name of the bot.
    #[arg(short, long)]
    name: String,
    /// The status of the bot; `gone` removes it from the list of bots.
    #[arg(short, long, value_parser = ["ok", "warning", "failed", "gone"])]
    status: String,
    /// A comment, at most 500 characters.
    #[arg(short, long)]
    comment: Option<String>,
    /// Metadata of the bot, `key: value`; may be given several times. A value without a colon is left out.
    #[arg(short, long, value_name = "KEY: VALUE")]
    meta: Vec<String>,
    /// Seconds until the next heartbeat; a bot that misses three intervals is shown as silent.
    #[arg(long, value_name = "SECONDS")]
    interval: Option<u64>,
}

/// How long a server may take to answer.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Sends the heartbeat; `Ok` only when it was accepted.
pub(super) async fn run(args: BotStatusArgs) -> anyhow::Result<()> {
    for pair in args.meta.iter().filter(|pair| meta_pair(pair).is_none()) {
        note!("warning: --meta {pair:?} has no colon and is left out");
    }
    let update = Update {
        name: args.name,
        status: Status::of(&args.status).context("no such status")?,
        comment: args.comment,
        meta: (!args.meta.is_empty()).then(|| args.meta.iter().filter_map(|pair| meta_pair(pair)).collect()),
        interval: args.interval,
    };
    let payload = update.payload().map_err(|rejection| anyhow::anyhow!(rejection.detail))?;
    let (destination, is_queue) = destination(&args.queue)?;
    if is_queue {
        let attributes = [("source", "bot")];
        sqs::send(&environment, &args.queue, &payload, &attributes, &update.name).await?;
        return Ok(());
    }
    let client = https::client().timeout(TIME_LIMIT).build().context("cannot set up HTTP")?;
    let mut request = client.post(&args.queue).header("content-type", "application/json").body(payload);
    if let Some(token) = environment("BOT_STATUS_TOKEN") {
        request = request.bearer_auth(token);
    }
    // The URL may contain a secret, so errors name the host only.
    let failed = || format!("{destination} cannot be reached");
    let answer = request.send().await.map_err(|error| error.without_url()).with_context(failed)?;
    if !answer.status().is_success() {
        let status = answer.status();
        let body = answer.text().await.unwrap_or_default();
        let detail = explanation(&body).map(|text| format!(": {text}")).unwrap_or_default();
        bail!("{destination} answered {status}{detail}");
    }
    Ok(())
}

/// Longest explanation of a server that is shown.
const SHOWN: usize = 300;

/// The explanation in the answer of a failed request: the detail of a problem document, or plain text; not HTML.
pub(super) fn explanation(body: &str) -> Option<String> {
    let json = serde_json::from_str::<serde_json::Value>(body).ok();
    let member = |name: &str| json.as_ref().and_then(|json| json[name].as_str()).map(str::to_owned);
    let text = ["detail", "error", "message", "title"].into_iter().find_map(member);
    let text = text.or_else(|| Some(body.to_owned()).filter(|body| !body.contains('<') && json.is_none()))?;
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    Some(line).filter(|line| !line.is_empty())
}

/// The host of a URL, and whether it is the URL of an SQS queue.
fn destination(url: &str) -> anyhow::Result<(String, bool)> {
    let uri: http::Uri = url.parse().ok().context("--queue: expected a URL")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        bail!("--queue: expected the URL of an SQS queue, or an http(s) URL");
    }
    let host = uri.host().unwrap_or_default();
    let of_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    let account = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let has_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    Ok((host.to_owned(), (of_aws && host.contains("sqs")) || has_account))
}
