//! One order from its first event to its last, without a server: what the pipeline does, with nothing around it.
//!
//! For `orderstream fold`, for `verify`, and for tests. Invariant: the view is compared after each event and once after
//! all deadlines that fire together, and a status is emitted exactly when it differs (DOMAIN sections 8, 9).

use crate::ids::{OrderId, Timestamp};

use super::deadline::{Fired, fire_due};
use super::decision::{Change, Order};
use super::event::Event;
use super::facts::register::Merged;
use super::policy::Policy;
use super::status::Status;
use super::view::{View, derive};

/// An order that is being folded.
#[derive(Clone, Debug)]
pub struct Fold<'a> {
    policy: &'a Policy,
    order: Order,
    emits: Vec<Status>,
}

impl<'a> Fold<'a> {
    /// An order of which nothing was heard yet.
    #[must_use]
    pub fn new(policy: &'a Policy) -> Self {
        Self { policy, order: Order::default(), emits: Vec::new() }
    }

    /// Merges one event.
    pub fn apply(&mut self, event: &Event) -> Merged {
        let (merged, change) = self.order.apply(event, self.policy);
        self.note(change.as_ref());
        merged
    }

    /// Fires what is due by `until` and holds. Even an order of which nothing was heard is looked at now.
    pub fn fire(&mut self, until: Timestamp, order_id: &OrderId) -> Vec<Fired> {
        let mut fired = Vec::new();
        loop {
            let more = fire_due(&mut self.order.facts, self.policy, until, order_id);
            if more.is_empty() {
                break;
            }
            fired.extend(more);
        }
        let change = self.order.say(self.policy);
        self.note(change.as_ref());
        fired
    }

    fn note(&mut self, change: Option<&Change>) {
        if change.is_some() {
            self.emits.extend(self.order.view.as_ref().map(|view| view.status));
        }
    }

    /// The order so far.
    #[must_use]
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The view of the facts so far.
    #[must_use]
    pub fn view(&self) -> View {
        self.order.view.clone().unwrap_or_else(|| derive(&self.order.facts, self.policy))
    }

    /// The status of each OrderStatusChanged so far.
    #[must_use]
    pub fn emits(&self) -> &[Status] {
        &self.emits
    }
}
