//! `orderstream tap`: the records of our topics as they come, decoded, for a person or a program that looks.
//!
//! It reads beside the workers: it joins no group and commits nothing, so it may run at any time and be ended at any time.
//! Invariant: a record that cannot be decoded is shown with the reason and does not end the tap.

mod line;
mod reading;
mod role;
mod start;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::exit::Exit;
use super::offline::Refusal;
use super::output::{Format, Output, colours, counted};
use super::{ConfigFile, complain, in_runtime, logging, with_config};
use crate::config::Config;
use crate::consume::follower::{Elsewhere, Follower, Isolation};
use crate::consume::heard::Heard;
use crate::consume::observer::Observer;
use crate::consume::partitioner::partition_of;
use crate::decode::reader::Reader;
use crate::decode::{Access, Registry, RegistryError};
use crate::ids::{Lane, Timestamp};
use crate::order::Source;
use line::Look;
use reading::Reading;
use role::{Role, Tapped, tapped, unknown_kind};
use start::From;

/// How many records are looked at before it is seen whether somebody wants to stop.
const ROUND: usize = 100;
/// How long to wait when nothing came.
const IDLE: Duration = Duration::from_millis(10);

/// Which records, from where, and how they are shown.
#[derive(Debug, Args)]
pub(super) struct TapArgs {
    /// Roles of topics: payment, inventory, shipping, order, status, command, dead-letter [default: all that are configured].
    #[arg(value_name = "ROLE")]
    role: Vec<Role>,
    /// A topic by its name; may be repeated. One that is in no role is shown as well.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    topic: Vec<String>,
    /// Where to begin, in each partition: beginning, end, an offset, -10 for ten before the end, an instant, or a time ago such as
    /// 30m [default: end; with --until-end: beginning].
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true, value_parser = From::parse)]
    from: Option<From>,
    /// Ends after so many records were shown.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Ends when everything is read that was there at the start; the topics' records are then in the order of their time.
    #[arg(long)]
    until_end: bool,
    /// Only records of this order, by their key or by what they say. Reads only the partitions that the key belongs to.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    order: Option<String>,
    /// Reads all partitions for that order: its producers may partition otherwise than by murmur2 of the key.
    #[arg(long, requires = "order")]
    all_partitions: bool,
    /// Only records of this event kind, status, command or reason of refusal; may be repeated.
    #[arg(long, value_name = "KIND", value_parser = NonEmptyStringValueParser::new())]
    kind: Vec<String>,
    /// Uncommitted shows records of open and of aborted transactions as well; Kafka does not say which those are.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Committed)]
    isolation: Level,
    /// Shows the records' headers too.
    #[arg(long)]
    headers: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// What consumers in read_committed see.
    Committed,
    /// Everything that was written.
    Uncommitted,
}

impl TapArgs {
    /// Taps until something ends it.
    pub(super) fn run(&self) -> Exit {
        with_config(&self.file, |config| {
            logging::start(&config.log);
            in_runtime(async {
                let ended = match self.open(&config) {
                    Ok(mut tap) => tap.run().await,
                    Err(refusal) => Err(refusal),
                };
                ended.unwrap_or_else(|refusal| match refusal {
                    Refusal::Database(error) => super::database::failed(&error),
                    Refusal::Because(exit, text) => {
                        complain(text);
                        exit
                    }
                })
            })
        })
    }

    fn open(&self, config: &Config) -> Result<Tap<'_>, Refusal> {
        let tapped = tapped(&config.topics, &self.role, &self.topic).map_err(Refusal::config)?;
        self.warn_of_kinds(&tapped);
        let registry = Registry::new(Access::from(&config.registry)).map_err(|error| no_registry(&error))?;
        let (schemas_max, record_max_bytes) = (config.registry.cache_capacity, config.worker.record_max_bytes);
        let reader = Reader::new(registry, schemas_max, record_max_bytes, config.topics.formats());
        let names: Vec<String> = tapped.iter().map(|tapped| tapped.topic.clone()).collect();
        let observer = Observer::open(&config.kafka, "tap").map_err(Refusal::config)?;
        let partitions = self.partitions(&observer.partition_counts(&names)?);
        let isolation = match self.isolation {
            Level::Committed => Isolation::Committed,
            Level::Uncommitted => Isolation::Uncommitted,
        };
        let from = self.from.unwrap_or(if self.until_end { From::Beginning } else { From::End });
        let start = from.seen_from(now());
        let (follower, elsewhere) = Follower::open(&config.kafka, isolation, &partitions, start, self.until_end)?;
        say_where(&elsewhere);
        if let Some(hint) = self.hint(io::stderr().is_terminal()) {
            complain(hint);
        }
        let roles = tapped.into_iter().map(|tapped| (tapped.topic, tapped.role)).collect();
        let inputs = config.topics.inputs().map(|(source, topic)| (topic.to_owned(), source)).collect();
        let out = io::stdout();
        let look = Look { colours: colours(), headers: self.headers };
        let out = BufWriter::new(out);
        Ok(Tap { args: self, roles, inputs, follower, reader, look, out, shown: 0, read: 0, trouble: None })
    }

    /// What a person is told who might wait for an end that does not come.
    fn hint(&self, to_a_person: bool) -> Option<&'static str> {
        let is_endless = !self.until_end && self.count.is_none();
        let hint = "shows what comes until Ctrl-C; --until-end ends where the topics end now";
        (is_endless && to_a_person).then_some(hint)
    }

    /// The partitions that are read of topics with so many.
    fn partitions(&self, counts: &[(String, i32)]) -> Vec<(Arc<str>, Lane)> {
        let of_topic = |(topic, count): &(String, i32)| {
            let topic: Arc<str> = topic.as_str().into();
            let all = (0..*count).map(Lane);
            let own = self.order.as_ref().filter(|_| !self.all_partitions).map(|id| partition_of(id, *count));
            all.filter(move |lane| own.is_none_or(|own| own == *lane)).map(move |lane| (topic.clone(), lane)).collect()
        };
        let partitions: Vec<Vec<(Arc<str>, Lane)>> = counts.iter().map(of_topic).collect();
        partitions.concat()
    }

    /// A newer producer may send a kind that this release does not know; a misspelt one never comes.
    fn warn_of_kinds(&self, tapped: &[Tapped]) {
        let known: Vec<&str> = tapped.iter().flat_map(|tapped| tapped.role.kinds()).collect();
        self.kind.iter().filter_map(|kind| unknown_kind(kind, &known)).for_each(complain);
    }
}

/// A tap that is open.
struct Tap<'a> {
    args: &'a TapArgs,
    roles: BTreeMap<String, Role>,
    /// The input topics, tapped or not: dead letters come from them.
    inputs: BTreeMap<String, Source>,
    follower: Follower,
    reader: Reader,
    look: Look,
    out: BufWriter<Stdout>,
    shown: u64,
    read: u64,
    /// What was said last to keep records from coming.
    trouble: Option<String>,
}

impl Tap<'_> {
    async fn run(&mut self) -> Result<Exit, Refusal> {
        let ended = tokio::select! {
            ended = self.flow() => ended,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        };
        // Whoever does not read any more has been told of it, or does not want to know.
        _ = self.out.flush();
        let shown = counted(self.shown, "record", "records");
        complain(format_args!("{shown} shown, {} read", counted(self.read, "record", "records")));
        ended
    }

    async fn flow(&mut self) -> Result<Exit, Refusal> {
        loop {
            for _ in 0..ROUND {
                let Some(heard) = self.follower.take_next()? else {
                    self.wait_for_more().await?;
                    break;
                };
                self.read += 1;
                if let Err(error) = self.show(heard).await? {
                    return Ok(unwritable(&error));
                }
                if self.args.count == Some(self.shown) {
                    return Ok(Exit::Ok);
                }
            }
            if self.follower.is_done() {
                return Ok(Exit::Ok);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Shows a record, if it is one of those that are wanted.
    async fn show(&mut self, heard: Heard) -> Result<io::Result<()>, Refusal> {
        let role = self.roles.get(&*heard.topic).copied().unwrap_or(Role::Other);
        let input = self.input(role, &heard);
        let read = Reading::of(role, input, heard, &mut self.reader, now()).await;
        let reading = read.map_err(|error| no_registry(&error))?;
        let is_wanted = self.args.order.as_ref().is_none_or(|id| reading.is_of_order(id));
        if !is_wanted || !reading.is_of_kind(&self.args.kind) {
            return Ok(Ok(()));
        }
        self.shown += 1;
        Ok(match self.args.output.output {
            Format::Text => writeln!(self.out, "{}", line::text(&reading, self.look)),
            Format::Json => writeln!(self.out, "{}", line::json(&reading, self.look)),
        })
    }

    /// The input topic that a record's value was written for.
    fn input(&self, role: Role, heard: &Heard) -> Option<Source> {
        match role {
            Role::Input(source) => Some(source),
            Role::DeadLetter => {
                let topic = str::from_utf8(heard.header("orderstream-topic")?).ok()?;
                self.inputs.get(topic).copied()
            }
            Role::Status | Role::Command | Role::Other => None,
        }
    }

    /// Hands on what was written, and says what is wrong where Kafka does not answer.
    async fn wait_for_more(&mut self) -> Result<(), Refusal> {
        if self.out.flush().is_err() {
            // The next record's line says it; without one there is nothing to lose.
            return Ok(());
        }
        let trouble = self.follower.trouble();
        if trouble != self.trouble {
            if let Some(text) = &trouble {
                complain(format_args!("kafka: {text}; trying again"));
            }
            self.trouble = trouble;
        }
        tokio::time::sleep(IDLE).await;
        Ok(())
    }
}

/// Says where a partition begins elsewhere than at the offset that was asked for.
fn say_where(elsewhere: &[Elsewhere]) {
    let Some(Elsewhere { topic, partition, begins }) = elsewhere.first() else { return };
    let others = match elsewhere.len() - 1 {
        0 => String::new(),
        others => format!("; {} more begin elsewhere too", counted(others as u64, "partition", "partitions")),
    };
    complain(format_args!("`{topic}` partition {partition} has no such offset: it is read from {begins}{others}"));
}

/// A reader that has seen enough, such as `head`, is no failure.
fn unwritable(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Ok;
    }
    complain(format_args!("standard output cannot be written: {error}"));
    Exit::TempFail
}

fn no_registry(error: &RegistryError) -> Refusal {
    Refusal::Because(if error.denied { Exit::Config } else { Exit::Unavailable }, error.to_string())
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        tap: TapArgs,
    }

    fn args(line: &str) -> TapArgs {
        Line::try_parse_from(["tap"].into_iter().chain(line.split_whitespace())).expect(line).tap
    }

    #[test]
    fn the_command_line_reads_as_written() {
        let tap = args("status dead-letter --from -10 --count 3 --isolation uncommitted --headers -o json");
        assert_eq!(tap.role, [Role::Status, Role::DeadLetter]);
        assert_eq!((tap.from, tap.count, tap.headers), (Some(From::Last(10)), Some(3), true));
        for wrong in ["--count 0", "--all-partitions", "payments", "--from tomorrow", "--order="] {
            assert!(Line::try_parse_from(["tap"].into_iter().chain(wrong.split_whitespace())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_person_is_told_of_an_end_that_does_not_come_and_a_program_is_not() {
        let told = |line: &str, to_a_person| args(line).hint(to_a_person).is_some();
        assert!(told("", true) && told("--from beginning", true));
        assert!(!told("--until-end", true) && !told("--count 1", true) && !told("", false));
    }

    #[test]
    fn an_order_is_looked_for_where_its_key_belongs_unless_told_otherwise() {
        let counts = [("payments".to_owned(), 12), ("order-status".to_owned(), 3)];
        let of = |line: &str| args(line).partitions(&counts);
        assert_eq!(of("").len(), 15);
        assert_eq!(of("--order ord-1 --all-partitions").len(), 15);
        let own = [("payments".into(), partition_of("ord-1", 12)), ("order-status".into(), partition_of("ord-1", 3))];
        assert_eq!(of("--order ord-1"), own);
    }
}
