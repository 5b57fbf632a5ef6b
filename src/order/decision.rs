//! One event meets one order: what changed, and whether it has to be said.
//!
//! The last step of the core; `pipeline` calls it for every event of a batch. Invariant: the view an order holds is the last one
//! emitted, so a change is said exactly when the derived view differs from it, under a version one higher.

use super::attention::Attention;
use super::command::Commands;
use super::deadline::{next_due, next_expiry};
use super::event::Event;
use super::facts::Facts;
use super::facts::register::Merged;
use super::policy::Policy;
use super::status::Status;
use super::view::{View, derive};
use crate::ids::Timestamp;

/// An order as it is stored: its facts, and what was last said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// How many changes were said; the version of the last one.
    pub version: i64,
    /// The registers.
    pub facts: Facts,
    /// The view that was last said; none before the first.
    pub view: Option<View>,
    /// What was asked for what is owed. A fold has none.
    pub commands: Commands,
    /// Versions up to here may have been said by somebody whose memory is lost: the next one is above. Belongs to the database,
    /// not to the order; 0 where nothing was ever lost.
    pub version_floor: i64,
}

/// A change that has to be said: the order's version went up by one, or to above what may have been said and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The view that was said before; none at first.
    pub previous: Option<View>,
    /// The version before; 0 at first.
    pub previous_version: i64,
}

impl Change {
    /// The status before; none at first.
    #[must_use]
    pub fn previous_status(&self) -> Option<Status> {
        self.previous.as_ref().map(|view| view.status)
    }
}

impl Order {
    /// Merges an event and, where it changed a register, derives the view anew.
    pub fn apply(&mut self, event: &Event, policy: &Policy) -> (Merged, Option<Change>) {
        let merged = self.facts.merge(event);
        match merged {
            Merged::Changed => (merged, self.say(policy)),
            Merged::Duplicate | Merged::Stale => (merged, None),
        }
    }

    /// Derives the view; a difference from what was last said becomes the next version.
    pub fn say(&mut self, policy: &Policy) -> Option<Change> {
        let view = self.derive(policy);
        if self.view.as_ref() == Some(&view) {
            return None;
        }
        Some(self.tell(view))
    }

    /// The same, where the view has to be said although it did not change: what was last said of the order, and is known, may
    /// not be the last that was heard of it.
    pub fn say_again(&mut self, policy: &Policy) -> Option<Change> {
        if self.view.is_none() || self.version > self.version_floor {
            return self.say(policy);
        }
        let view = self.derive(policy);
        Some(self.tell(view))
    }

    fn tell(&mut self, view: View) -> Change {
        let previous_version = self.version;
        self.version = previous_version.max(self.version_floor) + 1;
        Change { previous: self.view.replace(view), previous_version }
    }

    /// The view of the facts, with the one attention that only the row knows of.
    #[must_use]
    pub fn derive(&self, policy: &Policy) -> View {
        let mut view = derive(&self.facts, policy);
        if self.commands.is_unanswered(&view.owed) {
            view.attention.insert(Attention::CommandUnanswered);
        }
        view
    }

    /// The version, and the status that was last said; PENDING before anything was.
    #[must_use]
    pub fn standing(&self) -> (i64, Status) {
        (self.version, self.view.as_ref().map_or(Status::Pending, |view| view.status))
    }

    /// When time next has something to do: a deadline that holds, or, where `sends` says that commands are configured, one that
    /// waits for its answer. What cancels is left out while it `is_held` back.
    #[must_use]
    pub fn next_look(&self, policy: &Policy, sends: bool, is_held: bool) -> Option<Timestamp> {
        let due = if is_held { next_expiry(&self.facts, policy) } else { next_due(&self.facts, policy) };
        [due, self.commands.next_due(policy).filter(|_| sends)].into_iter().flatten().min()
    }

    /// Takes a change back, with the facts as they were before it.
    pub fn unsay(&mut self, change: Option<Change>, facts: Facts) {
        self.facts = facts;
        if let Some(change) = change {
            self.version = change.previous_version;
            self.view = change.previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::event::payment::AuthorizationFact;
    use crate::order::tests::say::{authorization, authorized};

    fn pending() -> Event {
        authorization("auth-1", AuthorizationFact::Pending).at(1)
    }

    fn declined() -> Event {
        authorization("auth-1", AuthorizationFact::Declined).at(3)
    }

    #[test]
    fn a_change_is_said_once_under_the_next_version_with_the_view_before() {
        let (mut order, policy) = (Order::default(), Policy::default());
        let (merged, change) = order.apply(&pending(), &policy);
        assert_eq!(
            (merged, change, order.version),
            (Merged::Changed, Some(Change { previous: None, previous_version: 0 }), 1)
        );
        let before = order.view.clone();
        let (_, change) = order.apply(&authorized("auth-1", 500).at(2), &policy);
        assert_eq!((change, order.version), (Some(Change { previous: before, previous_version: 1 }), 2));
        assert_eq!(order.apply(&authorized("auth-1", 500).at(2), &policy), (Merged::Duplicate, None));
        // A later word of the same changes a register and not the view.
        assert_eq!(order.apply(&authorized("auth-1", 500).at(3), &policy), (Merged::Changed, None));
        assert_eq!(order.version, 2);
    }

    #[test]
    fn above_a_floor_versions_leap_once_and_what_is_known_is_said_again_once() {
        let (mut order, policy) = (Order::default(), Policy::default());
        let _ = order.apply(&pending(), &policy);
        assert_eq!(order.say_again(&policy), None, "nothing was lost");
        order.version_floor = 40;
        let before = order.clone();
        let again = order.say_again(&policy);
        assert_eq!((again.clone().map(|change| change.previous_version), order.version), (Some(1), 41));
        assert_eq!(order.say_again(&policy), None, "once");
        let facts = before.facts.clone();
        order.unsay(again, facts);
        assert_eq!(order, before);
        let (_, change) = order.apply(&authorized("auth-1", 500).at(2), &policy);
        assert_eq!((change.map(|change| change.previous_version), order.version), (Some(1), 41), "news leap too");
        let _ = order.apply(&declined(), &policy);
        assert_eq!(order.version, 42);
    }

    #[test]
    fn a_change_that_is_taken_back_leaves_the_order_as_it_was() {
        let (mut order, policy) = (Order::default(), Policy::default());
        let _ = order.apply(&pending(), &policy);
        let before = order.clone();
        let (_, change) = order.apply(&declined(), &policy);
        order.unsay(change, before.facts.clone());
        assert_eq!(order, before);
    }
}
