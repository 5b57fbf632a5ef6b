//! The worked examples of `tests/scenarios`: each comes out as it says, in every order of arrival and with repetitions.
//!
//! No server is needed: the pure core folds the events, as `orderstream fold` does. A case that fails is named and both
//! views are shown. What arrives before a deadline fires and what arrives after it are shuffled each for themselves.

use std::collections::BTreeSet;

use orderstream::decode::json;
use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::attention::{Attention, Flag};
use orderstream::order::cancel::CancelReason;
use orderstream::order::obligation::ObligationKind;
use orderstream::order::region::{FulfilmentState, InventoryState, PaymentState, ReturnsState};
use orderstream::order::{DeadlineName, Event, Facts, Fold, Policy, Status, View, derive, fire_due};
use serde::Deserialize;
use serde_json::Value;

/// Up to so many events of a case are tried in every order.
const MAX_EXHAUSTIVE: usize = 5;
/// How many orders of arrival are tried of a longer case.
const SHUFFLES: u64 = 50;

/// One worked example.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The events, in one possible order of arrival.
    pub events: Vec<Event>,
    /// What differs from the defaults.
    pub policy: Policy,
    /// When deadlines are looked at, after the events.
    pub until: Option<Timestamp>,
    /// What arrives after that.
    pub after: Vec<Event>,
    /// The view in the end.
    pub expect: View,
    /// The status of each OrderStatusChanged, in the order given.
    pub emits: Vec<Status>,
}

/// Every worked example.
pub fn all() -> Vec<Case> {
    let named = cases(include_str!("../scenarios/named.json"));
    let random = cases(include_str!("../scenarios/random.json"));
    named.into_iter().chain(random).collect()
}

/// The cases of one file.
pub fn cases(text: &str) -> Vec<Case> {
    let written: Vec<Written> = serde_json::from_str(text).expect("a file of scenarios");
    written.into_iter().map(Case::from).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    events: Vec<Value>,
    #[serde(default)]
    policy: Policy,
    until: Option<Timestamp>,
    #[serde(default)]
    after: Vec<Value>,
    expect: View,
    emits: Vec<Status>,
}

impl From<Written> for Case {
    fn from(written: Written) -> Self {
        let read = |events: Vec<Value>| -> Vec<Event> {
            let read = |event| json::from_json(event, Timestamp(i64::MAX)).expect("an event");
            events.into_iter().map(read).collect()
        };
        Self {
            events: read(written.events),
            after: read(written.after),
            name: written.name,
            policy: written.policy,
            until: written.until,
            expect: written.expect,
            emits: written.emits,
        }
    }
}

impl Case {
    /// The order that it is about.
    pub fn order_id(&self) -> OrderId {
        let first = self.events.iter().chain(&self.after).next();
        first.map_or_else(|| OrderId::from("none"), |event| event.order_id.clone())
    }

    /// Folds the case as it is given, and shows each view on the way.
    fn fold(&self, mut on_view: impl FnMut(&View)) -> Vec<Status> {
        let mut fold = Fold::new(&self.policy);
        for event in &self.events {
            let _ = fold.apply(event);
            on_view(&fold.view());
        }
        if let Some(until) = self.until {
            fold.fire(until, &self.order_id());
            on_view(&fold.view());
        }
        for event in &self.after {
            let _ = fold.apply(event);
            on_view(&fold.view());
        }
        on_view(&fold.view());
        fold.emits().to_vec()
    }

    /// The view in the end when the events arrive in these orders; an index may be there more than once.
    fn view_of(&self, events: &[usize], after: &[usize]) -> View {
        let mut facts = Facts::default();
        for &index in events {
            let _ = facts.merge(&self.events[index]);
        }
        if let Some(until) = self.until {
            fire_due(&mut facts, &self.policy, until, &self.order_id());
        }
        for &index in after {
            let _ = facts.merge(&self.after[index]);
        }
        derive(&facts, &self.policy)
    }

    fn assert_comes_out(&self, events: &[usize], after: &[usize]) {
        let view = self.view_of(events, after);
        let pretty = |view: &View| serde_json::to_string_pretty(view).expect("a view is JSON");
        assert!(
            view == self.expect,
            "{}: in the order {events:?}, then {after:?}\nexpected {}\nbut got {}",
            self.name,
            pretty(&self.expect),
            pretty(&view)
        );
    }
}

#[test]
fn every_case_comes_out_as_it_says_in_the_order_given() {
    for case in all() {
        let mut last = None;
        let emits = case.fold(|view| last = Some(view.clone()));
        assert_eq!(last, Some(case.expect), "{}", case.name);
        assert_eq!(emits, case.emits, "{}", case.name);
    }
}

#[test]
fn every_case_comes_out_the_same_in_every_order_of_arrival() {
    for case in all() {
        for events in orders(case.events.len()) {
            for after in orders(case.after.len()).iter().take(if case.events.len() > 3 { 3 } else { 24 }) {
                case.assert_comes_out(&events, after);
            }
        }
    }
}

#[test]
fn every_case_comes_out_the_same_with_events_repeated() {
    for case in all() {
        for seed in 0..SHUFFLES {
            let mut random = Random(seed);
            let events = random.with_repetitions(case.events.len());
            let after = random.with_repetitions(case.after.len());
            case.assert_comes_out(&events, &after);
        }
    }
}

#[test]
fn an_event_that_comes_again_is_a_duplicate_or_stale_and_says_nothing() {
    for case in all() {
        let mut fold = Fold::new(&case.policy);
        for event in &case.events {
            let _ = fold.apply(event);
            let facts = fold.order().facts.clone();
            let emits = fold.emits().len();
            assert_ne!(fold.apply(event), orderstream::order::Merged::Changed, "{}", case.name);
            assert_eq!((&facts, emits), (&fold.order().facts, fold.emits().len()), "{}", case.name);
        }
    }
}

#[test]
fn every_value_of_the_view_is_reached_by_some_case() {
    let mut reached: BTreeSet<&'static str> = BTreeSet::new();
    let mut reach = |region: &'static str, value: &'static str| {
        reached.insert(Box::leak(format!("{region} {value}").into_boxed_str()));
    };
    for case in all() {
        case.fold(|view| {
            reach("status", view.status.as_str());
            reach("payment", view.payment.as_str());
            reach("inventory", view.inventory.as_str());
            reach("fulfilment", view.fulfilment.as_str());
            reach("returns", view.returns.as_str());
            view.cancel_reason.iter().for_each(|reason| reach("cancel", reason.as_str()));
            view.flags.iter().for_each(|flag| reach("flag", flag.as_str()));
            view.attention.iter().for_each(|reason| reach("attention", reason.as_str()));
            view.owed.iter().for_each(|owed| reach("owed", owed.kind().as_str()));
        });
        let mut facts = Facts::default();
        for event in &case.events {
            let _ = facts.merge(event);
            reach("kind", event.kind());
        }
        let fired = fire_due(&mut facts, &case.policy, Timestamp(i64::MAX), &case.order_id());
        for fired in &fired {
            reach("deadline", fired.deadline.name.as_str());
        }
    }
    let all = |region: &str, names: Vec<&str>| -> Vec<String> {
        names.into_iter().map(|name| format!("{region} {name}")).collect()
    };
    let every = [
        all("status", Status::ALL.map(Status::as_str).to_vec()),
        all("payment", PaymentState::ALL.map(PaymentState::as_str).to_vec()),
        all("inventory", InventoryState::ALL.map(InventoryState::as_str).to_vec()),
        all("fulfilment", FulfilmentState::ALL.map(FulfilmentState::as_str).to_vec()),
        all("returns", ReturnsState::ALL.map(ReturnsState::as_str).to_vec()),
        all("cancel", CancelReason::ALL.map(CancelReason::as_str).to_vec()),
        all("flag", Flag::ALL.map(Flag::as_str).to_vec()),
        all("attention", Attention::ALL.map(Attention::as_str).to_vec()),
        all("owed", ObligationKind::ALL.map(ObligationKind::as_str).to_vec()),
        all("deadline", DeadlineName::ALL.map(DeadlineName::as_str).to_vec()),
    ];
    let missing: Vec<&String> = every.iter().flatten().filter(|name| !reached.contains(name.as_str())).collect();
    // The facts never set it: commands belong to the order's row (DOMAIN section 8).
    assert_eq!(missing, ["attention command_unanswered"]);
}

/// Orders of arrival: all of them if there are few, else a sample.
fn orders(len: usize) -> Vec<Vec<usize>> {
    if len <= MAX_EXHAUSTIVE {
        return permutations(len);
    }
    (0..SHUFFLES).map(|seed| Random(seed).shuffled(len)).collect()
}

fn permutations(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(len - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut longer = order.clone();
        longer.insert(place, len - 1);
        longer
    };
    shorter.iter().flat_map(|order| (0..len).map(move |place| insert(order, place))).collect()
}

/// A small generator of random numbers (splitmix64), so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).expect("less than the bound")
    }

    fn shuffled(&mut self, len: usize) -> Vec<usize> {
        self.shuffle((0..len).collect())
    }

    /// Every index at least once, some of them again, in any order.
    fn with_repetitions(&mut self, len: usize) -> Vec<usize> {
        let again = self.below(len + 1);
        let mut indices: Vec<usize> = (0..len).collect();
        indices.extend((0..again).map(|_| self.below(len)));
        self.shuffle(indices)
    }

    fn shuffle(&mut self, mut indices: Vec<usize>) -> Vec<usize> {
        for end in (1..indices.len()).rev() {
            let other = self.below(end + 1);
            indices.swap(end, other);
        }
        indices
    }
}
