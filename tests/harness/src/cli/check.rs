//! `harness check`: compares what went in, what is stored and what came out.
//!
//! For workers at rest. Differences are told on standard output and in the exit code, never as an error.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::target::Target;
use crate::check;

/// What `check` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  harness check --config orderstream.toml --json verdict.json")]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Also writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Checks, prints, and says whether all is well.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let verdict = check::check(&arguments.target.deployment()?).await?;
    print!("{}", verdict.text());
    if let Some(path) = arguments.json {
        let json = serde_json::to_string_pretty(&verdict.json())?;
        std::fs::write(&path, json + "\n").with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(verdict.is_good())
}
