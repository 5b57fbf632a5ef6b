//! Rounds in turn: product, limit and baseline one after the other, and again, so that a machine that grows slow does so for all.
//!
//! Invariant: the limit of a round is made of the rows of the very product run before it.

use anyhow::{Context, Result};
use console::style;
use indicatif::HumanCount;
use orderstream::config::{self, Environment};

use super::ground::Ground;
use super::limit::Written;
use super::product::{self, Measured};
use super::workload::Workload;
use super::{Options, Part, limit, naive};
use crate::stage::Stage;

/// What all rounds came to, one number or run a round; empty where it was not to be measured.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// The product with about a thousand orders in flight.
    pub local: Vec<Measured>,
    /// The product with nearly every event of a batch on another order.
    pub scattered: Vec<Measured>,
    /// The rows of `local`, written by the leanest client.
    pub limit_local: Vec<Written>,
    /// The rows of `scattered`, likewise.
    pub limit_scattered: Vec<Written>,
    /// The naive baseline: events a second.
    pub naive: Vec<f64>,
}

impl Rounds {
    /// Holds one more round. What was measured of it is kept, also where something that comes after it fails.
    ///
    /// # Errors
    /// A server does not answer, somebody is too slow, or what came out is not whole.
    pub async fn hold(&mut self, ground: &mut Ground, options: &Options) -> Result<()> {
        let number = self.local.len().max(self.scattered.len()).max(self.naive.len()) + 1;
        let say = |what: &str, rate: f64| {
            eprintln!(
                "round {number}, {what}: {} events/s",
                style(HumanCount(rate.round() as u64)).bold().for_stderr()
            );
        };
        let both = [("local", Part::Local, options.local()), ("scattered", Part::Scattered, options.scattered())];
        for (what, part, workload) in both {
            if !options.has(part) && !options.has(Part::Limit) {
                continue;
            }
            let stage = ground.stage(what, options.partitions, &[]).await?;
            let measured = product::measure(ground, &stage, workload).await;
            let measured = measured.with_context(|| format!("the product on `{what}`"))?;
            say(what, measured.rate);
            let runs = if part == Part::Local { &mut self.local } else { &mut self.scattered };
            runs.push(measured);
            if options.has(Part::Limit) {
                let limit = limit::measure(ground, &stage, workload, writers(&stage)?).await;
                let limit = limit.with_context(|| format!("the limit of `{what}`"))?;
                say(&format!("the limit of {what}"), limit.rate);
                let limits = if part == Part::Local { &mut self.limit_local } else { &mut self.limit_scattered };
                limits.push(limit);
            }
            ground.strike(stage).await?;
        }
        if options.has(Part::Naive) {
            let stage = ground.stage("naive", options.partitions, &[]).await?;
            let rate = naive::measure(ground, &stage, options.naive()).await.context("the naive baseline")?;
            say("the naive baseline", rate);
            self.naive.push(rate);
            ground.strike(stage).await?;
        }
        Ok(())
    }
}

impl Options {
    /// As much of `local` as the naive baseline does within seconds.
    pub(super) fn naive(&self) -> Workload {
        let orders = if self.quick { 2_000 } else { 5_000 };
        Workload { orders: self.local().orders.min(orders), ..self.local() }
    }
}

/// How many writers the product has as it is configured on a stage.
fn writers(stage: &Stage) -> Result<i32> {
    let config =
        config::load(Some(stage.config.as_path()), &Environment::default()).context("the stage's configuration")?;
    Ok(i32::try_from(config.worker.writers)?)
}

/// The number in the middle, the lower one of two; none of none.
#[must_use]
pub fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied()
}

/// What one is of another that was measured in the same round, round by round; rounds that lack one of them are left out.
#[must_use]
pub fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

#[cfg(test)]
mod tests {
    use super::{median, ratios};

    #[test]
    fn each_round_has_a_ratio_of_its_own_and_one_that_broke_off_has_none() {
        assert_eq!(ratios(&[30.0, 80.0, 10.0], &[60.0, 100.0]), [0.5, 0.8]);
        assert!(ratios(&[], &[1.0]).is_empty());
    }

    #[test]
    fn the_median_is_the_number_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(1.0));
        assert_eq!(median([]), None);
    }
}
