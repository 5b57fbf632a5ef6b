//! `harness check`: compares what went in, what is stored and what came out.
//!
//! For workers at rest. Differences are told on standard output and in the exit code, never as an error.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use orderstream::ids::Timestamp;

use super::target::Target;
use crate::check;
use crate::deployment::Deployment;

/// What `check` can be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  harness check --config orderstream.toml --until 2026-11-21T14:05:00Z --json verdict.json"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// When workers were last at work: what became due after that is not missed. Now when left out.
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
    /// A configuration file that workers had before, where their policy was changed; may be given more than once.
    #[arg(long, value_name = "FILE")]
    before: Vec<PathBuf>,
    /// Also writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Checks, prints, and says whether all is well.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let mut deployment = arguments.target.deployment()?;
    for file in &arguments.before {
        deployment.former_policies.push(Deployment::from_config(file)?.policy);
    }
    let until = arguments.until.unwrap_or_else(jiff::Timestamp::now);
    let verdict = check::check_as_of(&deployment, Timestamp(until.as_microsecond()), &[]).await?;
    print!("{}", verdict.text());
    if let Some(path) = arguments.json {
        let json = serde_json::to_string_pretty(&verdict.json())?;
        std::fs::write(&path, json + "\n").with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(verdict.is_good())
}
