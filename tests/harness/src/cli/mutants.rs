//! `harness mutants`: switches off one mechanism at a time, in a copy of the sources, and shows that a test fails.
//!
//! Run from a build beside the sources that it is to mutate. Survivors are told on standard output and in the exit code.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::mutants::{self, table};
use crate::stack::Stack;

/// What `mutants` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  . target/stack/env && harness mutants --only fence-claim,in-order")]
pub(super) struct Arguments {
    /// Only these mutants; all of tests/mutants/mutants.toml when left out.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Where the copy of the sources and the report go; kept for the next time.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/mutants")]
    directory: PathBuf,
}

/// Tries them, prints the table, and says whether all were caught.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let stack = Stack::from_env()?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut mutants = table::read(&repository)?;
    if let Some(unknown) = arguments.only.iter().find(|name| !mutants.iter().any(|mutant| mutant.name == **name)) {
        bail!("`{unknown}` is no mutant: tests/mutants/mutants.toml lists them");
    }
    mutants.retain(|mutant| arguments.only.is_empty() || arguments.only.contains(&mutant.name));
    let program = std::env::current_exe()?;
    let deps = program.parent().context("a program lies in a folder")?;
    let report = mutants::run(&repository, &arguments.directory, deps, &mutants, &stack).await?;
    print!("{}", report.text());
    let path = arguments.directory.join("report.json");
    let json = serde_json::to_string_pretty(&report.json())?;
    std::fs::write(&path, json + "\n").with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(report.is_good())
}
