//! `ingest FILE..`

use hummingbird_status::sources::Settings;
use std::path::PathBuf;

use anyhow::{Context, bail};
use hummingbird_status::ingest::{self, Outcome};
use hummingbird_status::platform::environment::environment;
use hummingbird_status::transport::lambda::Invocation;

use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct IngestArgs {
    /// Lambda events, SNS or SQS messages, archive objects, or bare payloads; gzip or not.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Ingests each file as one invocation. Prints the answer to standard output, one line for each file, and the outcomes
/// of the messages to standard error.
pub(super) async fn run(args: IngestArgs) -> anyhow::Result<()> {
    let settings = Settings::from_env(&environment)?;
    let database = database::open(1).await?;
    let mut rows = Vec::new();
    let mut again = 0;
    let mut failed = 0;
    for file in &args.files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut invocation = Invocation::read(&bytes);
        if !invocation.partial {
            // Messages get the name of the file as id, so that rows show their origin.
            invocation.name_parts(&file.display().to_string());
        }
        let report = ingest::ingest(&database.store, invocation.to_be_taken(), &settings, database::time_limit()).await;
        if let Some((_, error)) = &report.error {
            note!("{}: {error}", file.display());
        }
        for (number, (delivery, outcome)) in invocation.to_be_taken().iter().zip(report.outcomes()).enumerate() {
            again += u32::from(*outcome == Outcome::Retry);
            let part = if invocation.partial { delivery.id.clone() } else { String::new() };
            rows.push((file.display().to_string(), part, *outcome, show::reasons(&report, number)));
        }
        match ingest::answer(&invocation, &report) {
            Ok(answer) => out::json(&serde_json::to_string(&answer)?),
            Err(error) => {
                failed += u32::from(matches!(error, ingest::InvocationFailed::Transport { .. }));
                say!("{}", serde_json::json!({"errorMessage": error.to_string()}));
            }
        }
    }
    show::outcomes(&rows);
    if again > 0 {
        bail!("{again} messages could not be tried");
    }
    if failed > 0 {
        bail!("{failed} events are of an unknown transport");
    }
    Ok(())
}
