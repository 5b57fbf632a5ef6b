//! What a writer concludes from how its lanes stand, after an outcome that nobody told it and after every reconnect. Pure.
//!
//! The same function runs in the writer and in the model of the protocol (`tests/harness/src/model/`). Invariant: a transaction in
//! doubt happened for all of its lanes or for none; anything else is a database that does not keep its word, and nothing goes on.

use super::lanes::Standing;
use crate::ids::{Lane, Seq};

/// What follows from the standings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Lanes that another claim owns: their tenures end.
    pub lost: Vec<Lane>,
    /// Whether the transaction in doubt was committed.
    pub happened: bool,
}

/// What cannot be, and stops the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// The lane's journal ends at this row, and neither was left there nor asked to move there.
    WentBack(Lane, Seq),
    /// Lanes have a row that nobody wrote, or only some of a transaction's lanes have theirs.
    NobodyWrote {
        /// One row further than remembered.
        moved: Vec<Lane>,
        /// As remembered.
        unmoved: Vec<Lane>,
    },
}

/// Draws the conclusion; `in_doubt` are the lanes of a transaction whose outcome is unknown, none where there is no such.
///
/// # Errors
/// The first contradiction.
pub fn settle(standings: &[(Lane, Standing)], in_doubt: &[Lane]) -> Result<Settled, Contradiction> {
    let (mut lost, mut moved, mut unmoved) = (Vec::new(), Vec::new(), Vec::new());
    for (lane, standing) in standings {
        match standing {
            Standing::Unmoved => unmoved.push(*lane),
            Standing::Moved => moved.push(*lane),
            Standing::Taken => lost.push(*lane),
            Standing::Impossible { found } => return Err(Contradiction::WentBack(*lane, *found)),
        }
    }
    let is_half =
        moved.iter().any(|lane| in_doubt.contains(lane)) && unmoved.iter().any(|lane| in_doubt.contains(lane));
    if is_half || moved.iter().any(|lane| !in_doubt.contains(lane)) {
        return Err(Contradiction::NobodyWrote { moved, unmoved });
    }
    Ok(Settled { lost, happened: !moved.is_empty() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Lane; 2] = [Lane(0), Lane(1)];

    fn settled(first: Standing, second: Standing, in_doubt: &[Lane]) -> Result<Settled, Contradiction> {
        settle(&[(Lane(0), first), (Lane(1), second)], in_doubt)
    }

    #[test]
    fn a_transaction_in_doubt_happened_or_did_not() {
        let happened = settled(Standing::Moved, Standing::Moved, &BOTH);
        assert_eq!(happened, Ok(Settled { lost: Vec::new(), happened: true }));
        let did_not = settled(Standing::Unmoved, Standing::Unmoved, &BOTH);
        assert_eq!(did_not, Ok(Settled { lost: Vec::new(), happened: false }));
    }

    #[test]
    fn a_lane_that_is_taken_says_nothing_about_the_others() {
        let settled = settled(Standing::Taken, Standing::Moved, &BOTH);
        assert_eq!(settled, Ok(Settled { lost: vec![Lane(0)], happened: true }));
    }

    #[test]
    fn half_a_transaction_and_a_row_of_nobody_are_contradictions() {
        assert!(settled(Standing::Moved, Standing::Unmoved, &BOTH).is_err());
        assert!(settled(Standing::Moved, Standing::Unmoved, &[]).is_err());
        assert!(settled(Standing::Moved, Standing::Unmoved, &BOTH[1..]).is_err());
        let back = settled(Standing::Unmoved, Standing::Impossible { found: Seq(3) }, &BOTH);
        assert_eq!(back, Err(Contradiction::WentBack(Lane(1), Seq(3))));
    }
}
