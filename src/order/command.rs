//! What was asked for each open obligation: since when it is owed, how often its command was sent, whether a person should look.
//!
//! Kept with the order's row and not among its facts: a fold does not know attempts (DOMAIN section 8). Invariant: exactly the
//! open obligations are pursued, so whatever ends an obligation also ends its command and the attention it raised.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

use super::obligation::{Obligation, ObligationKind};
use super::policy::Policy;

/// What was asked for one open obligation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pursuit {
    /// The kind of the obligation.
    pub kind: ObligationKind,
    /// The entity that it is about.
    pub id: String,
    /// Since when it is owed, as far as we knew.
    pub since: Timestamp,
    /// How often its command was sent; 0 where none is configured.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// When it was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// Whether all attempts were in vain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it may skip by reference")]
fn is_zero(attempt: &u32) -> bool {
    *attempt == 0
}

impl Pursuit {
    fn is_of(&self, obligation: &Obligation) -> bool {
        self.kind == obligation.kind() && self.id == obligation.id()
    }

    /// When its next attempt is due, or the question to a person; none where nothing was sent, or a person was asked.
    #[must_use]
    pub fn due(&self, policy: &Policy) -> Option<Timestamp> {
        self.asked_at.filter(|_| !self.unanswered).map(|asked_at| policy.command_retry.after(asked_at))
    }
}

/// What is pursued for an order, in the order of its obligations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commands(Vec<Pursuit>);

/// What time did to the commands of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reminded {
    /// Those to be sent again, each with its new attempt: positions in the list of what is owed.
    pub again: Vec<usize>,
    /// Whether one ran out of attempts just now: the view changes.
    pub gave_up: bool,
}

impl Commands {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Pursuit] {
        &self.0
    }

    /// The pursuit of an obligation.
    #[must_use]
    pub fn of(&self, obligation: &Obligation) -> Option<&Pursuit> {
        self.0.iter().find(|pursuit| pursuit.is_of(obligation))
    }

    /// Whether one of these obligations had all its attempts in vain.
    #[must_use]
    pub fn is_unanswered(&self, owed: &[Obligation]) -> bool {
        self.0.iter().any(|pursuit| pursuit.unanswered && owed.iter().any(|obligation| pursuit.is_of(obligation)))
    }

    /// Follows what is owed now: forgets what ended, takes up what is new. With `sends`, what was never sent is to be sent; returns
    /// the positions of those in `owed`.
    pub fn follow(&mut self, owed: &[Obligation], now: Timestamp, sends: bool) -> Vec<usize> {
        let before = std::mem::take(&mut self.0);
        let mut new = Vec::new();
        for (place, obligation) in owed.iter().enumerate() {
            let known = before.iter().find(|pursuit| pursuit.is_of(obligation)).cloned();
            let mut pursuit = known.unwrap_or_else(|| Pursuit {
                kind: obligation.kind(),
                id: obligation.id().to_owned(),
                since: now,
                attempt: 0,
                asked_at: None,
                unanswered: false,
            });
            if sends && pursuit.attempt == 0 {
                (pursuit.attempt, pursuit.asked_at) = (1, Some(now));
                new.push(place);
            }
            self.0.push(pursuit);
        }
        new
    }

    /// When the first command is due to be sent again, or given up.
    #[must_use]
    pub fn next_due(&self, policy: &Policy) -> Option<Timestamp> {
        self.0.iter().filter_map(|pursuit| pursuit.due(policy)).min()
    }

    /// Sends again what stayed unanswered for longer than the policy allows, judged at `until`; what had all its attempts
    /// is left to a person instead. `self` follows `owed`.
    pub fn remind(&mut self, owed: &[Obligation], policy: &Policy, until: Timestamp, now: Timestamp) -> Reminded {
        let mut reminded = Reminded::default();
        for pursuit in &mut self.0 {
            let place = owed.iter().position(|obligation| pursuit.is_of(obligation));
            let (Some(place), Some(due)) = (place, pursuit.due(policy)) else { continue };
            if due > until {
                continue;
            }
            if pursuit.attempt < policy.command_attempts {
                (pursuit.attempt, pursuit.asked_at) = (pursuit.attempt + 1, Some(now));
                reminded.again.push(place);
            } else {
                pursuit.unanswered = true;
                reminded.gave_up = true;
            }
        }
        reminded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: i64 = 15 * 60 * 1_000_000;

    fn owed(ids: &[&str]) -> Vec<Obligation> {
        ids.iter().map(|id| Obligation::CancelShipment((*id).into())).collect()
    }

    fn followed(ids: &[&str]) -> Commands {
        let mut commands = Commands::default();
        commands.follow(&owed(ids), Timestamp(0), true);
        commands
    }

    #[test]
    fn what_is_new_is_sent_once_and_what_ended_is_forgotten() {
        let mut commands = Commands::default();
        assert_eq!(commands.follow(&owed(&["a", "b"]), Timestamp(1), true), [0, 1]);
        assert_eq!(commands.follow(&owed(&["b", "c"]), Timestamp(2), true), [1]);
        let since: Vec<(&str, Timestamp)> = commands.all().iter().map(|p| (p.id.as_str(), p.since)).collect();
        assert_eq!(since, [("b", Timestamp(1)), ("c", Timestamp(2))]);
    }

    #[test]
    fn where_no_commands_are_configured_the_debt_is_followed_and_nothing_is_sent_until_they_are() {
        let mut commands = Commands::default();
        assert!(commands.follow(&owed(&["a"]), Timestamp(1), false).is_empty());
        assert_eq!(commands.next_due(&Policy::default()), None);
        assert_eq!(commands.follow(&owed(&["a"]), Timestamp(2), true), [0]);
        assert_eq!(commands.all()[0].since, Timestamp(1));
    }

    #[test]
    fn an_unanswered_command_is_sent_five_times_and_then_left_to_a_person() {
        let (mut commands, policy, owed) = (followed(&["a"]), Policy::default(), owed(&["a"]));
        for attempt in 1..5 {
            let now = Timestamp(attempt * RETRY);
            assert!(commands.remind(&owed, &policy, Timestamp(now.0 - 1), now).again.is_empty(), "before it is due");
            assert_eq!(commands.remind(&owed, &policy, now, now).again, [0]);
        }
        assert_eq!(commands.all()[0].attempt, 5);
        let reminded = commands.remind(&owed, &policy, Timestamp(5 * RETRY), Timestamp(5 * RETRY));
        assert_eq!(reminded, Reminded { again: vec![], gave_up: true });
        assert!(commands.is_unanswered(&owed));
        assert_eq!(commands.next_due(&policy), None);
        assert_eq!(commands.remind(&owed, &policy, Timestamp(i64::MAX), Timestamp(i64::MAX)), Reminded::default());
    }

    #[test]
    fn attention_ends_with_the_obligation_and_a_new_one_begins_anew() {
        let (mut commands, policy) = (followed(&["a"]), Policy { command_attempts: 1, ..Policy::default() });
        commands.remind(&owed(&["a"]), &policy, Timestamp(RETRY), Timestamp(RETRY));
        assert!(commands.is_unanswered(&owed(&["a"])));
        assert!(!commands.is_unanswered(&[]));
        commands.follow(&[], Timestamp(RETRY), true);
        assert_eq!(commands.follow(&owed(&["a"]), Timestamp(2 * RETRY), true), [0]);
        assert_eq!((commands.all()[0].attempt, commands.all()[0].unanswered), (1, false));
    }

    #[test]
    fn what_is_stored_reads_back() {
        let commands = followed(&["a", "b"]);
        let json = serde_json::to_string(&commands).unwrap();
        assert_eq!(serde_json::from_str::<Commands>(&json).unwrap(), commands);
        assert_eq!(serde_json::to_string(&Commands::default()).unwrap(), "[]");
    }
}
