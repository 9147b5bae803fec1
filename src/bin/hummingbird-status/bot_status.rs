//! `bot-status`: the flags of openSUSE's update_bot_status, and an exit status that tells.

use std::time::Duration;

use anyhow::{Context, bail};
use hummingbird_status::bots::{Status, Update, meta_pair};
use hummingbird_status::config::environment;
use hummingbird_status::https;
use hummingbird_status::worker::sqs;

#[derive(clap::Args)]
pub(super) struct BotStatusArgs {
    /// Where to: the URL of an SQS queue, or any other http(s) URL, which gets a POST of JSON.
    ///
    /// With BOT_STATUS_TOKEN the POST carries it as a bearer token. An SQS queue of another service than AWS is told by
    /// its path, /ACCOUNT/NAME with an account of 12 digits.
    #[arg(short, long, value_name = "URL", env = "BOT_STATUS_QUEUE")]
    queue: String,
    /// Name of the bot.
    #[arg(short, long)]
    name: String,
    /// How it is; `gone` takes it off the board.
    #[arg(short, long, value_parser = ["ok", "warning", "failed", "gone"])]
    status: String,
    /// What there is to say, at most 500 characters.
    #[arg(short, long)]
    comment: Option<String>,
    /// More about the bot, `key: value`; can be given several times. Without a colon it is left out.
    #[arg(short, long, value_name = "KEY: VALUE")]
    meta: Vec<String>,
    /// Seconds until the next report; three times as long without one, and the bot is shown as stale.
    #[arg(long, value_name = "SECONDS")]
    interval: Option<u64>,
}

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends it; `Ok` only when it was taken.
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
    let payload = update.payload().map_err(|refusal| anyhow::anyhow!(refusal.detail))?;
    let (place, is_queue) = place(&args.queue)?;
    if is_queue {
        let attributes = [("source", "bot")];
        sqs::send(&environment, &args.queue, &payload, &attributes, &update.name).await?;
        return Ok(());
    }
    let client = https::client().timeout(PATIENCE).build().context("cannot set up HTTP")?;
    let mut request = client.post(&args.queue).header("content-type", "application/json").body(payload);
    if let Some(token) = environment("BOT_STATUS_TOKEN") {
        request = request.bearer_auth(token);
    }
    // The URL may hold a secret, so errors name the host only.
    let failed = || format!("{place} cannot be reached");
    let answer = request.send().await.map_err(|error| error.without_url()).with_context(failed)?;
    if !answer.status().is_success() {
        let status = answer.status();
        let said = answer.text().await.unwrap_or_default();
        bail!("{place} answered {status}{}", said_in(&said).map(|said| format!(": {said}")).unwrap_or_default());
    }
    Ok(())
}

/// Longest explanation of a server that is shown.
const SHOWN: usize = 300;

/// What a server says about a failure: of a problem document its detail, of a page nothing.
fn said_in(body: &str) -> Option<String> {
    let json = serde_json::from_str::<serde_json::Value>(body).ok();
    let member = |name: &str| json.as_ref().and_then(|json| json[name].as_str()).map(str::to_owned);
    let text = ["detail", "error", "message", "title"].into_iter().find_map(member);
    let text = text.or_else(|| Some(body.to_owned()).filter(|body| !body.contains('<') && json.is_none()))?;
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    Some(line).filter(|line| !line.is_empty())
}

/// The host of a URL, and whether a queue of SQS is behind it.
fn place(url: &str) -> anyhow::Result<(String, bool)> {
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
