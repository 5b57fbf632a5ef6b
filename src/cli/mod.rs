//! The command line: what can be asked of `orderstream`, one file a command.
//!
//! Each command returns how it ended (`exit.rs`); nothing else in the program calls `exit`. Invariant: what a command
//! prints as its result goes to standard output, everything about how it went to standard error.

mod archive;
mod change;
mod check;
mod commands;
mod config;
mod database;
mod dead_letters;
mod differences;
pub mod exit;
pub mod explanation;
pub mod fold;
pub mod graph;
mod health;
mod instant;
mod journal;
mod logging;
mod manual;
mod metrics;
mod migrate;
mod offline;
mod order;
mod orders;
mod output;
mod recover;
mod rederive;
mod repartition;
mod run;
pub mod schema;
mod tap;
mod top;
mod topic_plan;
mod topics;
mod verify;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::config::{Config, Environment, Problems, load};
use commands::Cli;
use exit::Exit;

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file (TOML). Variables ORDERSTREAM__SECTION__KEY override it; without a file they must say all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.command.run().into(),
        Err(answer) => explain(&answer).into(),
    }
}

/// Prints help, the version, or what is wrong with the command line.
fn explain(answer: &clap::Error) -> Exit {
    // When even standard error is gone, the exit code is all that is left to say.
    _ = answer.print();
    if answer.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// Reads the configuration for a command, or says all that is wrong with it.
fn with_config(file: &ConfigFile, command: impl FnOnce(Config) -> Exit) -> Exit {
    match load(file.config.as_deref(), &Environment::of_process()) {
        Ok(config) => command(config),
        Err(problems) => refused(&problems),
    }
}

/// Says all that is wrong with a configuration.
fn refused(problems: &Problems) -> Exit {
    let found = match problems.count() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    complain(format_args!("{found} in the configuration\n{problems}"));
    Exit::Config
}

/// Runs a command's future on this thread.
fn in_runtime<T>(command: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a process its first event queue")
        .block_on(command)
}

/// Says what went wrong, if anything did, and how that ends the process.
fn finish<E: Display>(result: Result<(), E>, exit: impl FnOnce(&E) -> Exit) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(&error);
            exit(&error)
        }
    }
}

/// Says on standard error what went wrong.
fn complain(text: impl Display) {
    _ = writeln!(io::stderr(), "orderstream: {text}");
}

/// Prints a command's result. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> Exit {
    print_bytes(text.as_bytes())
}

/// Prints a result that need not be text, as [`print`] does.
fn print_bytes(bytes: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("standard output cannot be written: {error}"));
            Exit::TempFail
        }
        _ => Exit::Ok,
    }
}
