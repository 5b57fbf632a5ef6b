//! `orderstream dead-letters`: what could not be applied, why, and what is to become of it.
//!
//! `list` and `show` look; `replay` and `discard` decide, and change nothing without `--yes`. Replay only marks: nobody but a
//! lane's owner writes its journal, so a worker takes the marked letters into its next batches. Invariant: whatever is
//! broken off here, no letter is lost and none is applied twice; marks stay, and everything can be said again.

mod discard;
mod filters;
pub(super) mod hex;
mod list;
mod look;
mod plan;
mod reasons;
mod replay;
mod report;
mod show;
mod wait;
mod words;

use clap::Subcommand;

use super::exit::Exit;
use super::{complain, database, with_config};
use crate::config::Config;
use crate::persist::{self, PgConnection};

/// What can be asked about dead letters.
#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Lists those that wait, the newest first, after their number by reason.
    #[command(
        after_help = "Example:\n  orderstream dead-letters list --reason unknown_schema --topic payment --since 2h"
    )]
    List(list::ListArgs),
    /// Shows one whole: where it came from, its bytes, what they say, why it was refused, what was done to it.
    #[command(
        after_help = "Example:\n  orderstream dead-letters show 17\n  orderstream dead-letters show 17 --raw | xxd"
    )]
    Show(show::ShowArgs),
    /// Has open ones tried again by the workers, and tells what became of each; without --yes it only says which.
    #[command(
        after_help = "Example:\n  orderstream dead-letters replay --reason unknown_kind --yes --note \"release 2.4 knows it\"\n\n\
                      Exit code 65 means that some were refused again; they stay open."
    )]
    Replay(replay::ReplayArgs),
    /// Gives some up for good; without --yes it only says which.
    #[command(
        after_help = "Example:\n  orderstream dead-letters discard 17 18 --yes --note \"test traffic of INC-4711\""
    )]
    Discard(discard::DiscardArgs),
}

impl DeadLettersCommand {
    /// Does what was asked.
    pub fn run(self) -> Exit {
        match self {
            Self::List(args) => with_config(&args.config, |config| {
                with_letters(&config, async |connection| list::run(connection, &config, &args).await)
            }),
            Self::Show(args) => with_config(&args.config, |config| {
                with_letters(&config, async |connection| show::run(connection, &config, &args).await)
            }),
            Self::Replay(args) => with_config(&args.change.file, |config| {
                with_letters(&config, async |connection| replay::run(connection, &config, &args).await)
            }),
            Self::Discard(args) => with_config(&args.config, |config| {
                with_letters(&config, async |connection| discard::run(connection, &config, &args).await)
            }),
        }
    }
}

/// Why a command does not do what it was asked to.
#[derive(Debug)]
enum Refusal {
    /// The database's fault.
    Database(persist::Error),
    /// The request's: how the process ends, and a sentence.
    Request(Exit, String),
}

impl Refusal {
    /// The command line asks for what makes no sense.
    fn usage(text: impl Into<String>) -> Self {
        Self::Request(Exit::Usage, text.into())
    }
}

impl From<persist::Error> for Refusal {
    fn from(error: persist::Error) -> Self {
        Self::Database(error)
    }
}

fn with_letters(config: &Config, command: impl AsyncFnOnce(&mut PgConnection) -> Result<Exit, Refusal>) -> Exit {
    database::with_database(config, "dead-letters", async |connection| match command(connection).await {
        Ok(exit) => Ok(exit),
        Err(Refusal::Database(error)) => Err(error),
        Err(Refusal::Request(exit, text)) => {
            complain(text);
            Ok(exit)
        }
    })
}
