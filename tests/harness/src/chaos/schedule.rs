//! Which faults a run meets, when, and for how long: decided by the seed alone, before anything runs.
//!
//! Pure. Invariant: the same plan is the same schedule, on every machine, and each fault is healed by its end. Kinds are dealt like
//! cards, so none comes again long before all have come, and within a kind so are those that it can happen to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::fault::{Fault, Kind, Target};
use crate::traffic::Dice;

/// Before the first fault, so that the picture shows what undisturbed looks like.
const CALM: Duration = Duration::from_secs(3);
/// Between the beginnings of two faults, in milliseconds: about nine a minute.
const PAUSE: (i64, i64) = (4_000, 9_000);
/// How long to wait where nothing fits.
const STEP: Duration = Duration::from_millis(500);
/// How long two brokers may be away together.
const TWO_BROKERS: Duration = Duration::from_secs(5);

/// What a schedule is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How long faults are injected; by then all of them are healed.
    pub lasts: Duration,
    /// The kinds that may occur.
    pub kinds: Vec<Kind>,
    /// How many workers there are.
    pub workers: u8,
}

/// The faults of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// In the order in which they are injected.
    pub faults: Vec<Fault>,
    /// What stands at the end, after everything else has been judged, as nothing heals it.
    pub finale: Option<Fault>,
}

impl Schedule {
    /// The schedule of a plan. With few kinds it may hold fewer faults than five a minute: as many as fit.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut dealer = Dealer::new(plan);
        let mut faults: Vec<Fault> = Vec::new();
        let mut at = CALM;
        while at < plan.lasts {
            let open: Vec<&Fault> = faults.iter().filter(|fault| fault.until() > at).collect();
            let next = dealer.deal(at, &open);
            at += next.as_ref().map_or(STEP, |_| millis(dealer.dice.between(PAUSE.0, PAUSE.1)));
            faults.extend(next);
        }
        let finale = plan.kinds.contains(&Kind::PartitionsAdded).then(|| Fault {
            kind: Kind::PartitionsAdded,
            target: Target::Inputs,
            at: plan.lasts,
            lasts: Duration::ZERO,
            chance: dealer.dice.below(u64::MAX),
        });
        Self { faults, finale }
    }
}

/// Deals kinds and targets.
struct Dealer {
    dice: Dice,
    end: Duration,
    kinds: Deck<Kind>,
    targets: BTreeMap<Kind, Deck<Target>>,
}

impl Dealer {
    fn new(plan: &Plan) -> Self {
        let wanted = |kind: &Kind| plan.kinds.contains(kind) && *kind != Kind::PartitionsAdded;
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(wanted).collect();
        let is_there = |target: &Target| !matches!(target, Target::Worker(place) if *place >= plan.workers);
        let targets = |kind: &Kind| (*kind, Deck::of(kind.targets().into_iter().filter(is_there).collect()));
        let targets = kinds.iter().map(targets).collect();
        Self { dice: Dice::new(plan.seed, 0), end: plan.lasts, kinds: Deck::of(kinds), targets }
    }

    /// The next fault that can begin at this moment beside those that are open, and end in time.
    fn deal(&mut self, at: Duration, open: &[&Fault]) -> Option<Fault> {
        let Self { dice, end, kinds, targets } = self;
        let (chance, share) = (dice.below(u64::MAX), dice.between(0, 1_000));
        let left = end.saturating_sub(at);
        kinds.draw(dice, |dice, kind| {
            let (shortest, longest) = span(*kind);
            let lasts = millis(shortest + (longest - shortest) * share / 1_000).min(left);
            let targets = targets.get_mut(kind).expect("each kind in the deck has targets");
            targets.draw(dice, |_, target| {
                let fault = Fault { kind: *kind, target: *target, at, lasts, chance };
                (lasts >= millis(shortest) && can_begin(&fault, open)).then_some(fault)
            })
        })
    }
}

/// How long a fault of this kind lasts at least and at most, in milliseconds.
///
/// Long enough to be noticed by whoever has a timeout for it (a session is 8 s, a broker's 9 s), and short enough that what heals
/// itself in life has healed before a watchdog of 60 s calls for a restart.
fn span(kind: Kind) -> (i64, i64) {
    match kind {
        Kind::BackendsTerminated | Kind::LinkReset | Kind::LinkTear => (500, 3_000),
        Kind::WorkerKill | Kind::WorkerStop => (500, 6_000),
        Kind::PostgresCrash => (1_000, 7_000),
        Kind::BrokerKill | Kind::BrokerStop | Kind::BrokerRestart | Kind::AbortedTransactions => (3_000, 11_000),
        Kind::BrokerFreeze
        | Kind::LinkDelay
        | Kind::LinkLoss
        | Kind::LinkSlow
        | Kind::LocksHeld
        | Kind::DatabaseDiskFull
        | Kind::ConnectionLimit
        | Kind::WorkerDiskFull
        | Kind::WorkerDescriptors
        | Kind::RegistryDown
        | Kind::RegistrySlow
        | Kind::RegistryNonsense => (4_000, 14_000),
        Kind::WorkerFreeze => (9_500, 15_000),
        Kind::ScaleOut | Kind::ScaleIn | Kind::RebalanceStorm | Kind::ClockJump => (8_000, 20_000),
        Kind::PartitionsAdded => (0, 0),
    }
}

/// Whether a fault may begin while others are open. Excluded is what no deployment survives by design, or what the second injury
/// would undo of the first:
///
/// * Two faults of one worker, of Postgres, of the registry, of the same link: a killed worker cannot be frozen, and a crashed
///   server has no locks to hold.
/// * Three brokers away, or two for longer than [`TWO_BROKERS`]: with two of three away nothing can be written (min in-sync 2), which
///   everybody has to wait out, so it happens, but briefly; else a run would show little but waiting.
///
/// All workers away at once, a broker away while the others cannot reach each other, and the database away while nobody can
/// reach Kafka are fair: they end.
fn can_begin(new: &Fault, open: &[&Fault]) -> bool {
    let is_broker = |fault: &Fault| matches!(fault.target, Target::Broker(_));
    let brokers: Vec<&&Fault> = open.iter().filter(|fault| is_broker(new) && is_broker(fault)).collect();
    let together = |other: &Fault| new.until().min(other.until()) - new.at;
    open.iter().all(|other| !is_same_victim(new, other))
        && brokers.len() < 2
        && brokers.iter().all(|other| together(other) <= TWO_BROKERS)
}

fn is_same_victim(new: &Fault, other: &Fault) -> bool {
    match new.target {
        Target::Workers => new.kind == other.kind,
        Target::Worker(_)
        | Target::Broker(_)
        | Target::Link(_)
        | Target::Postgres
        | Target::Registry
        | Target::Inputs => new.target == other.target,
    }
}

/// Cards that are dealt until none is left, then shuffled again.
struct Deck<T> {
    all: Vec<T>,
    left: Vec<T>,
}

impl<T: Copy> Deck<T> {
    fn of(all: Vec<T>) -> Self {
        Self { all, left: Vec::new() }
    }

    /// Deals the first card that makes something; where none of those left does, of the next round's.
    fn draw<R>(&mut self, dice: &mut Dice, mut make: impl FnMut(&mut Dice, &T) -> Option<R>) -> Option<R> {
        let mut tried = 0;
        loop {
            for place in tried..self.left.len() {
                if let Some(made) = make(dice, &self.left[place]) {
                    self.left.remove(place);
                    return Some(made);
                }
            }
            tried = self.left.len();
            if tried >= self.all.len() {
                return None;
            }
            let mut next = self.all.clone();
            for place in (1..next.len()).rev() {
                next.swap(place, dice.index(place + 1));
            }
            self.left.extend(next);
        }
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).expect("spans and pauses are not negative"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::fault::Between;
    use super::*;

    fn plan(seed: u64, minutes: u64) -> Plan {
        Plan { seed, lasts: Duration::from_mins(minutes), kinds: Kind::ALL.to_vec(), workers: 3 }
    }

    #[test]
    fn the_same_seed_is_the_same_schedule_and_another_seed_another() {
        assert_eq!(Schedule::of(&plan(7, 5)), Schedule::of(&plan(7, 5)));
        assert_ne!(Schedule::of(&plan(7, 5)), Schedule::of(&plan(8, 5)));
    }

    #[test]
    fn there_are_at_least_five_faults_in_any_minute_and_some_overlap() {
        for seed in 0..200 {
            let Schedule { faults, .. } = Schedule::of(&plan(seed, 5));
            for begin in 0..=4 * 60 {
                let minute = Duration::from_secs(begin)..Duration::from_secs(begin + 60);
                let count = faults.iter().filter(|fault| minute.contains(&fault.at)).count();
                assert!(count >= 5, "seed {seed}: {count} in the minute from second {begin}");
            }
            let overlapping = faults.windows(2).filter(|pair| pair[0].until() > pair[1].at).count();
            assert!(overlapping * 3 > faults.len(), "seed {seed}: {overlapping} of {} overlap", faults.len());
        }
    }

    #[test]
    fn everything_is_healed_by_the_end_and_only_new_partitions_stand_there() {
        for seed in 0..200 {
            let plan = plan(seed, 2);
            let Schedule { faults, finale } = Schedule::of(&plan);
            assert!(faults.iter().all(|fault| fault.until() <= plan.lasts && fault.kind != Kind::PartitionsAdded));
            assert_eq!(finale.map(|fault| (fault.kind, fault.at)), Some((Kind::PartitionsAdded, plan.lasts)));
        }
    }

    #[test]
    fn twelve_seeds_of_five_minutes_see_every_kind_many_times_and_every_target() {
        let schedules = (1..=12).map(|seed| Schedule::of(&plan(seed, 5)));
        let faults: Vec<Fault> = schedules.flat_map(|schedule| schedule.faults).collect();
        for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::PartitionsAdded) {
            let of_kind = || faults.iter().filter(|fault| fault.kind == *kind);
            assert!(of_kind().count() >= 12, "{kind} comes {} times", of_kind().count());
            let met: BTreeSet<Target> = of_kind().map(|fault| fault.target).collect();
            let there = kind.targets().into_iter().filter(|target| *target != Target::Worker(3)).count();
            assert_eq!(met.len(), there, "{kind} meets {met:?}");
        }
    }

    #[test]
    fn two_minutes_see_most_kinds() {
        for seed in 0..200 {
            let kinds: BTreeSet<Kind> = Schedule::of(&plan(seed, 2)).faults.iter().map(|fault| fault.kind).collect();
            assert!(kinds.len() * 2 > Kind::ALL.len(), "seed {seed}: only {kinds:?}");
        }
    }

    #[test]
    fn no_victim_is_injured_twice_at_once_and_two_brokers_are_away_together_only_briefly() {
        for seed in 0..200 {
            let Schedule { faults, .. } = Schedule::of(&plan(seed, 5));
            for (place, fault) in faults.iter().enumerate() {
                let open = faults[..place].iter().filter(|other| other.until() > fault.at);
                let open: Vec<&Fault> = open.collect();
                assert!(open.iter().all(|other| !is_same_victim(fault, other)), "seed {seed}: {fault}");
                let brokers = open.iter().filter(|other| matches!(other.target, Target::Broker(_)));
                if matches!(fault.target, Target::Broker(_)) {
                    let together: Vec<Duration> =
                        brokers.map(|other| other.until().min(fault.until()) - fault.at).collect();
                    assert!(together.len() < 2 && together.iter().all(|time| *time <= TWO_BROKERS), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn only_the_kinds_that_were_asked_for_occur() {
        let kinds = vec![Kind::LinkDelay];
        let Schedule { faults, finale } = Schedule::of(&Plan { kinds, ..plan(1, 2) });
        let links: BTreeSet<Target> = faults.iter().map(|fault| fault.target).collect();
        assert!(finale.is_none() && faults.iter().all(|fault| fault.kind == Kind::LinkDelay));
        assert_eq!(links.len(), Between::ALL.len());
    }

    #[test]
    fn a_run_without_any_kind_is_calm() {
        assert_eq!(Schedule::of(&Plan { kinds: Vec::new(), ..plan(1, 1) }), Schedule { faults: vec![], finale: None });
    }
}
