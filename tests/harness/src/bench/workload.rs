//! What the measurements send: the same short story for every order, many orders at a time, from a seed.
//!
//! Shaped like the tool that measures the peers: a window of open orders, of which a random one says its next word, so an order's
//! words lie about six times the window apart. Pure. Invariant: the same [`Workload`] is the same events on every machine, an order's
//! events come in the order of their story, and without repetitions each of them changes a register.

use std::collections::VecDeque;

use uuid::Builder;

use crate::event::FlatEvent;
use crate::topics::Input;
use crate::traffic::Dice;

/// When the first event occurred, in microseconds: long ago, so nothing is in the future.
const BEGIN: i64 = 1_760_000_000_000_000;
/// How much later each next one occurred.
const STEP: i64 = 100;
/// How many events come between an event and its repetition.
const ECHO: i64 = 1_000;

/// An order's story. As with the peers: money, stock, money, and three words of the carrier, so each topic carries as many events as
/// theirs.
///
/// Theirs makes four status events of six: their rules know two words that change nothing. Ours tell every change of what is derived,
/// and the last two words of this story change nothing of that; the orders end under way, where theirs are delivered.
const STORY: [(Input, &str); 6] = [
    (Input::Payment, "AUTHORIZED"),
    (Input::Inventory, "RESERVED"),
    (Input::Payment, "CAPTURED"),
    (Input::Shipping, "DISPATCHED"),
    (Input::Shipping, "IN_TRANSIT"),
    (Input::Shipping, "OUT_FOR_DELIVERY"),
];
/// The words of one parcel: a longer story goes on with further parcels.
const PARCEL: usize = 3;

/// How many orders, how they interleave, and how much is said of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// How many orders, a hot one left out.
    pub orders: u64,
    /// The number of the first; workloads with other numbers are of other orders.
    pub first_order: u64,
    /// How many orders are open at a time.
    pub in_flight: usize,
    /// How many events each order has; beyond six, of further parcels.
    pub events_per_order: usize,
    /// How many events one more order has, spread evenly among those of all others; none where it is 0.
    pub hot_events: u64,
    /// Share of events that are sent again.
    pub duplicates: f64,
    /// Decides whose turn it is.
    pub seed: u64,
}

impl Workload {
    /// The shape that the peers are measured with: about a thousand orders in flight.
    #[must_use]
    pub fn local(orders: u64) -> Self {
        Self {
            orders,
            first_order: 0,
            in_flight: 1_000,
            events_per_order: STORY.len(),
            hot_events: 0,
            duplicates: 0.0,
            seed: 1,
        }
    }

    /// All orders in flight at once, so nearly every event of a batch is of another order.
    #[must_use]
    pub fn scattered(orders: u64) -> Self {
        Self { in_flight: usize::try_from(orders).unwrap_or(usize::MAX), ..Self::local(orders) }
    }

    /// How many events it has, repetitions left out.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.orders * self.events_per_order as u64 + self.hot_events
    }

    /// How many orders it tells of.
    #[must_use]
    pub fn all_orders(&self) -> u64 {
        self.orders + u64::from(self.hot_events > 0)
    }

    /// How many orders are open at a time in fact.
    #[must_use]
    pub fn open_at_once(&self) -> u64 {
        self.orders.min(self.in_flight as u64)
    }

    /// The events, in the order of sending.
    #[must_use]
    pub fn iter(self) -> Events {
        let window = self.open_at_once();
        Events {
            workload: self,
            turns: Dice::new(self.seed, 0),
            echoes: Dice::new(self.seed, 1),
            open: (self.first_order..self.first_order + window).map(|order| (order, 0)).collect(),
            next: self.first_order + window,
            said: 0,
            hot_said: 0,
            again: VecDeque::new(),
        }
    }
}

/// The events of a [`Workload`], one after the other.
#[derive(Debug)]
pub struct Events {
    workload: Workload,
    turns: Dice,
    echoes: Dice,
    /// The open orders, each with the place in its story.
    open: Vec<(u64, usize)>,
    next: u64,
    said: i64,
    /// How many of them of the hot order.
    hot_said: u64,
    /// What will be said again, with the number of events after which it is its turn.
    again: VecDeque<(i64, FlatEvent)>,
}

impl Iterator for Events {
    type Item = FlatEvent;

    fn next(&mut self) -> Option<FlatEvent> {
        if let Some((_, event)) = self.again.pop_front_if(|(due, _)| *due <= self.said || self.open.is_empty()) {
            return Some(event);
        }
        if self.hot_is_due() {
            let step = usize::try_from(self.hot_said).unwrap_or(usize::MAX);
            let event = self.event(self.workload.first_order + self.workload.orders, step);
            (self.said, self.hot_said) = (self.said + 1, self.hot_said + 1);
            return Some(event);
        }
        if self.open.is_empty() {
            return None;
        }
        let place = self.turns.index(self.open.len());
        let (order, step) = self.open[place];
        let event = self.event(order, step);
        self.said += 1;
        if step + 1 < self.workload.events_per_order {
            self.open[place].1 += 1;
        } else if self.next < self.workload.first_order + self.workload.orders {
            self.open[place] = (self.next, 0);
            self.next += 1;
        } else {
            self.open.swap_remove(place);
        }
        if self.echoes.chance(self.workload.duplicates) {
            self.again.push_back((self.said + ECHO, event.clone()));
        }
        Some(event)
    }
}

impl Events {
    /// Whether the hot order has said less of its story than all orders together of theirs.
    fn hot_is_due(&self) -> bool {
        let Workload { hot_events, .. } = self.workload;
        let share = u128::from(self.said.unsigned_abs()) * u128::from(hot_events);
        self.hot_said < hot_events && u128::from(self.hot_said) * u128::from(self.workload.events()) <= share
    }

    fn event(&mut self, order: u64, step: usize) -> FlatEvent {
        let (place, parcel) = match step.checked_sub(STORY.len()) {
            None => (step, 1),
            Some(beyond) => (STORY.len() - PARCEL + beyond % PARCEL, 2 + beyond / PARCEL),
        };
        let (topic, kind) = STORY[place];
        let mut event = FlatEvent {
            topic,
            event_id: self.event_id(),
            order_id: format!("ord-{order:06}"),
            kind: kind.into(),
            occurred_at: BEGIN + self.said * STEP,
            ..FlatEvent::default()
        };
        match topic {
            Input::Payment => {
                event.authorization_id = Some(format!("pay-{order:06}"));
                event.capture_id = (kind == "CAPTURED").then(|| format!("cap-{order:06}"));
                event.amount_minor = Some(1_000 + i64::try_from(order % 90_000).expect("it is below 90,000"));
                event.currency = Some("EUR".into());
            }
            Input::Inventory => event.reservation_id = Some(format!("res-{order:06}")),
            Input::Shipping if parcel == 1 => event.shipment_id = Some(format!("shp-{order:06}")),
            Input::Shipping => event.shipment_id = Some(format!("shp-{order:06}-{parcel}")),
            Input::Order => {}
        }
        event
    }

    fn event_id(&mut self) -> String {
        let mut bytes = [0; 16];
        for half in bytes.chunks_exact_mut(8) {
            half.copy_from_slice(&self.turns.below(u64::MAX).to_be_bytes());
        }
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use orderstream::decode::json::from_json;
    use orderstream::ids::Timestamp;
    use orderstream::order::facts::register::Merged;
    use orderstream::order::fold::Fold;
    use orderstream::order::{Policy, Status};

    use super::*;

    fn story(workload: Workload) -> Vec<FlatEvent> {
        workload.iter().filter(|event| event.order_id == "ord-000003").collect()
    }

    #[test]
    fn every_event_of_a_story_is_applied_and_four_of_six_are_told() {
        for events_per_order in [6, 60] {
            let workload = Workload { events_per_order, ..Workload::local(50) };
            let policy = Policy::default();
            let mut fold = Fold::new(&policy);
            for event in story(workload) {
                let json = serde_json::to_value(&event).expect("JSON");
                let event = from_json(json, Timestamp(BEGIN * 2)).expect("it has what its kind needs");
                assert_eq!(fold.apply(&event), Merged::Changed, "{event:?}");
                if fold.order().version == 4 {
                    assert_eq!(fold.emits().last(), Some(&Status::Shipped));
                }
            }
            assert_eq!(fold.order().version, if events_per_order == 6 { 4 } else { 4 + 18 });
        }
    }

    #[test]
    fn all_is_said_once_in_the_order_of_each_story() {
        let workload = Workload { in_flight: 10, ..Workload::local(100) };
        let events: Vec<FlatEvent> = workload.iter().collect();
        assert_eq!(events.len() as u64, workload.events());
        assert_eq!(events, workload.iter().collect::<Vec<_>>(), "the same again");
        assert_eq!(events.iter().map(|event| &event.event_id).collect::<HashSet<_>>().len(), events.len());
        let mut stories: HashMap<&str, Vec<&str>> = HashMap::new();
        for event in &events {
            stories.entry(&event.order_id).or_default().push(&event.kind);
        }
        let story: Vec<&str> = STORY.iter().map(|(_, kind)| *kind).collect();
        assert!(stories.len() == 100 && stories.values().all(|told| *told == story), "{stories:?}");
    }

    #[test]
    fn a_hot_order_is_spoken_of_all_the_time() {
        let workload = Workload { hot_events: 100, ..Workload::local(50) };
        let events: Vec<FlatEvent> = workload.iter().collect();
        assert_eq!((events.len() as u64, workload.events(), workload.all_orders()), (400, 400, 51));
        for part in events.chunks(40) {
            assert_eq!(part.iter().filter(|event| event.order_id == "ord-000050").count(), 10);
        }
    }

    #[test]
    fn a_share_of_the_events_is_said_again_later() {
        let workload = Workload { duplicates: 0.1, ..Workload::local(2_000) };
        let (mut seen, mut again) = (HashSet::new(), 0);
        for event in workload.iter() {
            again += usize::from(!seen.insert(event.event_id));
        }
        assert_eq!(seen.len(), 12_000);
        assert!((1_000..1_400).contains(&again), "{again}");
    }

    #[test]
    fn scattered_events_are_of_many_orders_at_once() {
        let orders: HashSet<String> =
            Workload::scattered(50_000).iter().take(2_000).map(|event| event.order_id).collect();
        assert!(orders.len() > 1_900, "{}", orders.len());
    }
}
