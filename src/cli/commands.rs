//! The words of the command line: every command with its help, and which file does it.
//!
//! Invariant: each command shows an example in its help; a test looks at every one.

use std::io;

use clap::{Parser, Subcommand};

use super::config::ConfigCommand;
use super::exit::Exit;
use super::schema::SchemaCommand;
use super::{
    ConfigFile, archive, check, dead_letters, finish, fold, graph, health, journal, manual, metrics, migrate, order,
    orders, print, recover, rederive, repartition, run, tap, top, topics, verify, with_config,
};

/// A headless stream processor that drives the order state machine of a commerce platform, exactly once.
///
/// Reads payment, inventory and shipping events from Kafka, keeps every order's state in Postgres, and publishes each
/// change to Kafka.
#[derive(Debug, Parser)]
#[command(name = "orderstream", version, max_term_width = 100, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 64 wrong command line, 65 wrong input, 66 no input, 69 a server is not there, 70 a bug, \
75 try again, 78 wrong configuration, 130 Ctrl-C.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs one worker until SIGTERM.
    #[command(after_help = "Example:\n  orderstream run --config orderstream.toml\n\n\
        Exit code 0 means that it was asked to stop and drained; 69 that a server was not there for 60 s at the start, or its \
        port is taken; 70 a bug; 75 that it should be started again; 78 that something is set up wrong. The line `stopping` of \
        the log says what.")]
    Run(ConfigFile),
    /// Looks at everything that a worker needs, before one is started: configuration, Kafka, database, registry.
    ///
    /// Changes nothing but a transactional id of its own, which it takes over to see whether it may. Run it as the worker's user.
    #[command(after_help = "Examples:\n  orderstream check --config orderstream.toml\n  \
        orderstream check --offline\n  \
        orderstream check -o json | jq '.checks[] | select(.verdict != \"ok\")'\n\n\
        Exit code 0 means that a worker can start, though there may be warnings; 69 that a server is not there; \
        78 that something is set up wrong.")]
    Check(check::CheckArgs),
    /// Says how the worker on this machine is, for probes: from a file that it writes once a second, without a port or a server.
    ///
    /// Give it the configuration of the worker.
    #[command(after_help = "Examples:\n  orderstream health live --config orderstream.toml\n  \
        orderstream health ready && echo takes part in the group\n\n\
        Exit code 0 means yes; 69 that it does not live, 75 that it is not ready or not started yet; one line says why.")]
    Health(health::HealthArgs),
    /// Makes the database's tables, or brings them to this version.
    #[command(after_help = "Example:\n  orderstream migrate --config orderstream.toml\n\n\
        Exit code 0 means that the tables are at this version, also where nothing was left to do; 69 that the database is not \
        there; 78 that it refuses, or is at a version that this release does not know.")]
    Migrate(ConfigFile),
    /// About records that could not be applied.
    #[command(subcommand, after_help = "Example:\n  orderstream dead-letters list --config orderstream.toml")]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Folds the events of one order, without any server, and prints what they make of it.
    #[command(after_help = "Examples:\n  orderstream fold events.json --until 2026-01-02T00:00:00Z --emits\n  \
        orderstream fold -o json < events.json | jq -r .status\n\n\
        The answer is the view as status events have it; with --emits {view, emits}, where emits are statuses. \
        Exit code 65 means that an event is wrong, 66 that the file cannot be read; the message says which and why.")]
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
    /// About the topics: which are needed, making those that are missing, adding an input topic.
    #[command(subcommand, after_help = "Example:\n  orderstream topics plan --config orderstream.toml")]
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
    /// Derives every order anew under this release's rules and this configuration's policy, without --yes only counts.
    ///
    /// For after a change of the policy, or a release with other rules: without it, an order follows with its next event.
    #[command(after_help = "Example:\n  orderstream rederive --config orderstream.toml\n\n\
        Exit code 75 means that no worker takes the marks, 78 that the workers use another policy or release.")]
    Rederive(rederive::RederiveArgs),
    /// Moves orders that reached their end long ago out of the way, without --yes only counts them.
    ///
    /// They lose nothing: an event that comes later brings its order back as it was.
    #[command(after_help = "Example:\n  orderstream archive --older-than 90d --status COMPLETED --yes")]
    Archive(archive::ArchiveArgs),
    /// About one order.
    #[command(subcommand, after_help = "Example:\n  orderstream order explain ord-17 --config orderstream.toml")]
    Order(order::OrderCommand),
    /// About many orders.
    #[command(
        subcommand,
        after_help = "Example:\n  orderstream orders list --status CANCELLING --older-than 2h --config orderstream.toml"
    )]
    Orders(orders::OrdersCommand),
    /// About the journal: everything that was ever applied.
    #[command(
        subcommand,
        after_help = "Example:\n  orderstream journal export --from 24h -o json day.jsonl --config orderstream.toml"
    )]
    Journal(journal::JournalCommand),
    /// Folds the journal again and compares it with the stored orders: 0 when all is equal, 65 when something differs.
    #[command(after_help = "Example:\n  orderstream verify --config orderstream.toml")]
    Verify(verify::VerifyArgs),
    /// About our schemas in the registry.
    #[command(subcommand, after_help = "Example:\n  orderstream schema check --config orderstream.toml")]
    Schema(SchemaCommand),
    /// About the configuration.
    #[command(subcommand, after_help = "Example:\n  orderstream config check --config orderstream.toml")]
    Config(ConfigCommand),
    /// About what a worker says about itself.
    #[command(subcommand, after_help = "Example:\n  orderstream metrics list lag")]
    Metrics(metrics::MetricsCommand),
    /// Prints the completions of this command line for a shell.
    #[command(after_help = "Example:\n  orderstream completions bash > /etc/bash_completion.d/orderstream")]
    Completions(manual::CompletionsArgs),
    /// Prints the manual's page, or writes one for each command.
    #[command(after_help = "Examples:\n  orderstream man | man -l -\n  \
        orderstream man --directory /usr/local/share/man/man1")]
    Man(manual::ManArgs),
}

impl Command {
    /// Does what was asked.
    pub fn run(self) -> Exit {
        match self {
            Self::Run(file) => with_config(&file, run::run),
            Self::Check(args) => args.run(),
            Self::Health(args) => args.run(),
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
            Self::Schema(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Metrics(command) => command.run(),
            Self::Completions(args) => args.run(),
            Self::Man(args) => args.run(),
        }
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
    fn every_commands_and_every_groups_help_shows_an_example_that_reads() {
        fn below(command: &clap::Command) -> Vec<&clap::Command> {
            command.get_subcommands().flat_map(|below_it| [vec![below_it], below(below_it)].concat()).collect()
        }
        for command in below(&Cli::command()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("orderstream ") && help.contains(command.get_name()), "{}", command.get_name());
            if command.has_subcommands() {
                let example = help.lines().last().unwrap_or_default();
                assert!(parse(example.trim()).is_ok(), "{example}");
            }
        }
    }

    #[test]
    fn what_a_supervisor_or_a_script_starts_names_its_exit_codes() {
        let cli = Cli::command();
        let help = |name: &str| {
            let command = cli.find_subcommand(name).expect(name);
            command.get_after_help().map(ToString::to_string).unwrap_or_default()
        };
        for (name, codes) in [
            ("run", &["0", "69", "70", "75", "78"][..]),
            ("migrate", &["0", "69", "78"]),
            ("check", &["0", "69", "78"]),
            ("health", &["0", "69", "75"]),
            ("fold", &["65", "66"]),
        ] {
            let help = help(name);
            let said: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric()).collect();
            assert!(help.contains("Exit code"), "{name}: {help}");
            codes.iter().for_each(|code| assert!(said.contains(code), "{name} does not name {code}: {help}"));
        }
    }

    #[test]
    fn whatever_reads_takes_json() {
        for command in [
            "check",
            "health live",
            "config check",
            "config show",
            "fold",
            "graph",
            "journal export",
            "metrics list",
            "order show o",
            "order history o",
            "order explain o",
            "orders list",
            "dead-letters list",
            "dead-letters show 1",
            "schema list",
            "schema check",
            "tap",
            "top",
            "topics plan",
            "verify",
        ] {
            let line = format!("orderstream {command} -o json");
            assert!(parse(&line).is_ok(), "{line}");
        }
    }
}
