//! The command line: what can be asked of `orderstream`, one file a command.
//!
//! Each command returns how it ended (`exit.rs`); nothing else in the program calls `exit`. Invariant: what a command
//! prints as its result goes to standard output, everything about how it went to standard error.

mod archive;
mod change;
mod config;
mod database;
mod dead_letters;
mod differences;
pub mod exit;
pub mod explanation;
pub mod fold;
pub mod graph;
mod instant;
mod journal;
mod logging;
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
mod topics;
mod verify;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Environment, load};
use exit::Exit;

/// A headless stream processor that drives the order state machine of a commerce platform, exactly once.
///
/// Reads payment, inventory and shipping events from Kafka, keeps every order's state in Postgres, and publishes each
/// change to Kafka.
#[derive(Debug, Parser)]
#[command(name = "orderstream", version, max_term_width = 100, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 64 wrong command line, 65 wrong input, 66 no input, 69 a server is not there, 70 a bug, \
75 try again, 78 wrong configuration, 130 Ctrl-C.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one worker until SIGTERM.
    #[command(after_help = "Example:\n  orderstream run --config orderstream.toml")]
    Run(ConfigFile),
    /// Makes the database's tables, or brings them to this version.
    #[command(after_help = "Example:\n  orderstream migrate --config orderstream.toml")]
    Migrate(ConfigFile),
    /// About records that could not be applied.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Folds the events of one order, without any server, and prints what they make of it.
    #[command(after_help = "Example:\n  orderstream fold events.json --until 2026-01-02T00:00:00Z --emits")]
    Fold(fold::FoldArgs),
    /// Draws the statuses of an order and the ways between them, as the rules of this program take them.
    #[command(after_help = "Example:\n  orderstream graph -o dot --late | dot -Tsvg > states.svg")]
    Graph(graph::GraphArgs),
    /// Sets a deployment right that went apart: a restored database, an input topic that was made again or lost unread records.
    ///
    /// Works only while no worker runs. Without --yes it says what it found and what it would do.
    #[command(after_help = "Examples:\n  orderstream recover --config orderstream.toml\n  \
        orderstream recover --yes --note \"restored the backup of 02:00\"\n  \
        orderstream recover --input-topic payments --from earliest --yes\n\n\
        Exit code 75 means that somebody works on it, 78 that an option is needed to go on; the message says which.")]
    Recover(recover::RecoverArgs),
    /// Moves orders to other lanes after partitions were added to the input topics; without --yes it only counts them.
    #[command(after_help = "Example:\n  orderstream repartition --config orderstream.toml --yes\n\n\
        Exit code 75 means that somebody works on it: stop all workers first.")]
    Repartition(repartition::RepartitionArgs),
    /// About the input topics.
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// A screen over the metrics of running workers: lanes, rates, lag, latencies, orders, troubles.
    #[command(after_help = "Examples:\n  orderstream top --config orderstream.toml\n  \
        orderstream top --url http://w1:9464/metrics --url http://w2:9464/metrics\n  orderstream top --url w1:9464 --once -o json\n\n\
        Exit code 69 with --once means that no worker answers; q ends the screen with 0, Ctrl-C with 130.")]
    Top(top::TopArgs),
    /// Shows the records of our topics as they come, decoded. Joins no group and commits nothing.
    #[command(after_help = "Examples:\n  orderstream tap --config orderstream.toml\n  \
        orderstream tap --order ord-1 --until-end\n  orderstream tap status --kind CANCELLED --from 2h -o json\n\n\
        With -o json each record is one object on a line. Exit code 130 is Ctrl-C, 69 that Kafka or the registry is away, \
        78 that a topic is not there.")]
    Tap(tap::TapArgs),
    /// Derives every order anew under this release's rules and this configuration's policy.
    ///
    /// For after a change of the policy, or a release with other rules: without it, an order follows with its next event.
    #[command(after_help = "Example:\n  orderstream rederive --dry-run --config orderstream.toml\n\n\
        Exit code 75 means that no worker takes the marks, 78 that the workers use another policy or release.")]
    Rederive(rederive::RederiveArgs),
    /// Moves orders that reached their end long ago out of the way, without --yes only counts them.
    ///
    /// They lose nothing: an event that comes later brings its order back as it was.
    #[command(after_help = "Example:\n  orderstream archive --older-than 90d --status COMPLETED --yes")]
    Archive(archive::ArchiveArgs),
    /// About one order.
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// About many orders.
    #[command(subcommand)]
    Orders(orders::OrdersCommand),
    /// About the journal: everything that was ever applied.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    /// Folds the journal again and compares it with the stored orders: 0 when all is equal, 65 when something differs.
    #[command(after_help = "Example:\n  orderstream verify --config orderstream.toml")]
    Verify(verify::VerifyArgs),
    /// About the schemas of what is published.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// About the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Registers them in the schema registry, each under its topic.
    #[command(after_help = "Example:\n  orderstream schema register --config orderstream.toml")]
    Register(ConfigFile),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints a configuration file with every setting, what it is for and its default.
    #[command(after_help = "Example:\n  orderstream config example > orderstream.toml")]
    Example,
    /// Says everything that is wrong with the configuration, without any server.
    #[command(
        after_help = "Example:\n  ORDERSTREAM__KAFKA__BROKERS=kafka:9092 orderstream config check --config base.toml"
    )]
    Check(ConfigFile),
}

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

impl Command {
    fn run(self) -> Exit {
        match self {
            Self::Run(file) => with_config(&file, run::run),
            Self::Migrate(file) => with_config(&file, migrate::run),
            Self::DeadLetters(command) => command.run(),
            Self::Fold(args) => {
                finish(fold::run(&args, io::stdin().lock(), io::stdout().lock()), fold::FoldError::exit_code)
            }
            Self::Graph(args) => print(&graph::drawn(&args)),
            Self::Recover(args) => args.run(),
            Self::Repartition(args) => args.run(),
            Self::Topics(command) => command.run(),
            Self::Tap(args) => args.run(),
            Self::Top(args) => args.run(),
            Self::Rederive(args) => args.run(),
            Self::Archive(args) => args.run(),
            Self::Order(command) => command.run(),
            Self::Orders(command) => command.run(),
            Self::Journal(command) => command.run(),
            Self::Verify(asked) => asked.run(),
            Self::Schema(SchemaCommand::Register(file)) => with_config(&file, |config| {
                logging::start(&config.log);
                finish(in_runtime(schema::register(&config)), schema::exit)
            }),
            Self::Config(ConfigCommand::Example) => config::example(),
            Self::Config(ConfigCommand::Check(file)) => with_config(&file, |config| config::check(&config)),
        }
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
        Err(problems) => {
            let found = match problems.count() {
                1 => "1 problem".to_owned(),
                many => format!("{many} problems"),
            };
            complain(format_args!("{found} in the configuration\n{problems}"));
            Exit::Config
        }
    }
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_read_as_written() {
        assert!(matches!(
            parse("orderstream run --config a.toml").unwrap().command,
            Command::Run(ConfigFile { config: Some(path) }) if path.to_str() == Some("a.toml")
        ));
        assert!(matches!(parse("orderstream migrate").unwrap().command, Command::Migrate(ConfigFile { config: None })));
        assert!(parse("orderstream config check --config a.toml").is_ok());
        assert!(parse("orderstream schema register").is_ok());
    }

    #[test]
    fn a_wrong_command_line_exits_with_64_and_help_with_0() {
        for wrong in ["orderstream", "orderstream rum", "orderstream run --confg a", "orderstream config"] {
            assert!(parse(wrong).unwrap_err().use_stderr(), "{wrong}");
        }
        for right in ["orderstream --help", "orderstream run --help", "orderstream --version"] {
            assert!(!parse(right).unwrap_err().use_stderr(), "{right}");
        }
    }

    #[test]
    fn every_commands_help_shows_an_example() {
        fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
            if !command.has_subcommands() {
                return vec![command];
            }
            command.get_subcommands().flat_map(leaves).collect()
        }
        for leaf in leaves(&Cli::command()) {
            let example = leaf.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("orderstream ") && example.contains(leaf.get_name()), "{}", leaf.get_name());
        }
    }
}
