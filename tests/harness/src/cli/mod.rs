//! The command line of `harness`; one file a command.
//!
//! Exit codes: 0 all is well, 1 something differs, 64 wrong command line, 69 a server is not there.

mod bench;
mod chaos;
mod check;
mod crash_points;
mod demo;
mod model;
mod mutants;
mod rolling_restart;
mod services;
mod signals;
mod simulate;
mod target;
mod trial;
mod upgrade;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Something differs.
const DIFFERS: u8 = 1;
/// The command line was wrong.
const USAGE: u8 = 64;
/// A server is not there, or a step of the way failed.
const UNAVAILABLE: u8 = 69;
/// How long threads of a command that is over may take to notice it.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Feeds orderstream with simulated traffic, checks it from outside, and shows it at work.
#[derive(Debug, Parser)]
#[command(name = "harness", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends the traffic of a number of orders, made from a seed.
    Simulate(simulate::Arguments),
    /// Answers commands as payment, stock and carrier services do: at once, late, twice, never.
    Services(services::Arguments),
    /// Compares input topics, database and output topics; exits with 1 when anything differs.
    Check(check::Arguments),
    /// Shows two workers at work, kills one, and reports; needs a running stack (`make up`).
    Demo(demo::Arguments),
    /// Explores a model of the protocol, and walks through it; shows why each of its mechanisms is needed.
    Model(model::Arguments),
    /// Lets workers die at every crash point under traffic, and checks; needs a running stack.
    CrashPoints(crash_points::Arguments),
    /// Switches off one mechanism at a time and shows that a test fails; needs the sources, cargo and a running stack.
    Mutants(mutants::Arguments),
    /// Tries deadlines, commands and replays with two workers, kills one twice, and checks; needs a running stack.
    Trial(trial::Arguments),
    /// Restarts three workers one after the other under load, and measures each lane's pauses; needs a running stack.
    RollingRestart(rolling_restart::Arguments),
    /// Rolls three workers from one release to another and back under load, and checks; needs a running stack.
    Upgrade(upgrade::Arguments),
    /// Breaks everything around real workers on a schedule made from a seed, heals it, and checks; starts its own servers.
    Chaos(chaos::Arguments),
    /// Measures how fast the product is, beside the limit and a plain service; needs a running stack.
    Bench(bench::Arguments),
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // When even standard error is gone, the exit code is all that is left to say.
            _ = answer.print();
            return if answer.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(async {
            match cli.command {
                Command::Simulate(arguments) => simulate::run(arguments).await,
                Command::Services(arguments) => services::run(arguments).await,
                Command::Check(arguments) => check::run(arguments).await,
                Command::Demo(arguments) => demo::run(arguments).await,
                Command::Model(arguments) => model::run(arguments).await,
                Command::CrashPoints(arguments) => crash_points::run(arguments).await,
                Command::Mutants(arguments) => mutants::run(arguments).await,
                Command::Trial(arguments) => trial::run(arguments).await,
                Command::RollingRestart(arguments) => rolling_restart::run(arguments).await,
                Command::Upgrade(arguments) => upgrade::run(arguments).await,
                Command::Chaos(arguments) => chaos::run(arguments).await,
                Command::Bench(arguments) => bench::run(arguments).await,
            }
        });
        runtime.shutdown_timeout(LAST_WAIT);
        outcome
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERS),
        Err(error) => {
            eprintln!("harness: {error:#}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
