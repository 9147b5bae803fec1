//! `ingest FILE..`

use std::path::PathBuf;

use anyhow::{Context, bail};
use hummingbird_status::config::{self, environment};
use hummingbird_status::envelope::lambda::Invocation;
use hummingbird_status::pipeline::{self, Outcome};

use super::{database, out, show};

#[derive(clap::Args)]
pub(super) struct IngestArgs {
    /// Lambda events, SNS or SQS messages, archive objects, or bare payloads; gzip or not.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Takes each file as one invocation: prints the answer on standard output, one line a file, and what became of it on
/// standard error.
pub(super) async fn run(args: IngestArgs) -> anyhow::Result<()> {
    let settings = config::settings(&environment)?;
    let database = database::open(1).await?;
    let mut rows = Vec::new();
    let mut again = 0;
    let mut failed = 0;
    for file in &args.files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut invocation = Invocation::read(&bytes);
        if !invocation.partial {
            // The name tells where a row came from.
            invocation.name_parts(&file.display().to_string());
        }
        let report = pipeline::ingest(&database.store, invocation.to_be_taken(), &settings, database::patience()).await;
        if let Some((_, error)) = &report.error {
            note!("{}: {error}", file.display());
        }
        for (number, (delivery, outcome)) in invocation.to_be_taken().iter().zip(report.outcomes()).enumerate() {
            again += u32::from(*outcome == Outcome::Again);
            let part = if invocation.partial { delivery.id.clone() } else { String::new() };
            rows.push((file.display().to_string(), part, *outcome, show::reasons(&report, number)));
        }
        match pipeline::answer(&invocation, &report) {
            Ok(answer) => out::json(&serde_json::to_string(&answer)?),
            Err(error) => {
                failed += u32::from(matches!(error, pipeline::NotTaken::Transport { .. }));
                say!("{}", serde_json::json!({"errorMessage": error.to_string()}));
            }
        }
    }
    show::outcomes(&rows);
    if again > 0 {
        bail!("{again} messages could not be tried");
    }
    if failed > 0 {
        bail!("{failed} events are of transports that are not decoded here");
    }
    Ok(())
}
