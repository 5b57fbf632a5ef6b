//! The worlds that are looked at: those that are seen whole, the one that is walked through, and for each mechanism a small one
//! in which it is needed.

use std::fmt;
use std::str::FromStr;

use super::bounds::{Bounds, Faults, Mechanism};

const NO_FAULTS: Faults =
    Faults { crashes: 0, evictions: 0, cuts: 0, repeats: 0, give_ups: 0, rebalances: 0, expiries: 0, time_outs: 0 };
const SMALL: Bounds = world(2, 2, NO_FAULTS);

/// Worlds of which every state is seen, in each run of the tests.
pub const SEEN_WHOLE: &[Bounds] = &[
    world(1, 2, Faults { crashes: 1, expiries: 1, ..NO_FAULTS }),
    world(2, 2, Faults { cuts: 1, ..NO_FAULTS }),
    world(2, 2, Faults { repeats: 1, ..NO_FAULTS }),
    world(2, 2, Faults { give_ups: 1, ..NO_FAULTS }),
    world(2, 2, Faults { time_outs: 1, ..NO_FAULTS }),
    world(2, 1, Faults { rebalances: 1, ..NO_FAULTS }),
    world(2, 1, Faults { evictions: 1, ..NO_FAULTS }),
    world(2, 1, Faults { crashes: 1, cuts: 1, ..NO_FAULTS }),
    world(2, 2, Faults { crashes: 1, ..NO_FAULTS }),
    Bounds { lanes: 2, ..world(2, 1, NO_FAULTS) },
    Bounds { batch: 2, ..world(2, 3, Faults { cuts: 1, ..NO_FAULTS }) },
];

/// Larger ones, which take minutes.
pub const SEEN_WHOLE_IN_MINUTES: &[Bounds] = &[
    world(2, 2, Faults { rebalances: 1, ..NO_FAULTS }),
    world(2, 2, Faults { evictions: 1, ..NO_FAULTS }),
    world(2, 1, Faults { crashes: 1, give_ups: 1, ..NO_FAULTS }),
    world(2, 1, Faults { crashes: 2, ..NO_FAULTS }),
    world(2, 1, Faults { evictions: 1, repeats: 1, ..NO_FAULTS }),
    world(2, 1, Faults { evictions: 1, crashes: 1, ..NO_FAULTS }),
];

/// Walks in each run of the tests.
pub const WALKS_OF_A_TEST: u64 = 300;

/// Mechanisms behind which another one stands: without them alone, every promise is still kept.
pub const SECOND_LOCKS: &[Mechanism] = &[Mechanism::CheckpointCompare, Mechanism::EndAtRevoke];

/// The world of the random walks.
pub const WALKED: Bounds = Bounds {
    processes: 2,
    lanes: 2,
    records: 3,
    batch: 2,
    faults: Faults {
        crashes: 2,
        evictions: 3,
        cuts: 2,
        repeats: 2,
        give_ups: 2,
        rebalances: 2,
        expiries: 1,
        time_outs: 1,
    },
};

/// A small world in which a mechanism is needed; of a second lock, one in which the first one is.
#[must_use]
pub fn that_needs(mechanism: Mechanism) -> Bounds {
    match mechanism {
        Mechanism::Fence
        | Mechanism::ClaimInFence
        | Mechanism::CheckpointCompare
        | Mechanism::WaitForStable
        | Mechanism::CapturedGeneration
        | Mechanism::Generation
        | Mechanism::EndAtRevoke
        | Mechanism::EndOwn => world(2, 1, Faults { evictions: 1, ..NO_FAULTS }),
        Mechanism::ForUpdate => world(2, 1, Faults { cuts: 1, ..NO_FAULTS }),
        Mechanism::OffsetsInTransaction | Mechanism::EndFormer | Mechanism::RememberFormer => {
            world(2, 1, Faults { crashes: 1, ..NO_FAULTS })
        }
        Mechanism::RecycleOnDoubt => world(2, 2, Faults { repeats: 1, ..NO_FAULTS }),
        Mechanism::ReadBack => world(2, 1, NO_FAULTS),
        Mechanism::InOrder => world(2, 2, NO_FAULTS),
    }
}

const fn world(processes: u8, records: u8, faults: Faults) -> Bounds {
    Bounds { processes, lanes: 1, records, batch: 1, faults }
}

impl Bounds {
    fn named(&mut self) -> [(&'static str, &mut u8); 12] {
        let faults = &mut self.faults;
        [
            ("processes", &mut self.processes),
            ("lanes", &mut self.lanes),
            ("records", &mut self.records),
            ("batch", &mut self.batch),
            ("crashes", &mut faults.crashes),
            ("evictions", &mut faults.evictions),
            ("cuts", &mut faults.cuts),
            ("repeats", &mut faults.repeats),
            ("give-ups", &mut faults.give_ups),
            ("rebalances", &mut faults.rebalances),
            ("expiries", &mut faults.expiries),
            ("time-outs", &mut faults.time_outs),
        ]
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bounds = *self;
        let named: Vec<String> = bounds
            .named()
            .into_iter()
            .filter(|(_, value)| **value > 0)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        f.write_str(&named.join(","))
    }
}

impl FromStr for Bounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bounds = SMALL;
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is no `name=number`"))?;
            let number = value.parse().ok().filter(|number| *number <= 9);
            let number = number.ok_or_else(|| format!("`{value}` of `{name}` is no number from 0 to 9"))?;
            let slot = bounds.named().into_iter().find(|(known, _)| *known == name);
            let names = SMALL.clone().named().map(|(known, _)| known).join(", ");
            *slot.ok_or_else(|| format!("`{name}` is no bound: use one of {names}"))?.1 = number;
        }
        let sizes = (bounds.processes, bounds.lanes, bounds.records, bounds.batch);
        if sizes.0 == 0 || sizes.1 == 0 || sizes.2 == 0 || sizes.3 == 0 {
            return Err("a world has at least one process, lane and record, and batches of at least one".to_owned());
        }
        Ok(bounds)
    }
}
