//! The ways between the statuses, found by trying: what the core really does, never a table by hand.
//!
//! Beside the path, for `orderstream graph`. [`explore`] begins with the empty order and walks, breadth first, through all
//! that one small order (`alphabet`) can live through when its facts arrive as they happen (`world`); then it tells orders
//! that it met one more fact, late or out of turn. Invariant: each way comes with facts that take it ([`Way::example`]), and
//! the same program finds the same ways in the same order.
//!
//! The bounds: an order of two pieces of one line, one entity of each kind but three parcels and three returns, and of
//! several orders on one `Footing` only the first that was met goes on. So a way can be missing here, and none is invented.

mod alphabet;
mod footing;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

use crate::ids::{OrderId, Timestamp};

use super::deadline::{deadlines, fire_due};
use super::event::shipping::{ReturnFact, ShippingFact};
use super::event::{Body, Event, GivenUp, Shipping, Source};
use super::facts::Facts;
use super::facts::register::Merged;
use super::policy::{Micros, Policy};
use super::status::Status;
use super::view::{View, derive};

use footing::{Footing, regions};

/// A way from one status to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Where it begins.
    pub from: Status,
    /// Where it ends.
    pub to: Status,
    /// What takes it when facts arrive as they happen, beginning with what takes the shortest story; often nothing.
    pub causes: Vec<Cause>,
    /// What takes it only when it comes late or out of turn.
    pub late_causes: Vec<Cause>,
    /// The facts of an order that took it, as they arrived; the last one did. Written as JSON by their causes alone.
    #[serde(serialize_with = "as_causes")]
    pub example: Vec<Event>,
}

/// What moves an order: an event of a kind, or a deadline that gives the order up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    kind: &'static str,
    topic: Source,
    detail: Option<Detail>,
}

/// What two causes of one kind differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// The deadline that fired.
    Deadline(GivenUp),
    /// A return was closed, and the goods not accepted.
    Refused,
}

/// The policy under which the ways are looked for: the default with every deadline on.
#[must_use]
pub fn policy() -> Policy {
    let hours = |hours: u32| Micros::from_seconds(hours * 60 * 60);
    Policy { payment_window: Some(hours(48)), rejection_grace: hours(1), ..Policy::default() }
}

/// Finds the ways, sorted by where they begin and where they end; with `late` also those that only late facts take.
///
/// Takes about a second in a debug build, two with `late`.
#[must_use]
pub fn explore(late: bool) -> Vec<Way> {
    let mut exploration = Exploration { policy: policy(), met: Vec::new(), ways: BTreeMap::new() };
    exploration.live();
    if late {
        exploration.be_late();
    }
    exploration.ways.into_values().collect()
}

/// The kinds that are tried.
#[cfg(test)]
pub(super) fn alphabet() -> BTreeSet<&'static str> {
    let said = alphabet::everything(Timestamp(0));
    said.into_iter().map(|body| event(body, Timestamp(0), 0).kind()).collect()
}

/// The time between two facts of a story.
const STEP: Micros = Micros::from_seconds(60);
/// The time of a fact that is late: before all others.
const LATE: Timestamp = Timestamp(-1);

struct Exploration {
    policy: Policy,
    /// The orders that were met, each on a footing of its own, the shortest stories first.
    met: Vec<Met>,
    ways: BTreeMap<(Status, Status), Way>,
}

/// An order that was met, and how it came there.
struct Met {
    facts: Facts,
    view: View,
    now: Timestamp,
    /// What was said last, and to which order; nothing to the empty one.
    said: Vec<Event>,
    to: usize,
}

impl Exploration {
    /// Walks through all that happens in turn.
    fn live(&mut self) {
        let facts = Facts::default();
        let view = derive(&facts, &self.policy);
        self.met.push(Met { facts, view, now: Timestamp(0), said: Vec::new(), to: 0 });
        let mut footings = BTreeSet::new();
        let mut at = 0;
        while at < self.met.len() {
            for next in self.next(at) {
                self.note(at, next.view.status, &next.said, |way| &mut way.causes);
                if footings.insert(Footing::of(&next.facts, &next.view)) {
                    self.met.push(next);
                }
            }
            at += 1;
        }
    }

    /// All that an order can be one fact later.
    fn next(&self, at: usize) -> Vec<Met> {
        let met = &self.met[at];
        let now = STEP.after(met.now);
        let said = alphabet::everything(now).into_iter().filter(|body| world::is_in_turn(body, &met.facts, &met.view));
        let said = said.filter_map(|body| self.say(at, event(body, now, at)));
        said.chain(self.wait(at)).collect()
    }

    fn say(&self, at: usize, event: Event) -> Option<Met> {
        let mut facts = self.met[at].facts.clone();
        if facts.merge(&event) != Merged::Changed {
            return None;
        }
        let view = derive(&facts, &self.policy);
        Some(Met { facts, view, now: event.occurred_at, said: vec![event], to: at })
    }

    /// Lets time pass until the next deadline fires, with all that are due by then.
    fn wait(&self, at: usize) -> Option<Met> {
        let met = &self.met[at];
        let next = deadlines(&met.facts, &self.policy).into_iter().find(|deadline| deadline.holds)?;
        let mut facts = met.facts.clone();
        let fired = fire_due(&mut facts, &self.policy, next.due, &OrderId::from(ORDER));
        let view = derive(&facts, &self.policy);
        let said = fired.into_iter().map(|fired| fired.event).collect();
        Some(Met { facts, view, now: met.now.max(next.due), said, to: at })
    }

    /// Tells one order of each combination of status and regions one more fact: late, or now and out of turn.
    fn be_late(&mut self) {
        let mut tried = BTreeSet::new();
        for at in 0..self.met.len() {
            if !tried.insert(regions(&self.met[at].view)) {
                continue;
            }
            let now = STEP.after(self.met[at].now);
            for time in [LATE, now] {
                for body in alphabet::everything(time) {
                    if let Some(late) = self.say(at, event(body, time, at)) {
                        self.note(at, late.view.status, &late.said, |way| &mut way.late_causes);
                    }
                }
            }
        }
        for way in self.ways.values_mut() {
            way.late_causes.retain(|cause| !way.causes.contains(cause));
        }
    }

    /// Notes the way from an order that was met to a status, if that is another one.
    fn note(&mut self, at: usize, to: Status, said: &[Event], causes: impl Fn(&mut Way) -> &mut Vec<Cause>) {
        let from = self.met[at].view.status;
        let Some(cause) = said.last().map(Cause::of) else { return };
        if from == to {
            return;
        }
        let story = &self.met;
        let way = self.ways.entry((from, to)).or_insert_with(|| {
            let example = told(story, at).into_iter().chain(said.iter().cloned()).collect();
            Way { from, to, causes: Vec::new(), late_causes: Vec::new(), example }
        });
        let causes = causes(way);
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
}

/// The id of the order that all stories are about.
const ORDER: &str = "order";

fn event(body: Body, now: Timestamp, number: usize) -> Event {
    Event {
        event_id: format!("event-{number:05}").into(),
        order_id: ORDER.into(),
        occurred_at: now,
        producer: None,
        correlation_id: None,
        causation_id: None,
        reason: None,
        body,
    }
}

/// All that was said of an order that was met, in turn.
fn told(met: &[Met], mut at: usize) -> Vec<Event> {
    let mut steps = Vec::new();
    while at > 0 {
        steps.push(&met[at].said);
        at = met[at].to;
    }
    steps.into_iter().rev().flatten().cloned().collect()
}

impl Way {
    /// Whether facts take it that arrive in the order in which they happened.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        !self.causes.is_empty()
    }
}

impl Cause {
    /// What an event is as a cause.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let detail = match &event.body {
            Body::Fired(deadline) => Some(Detail::Deadline(*deadline)),
            Body::Shipping(Shipping {
                fact: ShippingFact::Return(_, ReturnFact::Closed { accepted: false }), ..
            }) => Some(Detail::Refused),
            Body::Payment(_) | Body::Inventory(_) | Body::Shipping(_) | Body::Order(_) => None,
        };
        Self { kind: event.kind(), topic: event.topic(), detail }
    }
}

/// The kind; with its topic where a status is called the same, as in `shipping CANCELLED`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Some(Detail::Deadline(deadline)) => write!(f, "deadline {deadline}"),
            Some(Detail::Refused) => write!(f, "{} refused", self.kind),
            None if self.kind.parse::<Status>().is_ok() => write!(f, "{} {}", self.topic, self.kind),
            None => f.write_str(self.kind),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn as_causes<S: Serializer>(example: &[Event], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(example.iter().map(Cause::of))
}
