//! `orderstream top`: a terminal screen over the workers' own metrics.
//!
//! It asks `/metrics` and nothing else: no database, no Kafka. Invariant: a worker that does not answer is shown as such, and never
//! ends the screen.

mod answers;
mod cells;
mod draw;
mod exposition;
mod fetch;
mod model;
mod plain;
mod scrape;
mod terminal;
#[cfg(test)]
mod tests;
mod trouble;

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use reqwest::Url;

use super::exit::Exit;
use super::output::{Format, Output, are_colours_welcome};
use super::{ConfigFile, complain, in_runtime, with_config};
use crate::config::units::parse_duration;
use draw::View;
use fetch::Workers;
use model::{Asked, Sort, screen};

/// The shortest time between two looks: counters have to grow meanwhile.
const INTERVAL_MIN: Duration = Duration::from_millis(200);

/// Which workers, and how.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// A worker's metrics, as in http://127.0.0.1:9464/metrics, or its host and port; may be repeated
    /// [default: metrics.listen of the configuration].
    #[arg(long, value_name = "URL", value_parser = fetch::url)]
    url: Vec<Url>,
    /// Prints one screen as text and ends, as it does where standard output is no terminal. Looks twice, for the rates.
    #[arg(long)]
    once: bool,
    /// How often it looks.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// What lanes are sorted by, the worst first.
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Sort::Seconds)]
    sort: Sort,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl TopArgs {
    /// Shows the screen.
    pub(super) fn run(&self) -> Exit {
        if self.url.is_empty() {
            return with_config(&self.file, |config| self.show(&[listening(config.metrics.listen)]));
        }
        self.show(&self.url)
    }

    fn show(&self, urls: &[Url]) -> Exit {
        let workers = match Workers::at(urls) {
            Ok(workers) => workers,
            Err(text) => {
                complain(text);
                return Exit::Unavailable;
            }
        };
        if self.once || self.output.output == Format::Json || !is_screen() {
            return self.print(workers);
        }
        let colours = are_colours_welcome();
        let view = View { sort: self.sort, colours, ..View::default() };
        terminal::show(workers, self.interval, view).unwrap_or_else(|error| {
            complain(format_args!("the terminal does not do what it is asked for ({error}): use --once"));
            Exit::TempFail
        })
    }

    /// One screen, of two looks. Where no worker answers, that is the exit code.
    fn print(&self, mut workers: Workers) -> Exit {
        let asked: Vec<Asked> = in_runtime(async {
            workers.ask().await;
            tokio::time::sleep(self.interval).await;
            workers.ask().await
        });
        let screen = screen(&asked, self.sort, false);
        let printed = self.output.answer(&screen, || plain::text(&screen));
        match printed {
            Exit::Ok if asked.iter().all(|asked| asked.answer.is_err()) => Exit::Unavailable,
            exit => exit,
        }
    }
}

/// Whether standard output can be drawn on, and keys be read.
fn is_screen() -> bool {
    let is_able = std::env::var("TERM").is_ok_and(|name| !name.is_empty() && name != "dumb");
    is_able && io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Where a worker of this configuration is asked from the same machine.
fn listening(mut address: SocketAddr) -> Url {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    fetch::url(&address.to_string()).expect("a socket's address is one of a URL")
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < INTERVAL_MIN {
        return Err("counters have to grow between two looks: use at least 200ms".to_owned());
    }
    Ok(interval)
}
