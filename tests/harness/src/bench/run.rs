//! One run of measurements: the ground, the rounds, what is measured beside them, and the report.
//!
//! Invariant: after each step, what was measured until then is written down, so that no failure and no interrupt takes it away.

use std::path::PathBuf;

use anyhow::{Context, Result};
use indicatif::HumanCount;

use super::ground::Ground;
use super::machine::Machine;
use super::report::Report;
use super::{Extra, Options, Part, core, idle, kafka_to_kafka, latency, memory, plot, sweep, takeover};
use crate::stack::Stack;
use crate::worker::Program;

/// What is measured in rounds.
const IN_ROUNDS: [Part; 4] = [Part::Local, Part::Scattered, Part::Limit, Part::Naive];

/// What is measured one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// One more round.
    Round,
    /// What is measured once, beside the rounds.
    Beside(Part),
}

/// Measures, and writes `report.json` and plots into the directory of the options. What a failed measurement leaves in the servers, the next
/// run removes.
///
/// # Errors
/// A server does not answer, somebody else measures, somebody is too slow, or what came out is not whole.
pub async fn run(options: Options) -> Result<(Report, PathBuf)> {
    let mut ground = Ground::prepare(Stack::from_env()?, Program::beside_this()?, &options.directory).await?;
    let mut report = Report::begin(options, Machine::look(&ground.stack).await?);
    let path = in_turn(&mut report, async |Report { options, rounds, extra, .. }, step| match step {
        Step::Round => rounds.hold(&mut ground, options).await,
        Step::Beside(part) => beside(part, &mut ground, options, extra).await,
    });
    let path = path.await?;
    Ok((report, path))
}

/// Takes one step after the other, and writes after each what is there by then, whether it failed or not.
async fn in_turn(report: &mut Report, mut take: impl AsyncFnMut(&mut Report, Step) -> Result<()>) -> Result<PathBuf> {
    for step in steps(&report.options) {
        if let Err(failed) = take(report, step).await {
            let path = leave(report).context("what was measured before is lost")?;
            return Err(failed.context(format!("what was measured before is in `{}`", path.display())));
        }
        leave(report)?;
    }
    report.is_complete = true;
    leave(report)
}

/// Writes the report, and the plot of the rounds.
fn leave(report: &mut Report) -> Result<PathBuf> {
    report.course.look();
    let Report { options, machine, rounds, .. } = &*report;
    let contests = plot::throughput::contests(rounds);
    if !contests.is_empty() {
        let mut subtitle = format!("median and rounds of one run, {} processors for everything", machine.processors);
        if !rounds.naive.is_empty() {
            let events = HumanCount(options.naive().events());
            subtitle += &format!("; a transaction an event: {events} events only");
        }
        options.leave("throughput.svg", &plot::throughput::draw(&contests, "Throughput", &subtitle))?;
    }
    let path = options.directory.join("report.json");
    let json = serde_json::to_string_pretty(&report.json())? + "\n";
    std::fs::write(&path, json).with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(path)
}

/// Everything that the options ask for.
fn steps(options: &Options) -> Vec<Step> {
    let has_rounds = IN_ROUNDS.iter().any(|part| options.has(*part));
    let rounds = (0..options.rounds).filter(|_| has_rounds).map(|_| Step::Round);
    let parts = options.parts.iter().filter(|part| !IN_ROUNDS.contains(*part));
    rounds.chain(parts.map(|part| Step::Beside(*part))).collect()
}

/// Measures what is measured once. What is in `extra` was measured, also where something that came after it failed.
async fn beside(part: Part, ground: &mut Ground, options: &Options, extra: &mut Extra) -> Result<()> {
    let measured = match part {
        Part::Local | Part::Scattered | Part::Limit | Part::Naive => return Ok(()),
        Part::Latency => latency::measure(ground, options).await,
        Part::Takeover => takeover::measure(ground, options).await,
        Part::Memory => memory::measure(ground, options).await,
        Part::Idle => idle::measure(ground, options).await,
        Part::Sweep => sweep::measure(ground, options, extra).await.map(|()| Extra::default()),
        Part::KafkaToKafka => kafka_to_kafka::measure(ground, options, extra).await.map(|()| Extra::default()),
        Part::Core => core::measure(options).await,
    };
    extra.add(measured.with_context(|| format!("{part:?}"))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use serde_json::Value as Json;

    use super::*;

    fn report(name: &str, parts: &[Part]) -> Report {
        let directory = std::env::temp_dir().join(format!("orderstream-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let (parts, sweep_of) = (parts.to_vec(), Vec::new());
        let options = Options { parts, quick: false, rounds: 3, events: None, partitions: 8, sweep_of, directory };
        let postgres = "15".to_owned();
        let machine = Machine { commit: None, processors: 2, processor: None, memory_mib: None, postgres, kafka: None };
        Report::begin(options, machine)
    }

    /// What stands in the file of a report, which is removed.
    fn written(report: &Report) -> Json {
        let text = std::fs::read_to_string(report.options.directory.join("report.json")).expect("it was written");
        std::fs::remove_dir_all(&report.options.directory).expect("it is removed");
        serde_json::from_str(&text).expect("JSON")
    }

    #[tokio::test]
    async fn a_round_that_fails_takes_nothing_away_that_was_measured_before() {
        let mut report = report("fails", &[Part::Naive, Part::Core]);
        let mut taken = Vec::new();
        let failed = in_turn(&mut report, async |report, step| {
            taken.push(step);
            if taken.len() == 3 {
                bail!("the third round fails");
            }
            report.rounds.naive.push(1_000.0 * taken.len() as f64);
            Ok(())
        });
        let text = format!("{:#}", failed.await.expect_err("it failed"));
        assert!(text.ends_with("report.json`: the third round fails"), "{text}");
        assert_eq!(taken, [Step::Round; 3], "nothing is measured after it");
        let plot = report.options.directory.join("throughput.svg");
        assert!(std::fs::read_to_string(plot).expect("a plot").contains("30,000 events only"));
        let written = written(&report);
        assert_eq!((&written["naive_eps"], &written["complete"]), (&1_000.0.into(), &false.into()));
        assert_eq!(written["rounds"]["naive_eps"], serde_json::json!([1_000.0, 2_000.0]));
    }

    #[tokio::test]
    async fn every_step_is_taken_and_what_it_came_to_stands_there_before_the_next_begins() {
        let mut report = report("whole", &[Part::Local, Part::Limit, Part::Core, Part::Memory]);
        let path = report.options.directory.join("report.json");
        let mut taken = Vec::new();
        let whole = in_turn(&mut report, async |report, step| {
            if let Some(last) = taken.last() {
                let text = std::fs::read_to_string(&path)?;
                assert!(text.contains(&format!("{last:?}")) && text.contains("\"complete\": false"), "{text}");
            }
            report.extra.number(format!("{step:?}"), taken.len());
            taken.push(step);
            Ok(())
        });
        assert_eq!(whole.await.expect("nothing failed"), path);
        let [round, core, memory] = [Step::Round, Step::Beside(Part::Core), Step::Beside(Part::Memory)];
        assert_eq!(taken, [round, round, round, core, memory]);
        assert_eq!(written(&report)["complete"], true);
    }
}
