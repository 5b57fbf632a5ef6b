//! The worlds that are looked at: those that are seen whole, the one that is walked through, and for each mechanism a small one
//! in which it is needed.

use std::fmt;
use std::str::FromStr;

use super::bounds::{Bounds, Faults, Mechanism};

const NO_FAULTS: Faults =
    Faults { crashes: 0, evictions: 0, cuts: 0, repeats: 0, give_ups: 0, rebalances: 0, expiries: 0, time_outs: 0 };
const SMALL: Bounds = Bounds { processes: 2, lanes: 1, records: 2, batch: 1, faults: NO_FAULTS };

/// Worlds of which every state is seen.
pub const SEEN_WHOLE: &[Bounds] = &[SMALL];

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

/// A world in which a mechanism is needed.
#[must_use]
pub fn that_needs(_mechanism: Mechanism) -> Bounds {
    SMALL
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
            let names = || {
                let mut small = SMALL;
                small.named().map(|(known, _)| known).join(", ")
            };
            *slot.ok_or_else(|| format!("`{name}` is no bound: use one of {}", names()))?.1 = number;
        }
        let sizes = (bounds.processes, bounds.lanes, bounds.records, bounds.batch);
        if sizes.0 == 0 || sizes.1 == 0 || sizes.2 == 0 || sizes.3 == 0 {
            return Err("a world has at least one process, lane and record, and batches of at least one".to_owned());
        }
        Ok(bounds)
    }
}
