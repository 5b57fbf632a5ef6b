//! `orderstream journal export`: the journal as JSON lines, for analysts.
//!
//! Reads page by page outside of any transaction, since a journal row is never changed: a reader that takes its time, such as a
//! pager, holds back nobody. Invariant: memory is bounded by a page, and a file appears whole or not at all.

mod destination;
pub(super) mod entry;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigFile;
use super::database::with_database;
use super::exit::Exit;
use super::instant;
use super::order::order_id;
use super::output::{counted, progress};
use super::{complain, with_config};
use crate::config::Topics;
use crate::ids::{Lane, OrderId, Timestamp};
use crate::persist::history::{self, JournalRow, Stretch};
use crate::persist::{self, PgConnection};
use destination::Destination;
use entry::Entry;

/// What can be asked of the journal.
#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Writes every entry of a stretch of the journal as one JSON object a line, in the order of lane and row.
    #[command(after_help = "Times in the lines are microseconds since 1970, amounts are minor units.\n\n\
                      Example:\n  orderstream journal export --from 2026-01-01 --to 2026-01-02 -o jsonl day.jsonl \
                      --config orderstream.toml")]
    Export(ExportArgs),
}

/// Which entries, and where to.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Only what was applied at or after this instant, or since so long ago, such as 30m.
    #[arg(long, value_name = "TIME", value_parser = instant::parse_or_ago)]
    from: Option<Timestamp>,
    /// Only what was applied before this instant, or until so long ago.
    #[arg(long, value_name = "TIME", value_parser = instant::parse_or_ago)]
    to: Option<Timestamp>,
    /// Only this lane.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    lane: Option<i32>,
    /// Only entries of this order.
    #[arg(long, value_name = "ID", value_parser = order_id)]
    order: Option<OrderId>,
    /// Form of the lines.
    #[arg(short, long, value_name = "FORM", value_enum, default_value_t)]
    output: Form,
    /// The file that is written, in place of one that is there; standard output when left out.
    #[arg(value_name = "FILE")]
    destination: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Form {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// The same, under the name that it has in every command.
    Json,
}

impl JournalCommand {
    /// Asks and answers.
    pub(super) fn run(self) -> Exit {
        let Self::Export(asked) = self;
        if let (Some(from), Some(to)) = (asked.from, asked.to)
            && from >= to
        {
            let (from, to) = (instant::shown(from), instant::shown(to));
            complain(format_args!("--from `{from}` is not before --to `{to}`: give them the other way round"));
            return Exit::Usage;
        }
        with_config(&asked.file, |config| {
            with_database(&config, "export", async |connection| {
                Ok(match asked.export(connection, &config.topics).await {
                    Ok(()) => Exit::Ok,
                    Err(Failure::Database(error)) => return Err(error),
                    // A reader that has seen enough, such as `head`, is no failure.
                    Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
                    Err(Failure::Output(error)) => {
                        complain(format_args!("{} cannot be written: {error}", asked.destination_name()));
                        Exit::TempFail
                    }
                })
            })
        })
    }
}

/// Why an export ends early.
enum Failure {
    Database(persist::Error),
    Output(io::Error),
}

impl From<persist::Error> for Failure {
    fn from(error: persist::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl ExportArgs {
    async fn export(&self, connection: &mut PgConnection, topics: &Topics) -> Result<(), Failure> {
        // Both forms are lines: a document around a journal could not be read before its end.
        let (Form::Jsonl | Form::Json) = self.output;
        let mut out = Destination::open(self.destination.as_deref())?;
        let stretch = Stretch { from: self.from, to: self.to, lane: self.lane.map(Lane) };
        let spans = history::spans(connection, stretch).await?;
        let bar = progress("journal rows", spans.iter().map(|span| span.rows).sum());
        for span in spans {
            let (mut from, mut read) = (span.first, 0);
            loop {
                let page = history::page(connection, stretch, span, from).await?;
                let Some(last) = page.last() else { break };
                from = last.place.seq.next();
                for row in &page {
                    self.write(row, topics, &mut out)?;
                }
                read += page.len() as u64;
                bar.inc(page.len() as u64);
            }
            if read < span.rows {
                let dropped = usize::try_from(span.rows - read).unwrap_or(usize::MAX);
                complain(format_args!(
                    "{} of lane {} dropped by retention before they were read: they are not in the export",
                    counted(dropped, "row was", "rows were"),
                    span.lane
                ));
            }
        }
        bar.finish_and_clear();
        out.finish()?;
        Ok(())
    }

    fn write(&self, row: &JournalRow, topics: &Topics, out: &mut Destination) -> Result<(), Failure> {
        let entries = match &self.order {
            Some(order_id) => row.entries_of(order_id)?,
            None => row.entries()?,
        };
        for entry in &entries {
            serde_json::to_writer(&mut *out, &Entry::of(row.place, entry, topics)).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn destination_name(&self) -> String {
        self.destination.as_deref().map_or_else(|| "standard output".to_owned(), |path| format!("`{}`", path.display()))
    }
}
