//! `orderstream check`: everything that a worker needs, looked at before one is started. Changes nothing and joins no group.
//!
//! It asks with the code of a worker's own start (`pipeline/start.rs`) and goes on where that stops: one thing that is wrong does not
//! keep the others from being looked at. Invariant: every check has a row, also one that could not be made.

mod database;
mod kafka;
mod registry;
mod report;
mod telemetry;
mod topics;

use clap::Args;

use super::exit::Exit;
use super::output::Output;
use super::{ConfigFile, config, in_runtime, logging};
use crate::config::{Config, Environment, load};
use report::{Report, Verdict};

const CONFIGURATION: &str = "configuration";
/// What else there is to look at when a configuration cannot be used.
const SERVERS: [&str; 3] = ["kafka", "database", "registry"];

/// How far to look.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Looks at the configuration only and asks no server.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

impl CheckArgs {
    /// Looks at everything and says what it found.
    pub(super) fn run(&self) -> Exit {
        let mut report = Report::default();
        let config = load(self.file.config.as_deref(), &Environment::of_process());
        match config {
            Ok(config) => self.look(&config, &mut report),
            Err(problems) => {
                for problem in problems.iter() {
                    report.wrong(CONFIGURATION, problem.place.to_string(), &problem.text);
                }
                self.skip_servers(&mut report);
            }
        }
        let answered = self.output.answer(&report, || report.text());
        if answered == Exit::Ok { report.exit() } else { answered }
    }

    fn look(&self, config: &Config, report: &mut Report) {
        let given = config::given(config);
        report.ok(CONFIGURATION, "settings", format!("{given} given, the others are at their defaults"));
        let unusable = config::unusable(config);
        for text in &unusable {
            report.wrong(CONFIGURATION, "client libraries", text);
        }
        if unusable.is_empty() {
            report.ok(CONFIGURATION, "client libraries", "they take every property, certificate and key");
        }
        if self.offline {
            return;
        }
        if report.count(Verdict::Wrong) > 0 {
            return self.skip_servers(report);
        }
        logging::start(&config.log);
        in_runtime(async {
            let kafka = kafka::look(config, report).await;
            database::look(config, kafka.as_ref(), report).await;
            registry::look(config, report).await;
            telemetry::look(config, report).await;
        });
    }

    fn skip_servers(&self, report: &mut Report) {
        for server in SERVERS.into_iter().filter(|_| !self.offline) {
            report.not_checked(server, &["everything"], "the configuration is wrong");
        }
    }
}
