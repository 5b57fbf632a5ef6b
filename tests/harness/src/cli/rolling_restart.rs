//! `harness rolling-restart`: three workers replaced one after the other under a steady load, each lane's pauses measured, all of it
//! checked.
//!
//! Invariant: an interrupt ends it through the same door as an error, so its workers end with it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use toml::{Table, Value};

use super::signals::or_interrupted;
use crate::rolling::crew::Goodbye;
use crate::rolling::report;
use crate::rolling::restart::{Options, Round, Site, measure};
use crate::stack::Stack;
use crate::topics::Layout;
use crate::worker::Program;

/// What `rolling-restart` can be told.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  . target/stack/env && harness rolling-restart --rate 5000 --kill")]
pub(super) struct Arguments {
    /// Events a second.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    rate: u32,
    /// For how many seconds the load goes on before the first restart, between two, and after the last.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    rest: u64,
    /// Kills workers with SIGKILL instead of asking them to stop, for comparison.
    #[arg(long)]
    kill: bool,
    /// Partitions of the topics, that is lanes.
    #[arg(long, default_value_t = Layout::default().partitions, value_parser = clap::value_parser!(i32).range(3..=256))]
    partitions: i32,
    /// A setting of the product to be tried, as in `kafka.heartbeat_interval=1s`; may be given more than once.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
    /// Where logs and `report.json` go; emptied first.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/rolling-restart")]
    directory: PathBuf,
}

/// A setting as in the file; what is no number and no list there is a text.
fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: write NAME=VALUE"))?;
    let table = format!("value = {value}").parse::<Table>().ok();
    let value = table.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::from(value));
    Ok((name.to_owned(), value))
}

/// Measures; an interrupt ends it with all its processes.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    or_interrupted(hold(arguments)).await
}

async fn hold(arguments: Arguments) -> Result<bool> {
    let Arguments { rate, rest, kill, partitions, settings, directory } = arguments;
    let by = if kill { Goodbye::Killed } else { Goodbye::Asked };
    let rounds = [false, true].map(|fixed| Round { by, fixed });
    let options = Options { rate, rest: Duration::from_secs(rest), partitions };
    let directory = std::path::absolute(directory)?;
    let site = Site { stack: Stack::from_env()?, program: Program::beside_this()?, settings, directory };
    let outcomes = measure(&site, &rounds, options).await?;
    let path = site.directory.join("report.json");
    let json = serde_json::to_string_pretty(&report::json(options, &outcomes))? + "\n";
    std::fs::write(&path, json).with_context(|| format!("`{}` cannot be written", path.display()))?;
    print!("{}", report::text(options, &outcomes));
    println!("report: {}", path.display());
    Ok(outcomes.iter().all(|outcome| outcome.verdict.is_good()))
}

#[cfg(test)]
mod tests {
    use super::{Value, setting};

    #[test]
    fn settings_are_numbers_truths_and_texts() {
        let value = |text| setting(text).map(|(_, value)| value);
        assert_eq!(value("worker.writers=2"), Ok(Value::Integer(2)));
        assert_eq!(value("registry.register_on_start=true"), Ok(Value::Boolean(true)));
        assert_eq!(value("kafka.heartbeat_interval=1s"), Ok(Value::from("1s")));
        assert!(setting("worker.writers").is_err_and(|why| why.contains("no `=`")));
    }
}
