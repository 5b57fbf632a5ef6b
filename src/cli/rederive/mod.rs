//! `orderstream rederive`: derives every order anew under this release's rules and this configuration's policy, says how the results
//! differ from what is stored, and has the workers do it.
//!
//! Reads a page at a time, without locks. Invariant: nothing is changed here but marks: nobody but a lane's owner writes its
//! orders and its journal, so what changes is emitted by the workers, once, under the next version.

mod difference;
mod marking;
mod summary;

use clap::Args;

use super::database::with_database;
use super::exit::Exit;
use super::output::{self, Output};
use super::{ConfigFile, complain, with_config};
use crate::config::Config;
use crate::persist::{self, PgConnection, archive, census, marks};
use difference::{Difference, Rules};
use marking::{Marking, NobodyWorks};
use summary::{Done, Summary};

/// Orders that are read with one statement.
const PAGE: i64 = 1_000;

/// Whether, and whether to wait.
#[derive(Debug, Args)]
pub(super) struct RederiveArgs {
    /// Says how many orders would come out differently and how, and changes nothing; so it is without --yes, too.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Marks those that differ, and waits until the workers have derived them anew.
    #[arg(long)]
    yes: bool,
    /// Ends when the orders are marked, and does not wait for the workers.
    #[arg(long, requires = "yes", conflicts_with = "dry_run")]
    no_wait: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl RederiveArgs {
    /// Compares, marks, waits, and says what came of it.
    pub(super) fn run(&self) -> Exit {
        with_config(&self.file, |config| {
            with_database(&config, "rederive", async |connection| {
                let prefix = persist::Settings::of(&config.database, "cli")?.application_prefix();
                let mut marking = self.yes.then(|| Marking::new(&prefix));
                let (mut summary, mut nobody) = survey(connection, &config, marking.as_mut()).await?;
                if let Some(marking) = &mut marking {
                    let mut done = Done { marked: marking.marked, still_differ: None };
                    if nobody.is_none() && !self.no_wait && summary.differ > 0 {
                        nobody = marking.wait(connection).await?;
                        if nobody.is_none() {
                            done.still_differ = Some(survey(connection, &config, None).await?.0.differ);
                        }
                    }
                    summary.done = Some(done);
                }
                let answered = self.output.answer(&summary, || summary.text());
                Ok(exit(answered, &summary, nobody))
            })
        })
    }
}

/// Derives every order anew, and marks those that differ where there is a marking.
async fn survey(
    connection: &mut PgConnection,
    config: &Config,
    mut marking: Option<&mut Marking<'_>>,
) -> persist::Result<(Summary, Option<NobodyWorks>)> {
    let rules = Rules { policy: config.order_policy(), sends: config.topics.command.is_some() };
    let bar = output::progress("orders derived", census::about(connection).await?);
    let mut summary = Summary { archived: archive::count(connection).await?, ..Summary::default() };
    let mut after = String::new();
    loop {
        let page = marks::page(connection, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.order_id.to_string();
        let mut differ = Vec::new();
        for stored in &page {
            if let Some(difference) = Difference::of(stored, &rules) {
                summary.add(&stored.order_id, difference);
                differ.push(stored.order_id.as_str());
            }
        }
        summary.orders += page.len() as u64;
        bar.inc(page.len() as u64);
        if let Some(marking) = marking.as_deref_mut().filter(|_| !differ.is_empty())
            && let Some(nobody) = marking.mark(connection, &differ).await?
        {
            bar.finish_and_clear();
            return Ok((summary, Some(nobody)));
        }
    }
    bar.finish_and_clear();
    Ok((summary, None))
}

fn exit(answered: Exit, summary: &Summary, nobody: Option<NobodyWorks>) -> Exit {
    if let Some(NobodyWorks(text)) = nobody {
        complain(text);
        return Exit::TempFail;
    }
    let still = summary.done.and_then(|done| done.still_differ).unwrap_or(0);
    if still > 0 {
        complain(format_args!(
            "{still} orders still differ: the running workers use another policy or another release than this command; give all of them this configuration, then run it again; or the database refuses what they make of them, then their logs say so"
        ));
        return Exit::Config;
    }
    answered
}
