//! `orderstream order`: what is known of one order, from the database alone.
//!
//! Each command takes one snapshot, so that the row, the journal and the dead letters it shows are of one instant. Invariant: an
//! order that nobody knows is said to be unknown, with what may be the reason.

mod explain;
mod history;
mod show;
mod words;

use clap::{Args, Subcommand};

use super::ConfigFile;
use super::database::with_database;
use super::exit::Exit;
use super::output::{Output, counted, plain};
use super::{complain, with_config};
use crate::config::Config;
use crate::ids::{OrderId, Timestamp};
use crate::persist::lookup::{self, StoredOrder, UnresolvedLetter};
use crate::persist::{self, PgConnection, snapshot};

/// What can be asked of one order.
#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// Shows what an order is now.
    #[command(after_help = "Example:\n  orderstream order show ord-17 --config orderstream.toml")]
    Show(OneOrder),
    /// Tells what happened to an order, entry by entry, and what each changed.
    #[command(after_help = "Example:\n  orderstream order history ord-17 -o json --config orderstream.toml")]
    History(OneOrder),
    /// Explains why an order is what it is: the rule, the facts behind it, what is owed, and what time will do next.
    #[command(after_help = "Example:\n  orderstream order explain ord-17 --config orderstream.toml")]
    Explain(OneOrder),
}

/// Which order, and in which form.
#[derive(Debug, Args)]
pub(super) struct OneOrder {
    /// The order's id: the key of its records.
    #[arg(value_name = "ID", value_parser = order_id)]
    order_id: OrderId,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl OrderCommand {
    /// Asks and answers.
    pub(super) fn run(self) -> Exit {
        match self {
            Self::Show(asked) => asked.answer(show::answer),
            Self::History(asked) => asked.answer(history::answer),
            Self::Explain(asked) => asked.answer(explain::answer),
        }
    }
}

/// What is found of an order that is known.
struct Found {
    stored: StoredOrder,
    letters: Vec<UnresolvedLetter>,
    now: Timestamp,
}

/// One question about an order, on an open snapshot.
struct Question<'a> {
    config: &'a Config,
    output: Output,
}

impl OneOrder {
    fn answer(self, answer: impl AsyncFnOnce(&mut PgConnection, Found, Question<'_>) -> persist::Result<Exit>) -> Exit {
        with_config(&self.file, |config| {
            with_database(&config, "order", async |connection| {
                let now = snapshot::begin(connection).await?;
                let letters = lookup::unresolved_letters(connection, &self.order_id).await?;
                match lookup::order(connection, &self.order_id).await? {
                    Some(stored) => {
                        let question = Question { config: &config, output: self.output };
                        answer(connection, Found { stored, letters, now }, question).await
                    }
                    None => Ok(unknown(&self.order_id, letters.len())),
                }
            })
        })
    }
}

/// Says that there is no such order, and what may be the reason.
pub(super) fn unknown(order_id: &OrderId, letters: usize) -> Exit {
    let id = plain(order_id.as_str());
    complain(match letters {
        0 => format!("there is no order `{id}`, in `orders` or in the archive, and no dead letter under its key"),
        some => format!(
            "there is no order `{id}`, but {} under its key could not be applied: see `orderstream dead-letters list --order {id}`",
            counted(some, "record", "records")
        ),
    });
    Exit::NoInput
}

/// An order's id as the command line says it.
pub(super) fn order_id(text: &str) -> Result<OrderId, String> {
    if (1..=MAX_ID_BYTES).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(format!("an order's id has 1 to {MAX_ID_BYTES} bytes, this has {}", text.len()))
    }
}

/// The most bytes of an order's id (DOMAIN section 2).
const MAX_ID_BYTES: usize = 128;
