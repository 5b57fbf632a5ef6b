//! What a SIGKILL costs whoever waits for status events: two workers as they are shipped, steady traffic, one of them is gone for good.
//!
//! The pause of a lane is from the kill to the first visible status event of a record that was sent after the kill; so it counts the
//! noticing, the rebalance, the claim, the end of what the dead one left open, and the way of the record itself. Invariant: the
//! checker has looked at all of it, and a run in which anything was lost or doubled is an error.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, json};

use super::arrivals::{self, Arrivals, Way};
use super::ground::Ground;
use super::pace::Pace;
use super::workload::Workload;
use super::{Extra, Options};
use crate::check;
use crate::watch::{Kill, Watch};

/// Events a second.
const RATE: u32 = 2_000;
/// How long traffic goes on before the kill.
const BEFORE: Duration = Duration::from_secs(5);
/// How long it goes on after it. Who is away for longer is waited for.
const AFTER: Duration = Duration::from_secs(12);
/// More orders than there is time for.
const ORDERS: u64 = 1_000_000;
/// How often it is done.
const ROUNDS: usize = 3;

/// What one kill came to.
#[derive(Clone, Debug, PartialEq)]
struct Round {
    /// From the kill until the lanes of the dead worker were back, each with its number; in seconds.
    back: Vec<(i32, f64)>,
    /// The longest time after the kill in which any lane, whoever has it, said nothing; in seconds.
    longest_silence: f64,
}

/// Kills a worker, several times on a stage of its own each, and takes the worst of all lanes and rounds.
///
/// # Errors
/// A server does not answer, the lanes do not come back, or the checker finds a difference.
pub async fn measure(ground: &mut Ground, options: &Options) -> Result<Extra> {
    let (mut rounds, count) = (Vec::new(), if options.quick { 1 } else { ROUNDS });
    for _ in 0..count {
        rounds.push(round(ground, options).await?);
    }
    Ok(told(&rounds))
}

async fn round(ground: &mut Ground, options: &Options) -> Result<Round> {
    let stage = ground.stage("takeover", options.partitions, &[]).await?;
    let deployment = &stage.deployment;
    let mut watch = Watch::over_two(stage.place(&ground.program)).await?;
    let arrivals = Arrivals::begin(deployment)?;
    let pace = Pace::start(deployment, Workload::local(ORDERS), RATE).await?;
    pace.until(BEFORE).await;
    let kill = watch.kill_for_good().await?;
    pace.until(BEFORE + AFTER).await;
    let paced = pace.end().await?;
    watch.until_published(paced.sent).await?;
    let ways = arrivals::ways(deployment, &arrivals.end().await?).await?;
    watch.stop_all().await?;
    drop(watch);
    let verdict = check::check(deployment).await?;
    ensure!(verdict.is_good(), "after the kill something differs:\n{}", verdict.text());
    let round = Round::of(&ways, &kill)?;
    ground.strike(stage).await?;
    Ok(round)
}

impl Round {
    fn of(ways: &[Way], kill: &Kill) -> Result<Self> {
        let killed = kill.at_millis * 1_000;
        ensure!(!kill.lanes.is_empty(), "worker `{}` had no lane when it was killed", kill.worker);
        let mut back = Vec::new();
        for lane in &kill.lanes {
            let after = ways.iter().filter(|way| way.lane == *lane && way.appointed > killed);
            let first = after.map(|way| way.visible).min();
            let first = first.with_context(|| format!("lane {lane} never came back after the kill"))?;
            back.push((*lane, seconds(first - killed)));
        }
        Ok(Self { back, longest_silence: longest_silence(ways, killed) })
    }

    /// Until all of them were back.
    fn takeover(&self) -> f64 {
        self.back.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max)
    }
}

/// The longest time between two visible status events of a lane, of which the second came after the kill.
fn longest_silence(ways: &[Way], killed: i64) -> f64 {
    let mut moments: Vec<(i32, i64)> = ways.iter().map(|way| (way.lane, way.visible)).collect();
    moments.sort_unstable();
    let pairs = moments.windows(2).filter(|pair| pair[0].0 == pair[1].0 && pair[1].1 > killed);
    seconds(pairs.map(|pair| pair[1].1 - pair[0].1).max().unwrap_or_default())
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn told(rounds: &[Round]) -> Extra {
    let worst = rounds.iter().map(Round::takeover).fold(0.0, f64::max);
    let silence = rounds.iter().map(|round| round.longest_silence).fold(0.0, f64::max);
    let of_rounds = rounds.iter().map(|round| {
        let lanes = round.back.iter().map(|(lane, seconds)| (lane.to_string(), json!(seconds)));
        json!({ "takeover_seconds": round.takeover(), "by_lane": Map::from_iter(lanes) })
    });
    let mut extra = Extra::default();
    extra.number("takeover_seconds", worst);
    extra.number("takeover_longest_silence_seconds", silence);
    extra.number("takeover_rounds", of_rounds.collect::<Vec<_>>());
    extra.line(format!(
        "after a SIGKILL of one of two workers all of its lanes were back within {worst:.1} s (worst of {}); \
         no lane said nothing for more than {silence:.1} s; nothing lost, nothing doubled",
        rounds.len()
    ));
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A status event of a lane every 100 ms, visible 20 ms later; lane 1 says nothing from 1 s to 4 s, and then all at once.
    fn ways() -> Vec<Way> {
        let way = |lane: i32, step: i64| {
            let appointed = step * 100_000;
            let held_back = lane == 1 && (10..40).contains(&step);
            let visible = if held_back { 4_000_000 } else { appointed + 20_000 };
            Way { lane, appointed, begun: visible, handed: visible, visible }
        };
        (0..60).flat_map(|step| [way(0, step), way(1, step)]).collect()
    }

    fn kill(lanes: &[i32]) -> Kill {
        Kill { worker: "worker-1".to_owned(), at_millis: 1_000, applied: 9, lanes: lanes.to_vec() }
    }

    #[test]
    fn a_lane_is_back_when_something_that_came_after_the_kill_is_told() {
        let round = Round::of(&ways(), &kill(&[1])).expect("it came back");
        assert_eq!(round.back, [(1, 3.0)]);
        assert_eq!((round.takeover(), round.longest_silence), (3.0, 3.08));
        let undisturbed = Round::of(&ways(), &kill(&[0])).expect("it was never away");
        assert_eq!(undisturbed.back, [(0, 0.12)]);
    }

    #[test]
    fn a_lane_that_does_not_come_back_is_an_error_and_no_pause() {
        let text = Round::of(&ways(), &kill(&[1, 2])).expect_err("nobody speaks for lane 2").to_string();
        assert!(text.contains("lane 2 never came back"), "{text}");
        assert!(Round::of(&ways(), &kill(&[])).is_err());
    }

    #[test]
    fn the_report_has_the_worst_of_all_rounds() {
        let round = |seconds: f64| Round { back: vec![(0, 0.5), (3, seconds)], longest_silence: seconds + 0.1 };
        let told = told(&[round(4.0), round(7.5), round(6.0)]);
        assert_eq!(told.numbers["takeover_seconds"], 7.5);
        assert_eq!(told.numbers["takeover_longest_silence_seconds"], 7.6);
        assert_eq!(told.numbers["takeover_rounds"][0]["by_lane"]["3"], 4.0);
    }
}
