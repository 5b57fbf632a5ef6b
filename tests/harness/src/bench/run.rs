//! One run of measurements: the ground, the rounds, what is measured beside them, and the report.
//!
//! Invariant: what was measured is written down, also where something that comes after it fails.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::ground::Ground;
use super::report::{Machine, Report};
use super::round::Rounds;
use super::{Extra, Options, Part, core, kafka_to_kafka, latency, memory, plot, sweep, takeover};
use crate::stack::Stack;
use crate::worker::Program;

/// What is measured in rounds.
const IN_ROUNDS: [Part; 4] = [Part::Local, Part::Scattered, Part::Limit, Part::Naive];

/// Measures, and writes `report.json` and plots into the directory of the options. What a failed measurement leaves in the servers, the next
/// run removes.
///
/// # Errors
/// A server does not answer, somebody else measures, somebody is too slow, or what came out is not whole.
pub async fn run(options: Options) -> Result<(Report, PathBuf)> {
    let mut ground = Ground::prepare(Stack::from_env()?, Program::beside_this()?, &options.directory).await?;
    let machine = Machine::look(&ground.stack).await?;
    let mut rounds = Rounds::default();
    if IN_ROUNDS.iter().any(|part| options.has(*part)) {
        for _ in 0..options.rounds {
            rounds.hold(&mut ground, &options).await?;
        }
        let subtitle = format!("median and rounds of one run, {} processors for everything", machine.processors);
        let contests = plot::throughput::contests(&rounds);
        options.leave("throughput.svg", &plot::throughput::draw(&contests, "Throughput", &subtitle))?;
    }
    let mut extra = Extra::default();
    let mut failed = Ok(());
    for part in &options.parts {
        failed = beside(*part, &mut ground, &options, &mut extra).await;
        if failed.is_err() {
            break;
        }
    }
    let report = Report { options, machine, rounds, extra };
    let path = report.options.directory.join("report.json");
    let json = serde_json::to_string_pretty(&report.json())? + "\n";
    std::fs::write(&path, json).with_context(|| format!("`{}` cannot be written", path.display()))?;
    failed.with_context(|| format!("what was measured before is in `{}`", path.display()))?;
    Ok((report, path))
}

/// Measures what is measured once, beside the rounds.
async fn beside(part: Part, ground: &mut Ground, options: &Options, extra: &mut Extra) -> Result<()> {
    let measured = match part {
        Part::Local | Part::Scattered | Part::Limit | Part::Naive => return Ok(()),
        Part::Latency => latency::measure(ground, options).await,
        Part::Takeover => takeover::measure(ground, options).await,
        Part::Memory => memory::measure(ground, options).await,
        Part::Sweep => sweep::measure(ground, options).await,
        Part::KafkaToKafka => kafka_to_kafka::measure(ground, options, extra).await.map(|()| Extra::default()),
        Part::Core => core::measure(options).await,
    };
    extra.add(measured.with_context(|| format!("{part:?}"))?);
    Ok(())
}
