//! What must hold for any events whatever, in any order, any number of times.
//!
//! Everything here is said of facts or of views of drawn events; a failure is shrunk by proptest, and what it shrinks to is
//! then kept by name in `counterexamples`.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::strategy::{event, events, policy, shuffled};
use super::{facts_of, view_of};
use crate::ids::{OrderId, Timestamp};
use crate::order::attention::Attention;
use crate::order::explain::explain;
use crate::order::facts::few::Few;
use crate::order::facts::reservation::Quantities;
use crate::order::obligation::Obligation;
use crate::order::reading::Reading;
use crate::order::{Event, Facts, Merged, Policy, Status, View, deadlines, derive, fire_due, next_due};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_with_any_repetition_ends_in_the_same_order(
        (events, shuffled) in events(24).prop_flat_map(shuffled),
        policy in policy(),
    ) {
        let (facts, again) = (facts_of(&events), facts_of(&shuffled));
        prop_assert_eq!(&facts, &again);
        let bytes = |facts: &Facts| serde_json::to_string(&derive(facts, &policy)).expect("a view is JSON");
        prop_assert_eq!(bytes(&facts), bytes(&again));
    }

    #[test]
    fn an_event_changes_the_facts_exactly_when_merge_says_so(before in events(12), event in event()) {
        let facts = facts_of(&before);
        let mut after = facts.clone();
        let merged = after.merge(&event);
        prop_assert_eq!(merged == Merged::Changed, facts != after);
        let again = after.clone().merge(&event);
        prop_assert_ne!(again, Merged::Changed, "the second time");
        if before.contains(&event) {
            prop_assert_ne!(merged, Merged::Changed, "heard before");
        }
    }

    #[test]
    fn facts_that_are_stored_between_batches_end_the_same(
        batches in prop::collection::vec(events(6), 0..5),
    ) {
        let mut stored = String::from(r#"{"v":1}"#);
        for batch in &batches {
            let mut facts: Facts = serde_json::from_str(&stored).expect("facts we stored");
            for event in batch {
                let _ = facts.merge(event);
            }
            stored = serde_json::to_string(&facts).expect("facts are JSON");
        }
        let facts: Facts = serde_json::from_str(&stored).expect("facts we stored");
        prop_assert_eq!(facts, facts_of(batches.iter().flatten()));
    }

    #[test]
    fn what_fired_is_a_fact_like_any_other(
        (events, _) in events(16).prop_flat_map(shuffled),
        policy in policy(),
        hour in 0_i64..20,
        seed in any::<prop::sample::Index>(),
    ) {
        let mut facts = facts_of(&events);
        let until = super::say::minute(hour * 60);
        let fired = fire_due(&mut facts, &policy, until, &OrderId::from("o"));
        prop_assert!(fire_due(&mut facts, &policy, until, &OrderId::from("o")).is_empty(), "fired twice");

        let internal: Vec<Event> = fired.into_iter().map(|fired| fired.event).collect();
        let mut all: Vec<Event> = events.into_iter().chain(internal.iter().cloned()).collect();
        if !all.is_empty() {
            let middle = seed.index(all.len());
            all.rotate_left(middle);
        }
        prop_assert_eq!(&facts_of(&all), &facts);
        for event in &internal {
            prop_assert_eq!(facts.merge(event), Merged::Duplicate);
        }
    }

    #[test]
    fn the_next_due_time_is_that_of_the_deadline_that_fires_next(events in events(16), policy in policy()) {
        let facts = facts_of(&events);
        let next = next_due(&facts, &policy);
        let fired = fire_due(&mut facts.clone(), &policy, Timestamp(i64::MAX), &OrderId::from("o"));
        prop_assert_eq!(next, fired.first().map(|fired| fired.deadline.due));
        if let Some(due) = next {
            let early = Timestamp(due.0 - 1);
            prop_assert!(fire_due(&mut facts.clone(), &policy, early, &OrderId::from("o")).is_empty());
        }
        let armed = deadlines(&facts, &policy);
        prop_assert!(armed.is_sorted());
        prop_assert_eq!(armed.iter().find(|deadline| deadline.holds).map(|deadline| deadline.due), next);
    }

    #[test]
    fn a_view_keeps_its_shape(events in events(24), policy in policy()) {
        let view = derive(&facts_of(&events), &policy);
        assert_shape(&view);
        let json = serde_json::to_string(&view).expect("a view is JSON");
        let back: View = serde_json::from_str(&json).expect("a view we wrote");
        prop_assert_eq!(back, view);
    }

    #[test]
    fn any_order_is_explained_by_the_rule_that_decided(events in events(24), policy in policy()) {
        let facts = facts_of(&events);
        let explanation = explain(&facts, &policy);
        prop_assert_eq!(Status::ALL[explanation.rule - 1], derive(&facts, &policy).status);
        prop_assert!(explanation.passed_over.iter().all(|row| !row.lacks.is_empty()));
        let held = facts.told().iter().map(|fact| (fact.to_string(), fact.kind)).collect::<BTreeSet<_>>();
        prop_assert_eq!(held.len(), facts.told().len(), "an address twice");
        prop_assert_eq!(explanation.deadlines.len(), deadlines(&facts, &policy).len());
    }

    #[test]
    fn stock_counted_once_and_spread_is_stock_counted_line_by_line(events in events(24)) {
        let facts = facts_of(&events);
        let policy = Policy::default();
        let reading = Reading::of(&facts, &policy);
        for (row, line) in reading.lines.iter() {
            let mut sum = Quantities::default();
            for reservation in facts.reservations.values() {
                let named = reservation.lines().find(|(id, _)| **id == line.id);
                let nothing = Few::default();
                let of_line = match named {
                    Some((_, said)) => reservation.of_named(said, line.ordered),
                    None if line.is_ordered => reservation.of_named(&nothing, line.ordered),
                    None => Quantities::default(),
                };
                sum.reserved += of_line.reserved;
                sum.backordered += of_line.backordered;
                sum.rejected += of_line.rejected;
            }
            prop_assert_eq!(sum, reading.stock.lines[row], "line {}", line.id);
            let held: i64 = reading.stock.held.iter().flat_map(|held| held.reserved(&reading.lines))
                .filter(|(held, _)| *held == row).map(|(_, pieces)| pieces).sum();
            prop_assert_eq!(held, sum.reserved, "held of line {}", line.id);
        }
        for held in &reading.stock.held {
            prop_assert_eq!(held.holds_any(&reading.lines), !held.reserved(&reading.lines).is_empty());
        }
    }

    #[test]
    fn late_money_or_stock_never_resurrects_a_cancelled_order(
        before in events(12),
        late in prop::collection::vec(event().prop_filter("money or stock", is_money_or_stock), 1..8),
    ) {
        let cancelled = |status| matches!(status, Status::Cancelled | Status::Cancelling);
        if cancelled(view_of(&before).status) {
            let status = view_of(before.iter().chain(&late)).status;
            prop_assert!(cancelled(status), "resurrected as {status}");
        }
    }
}

fn is_money_or_stock(event: &Event) -> bool {
    use crate::order::Source;
    matches!(event.topic(), Source::Payment | Source::Inventory)
}

/// What holds of every view, whatever the facts.
fn assert_shape(view: &View) {
    assert!(view.lines.is_sorted_by(|a, b| a.line_id < b.line_id), "lines sorted, each once");
    assert!(view.owed.is_sorted_by(|a, b| (a.kind(), a.id()) < (b.kind(), b.id())), "owed sorted, each once");
    assert!(!view.lines.is_empty() && view.lines.iter().all(|line| line.ordered > 0), "something is ordered");
    let amounts = [view.authorized_minor, view.captured_minor, view.refunded_minor, view.charged_back_minor];
    assert!(amounts.iter().all(|amount| amount.0 >= 0), "no amount below 0");
    let pieces = |line: &crate::order::view::LineView| [line.reserved, line.shipped, line.delivered, line.returned];
    assert!(view.lines.iter().flat_map(pieces).all(|pieces| pieces >= 0), "no quantity below 0");
    let is_cancelled = matches!(view.status, Status::Cancelled | Status::Cancelling);
    assert_eq!(is_cancelled, view.cancel_reason.is_some(), "a reason says the status");
    assert!(view.owed.is_empty() || view.status == Status::Cancelling, "who owes is cancelling");
    assert!(!view.attention.contains(&Attention::CommandUnanswered), "facts know no commands");
    let owed = view.owed.iter().filter_map(Obligation::money);
    assert!(owed.into_iter().all(|money| money.amount.0 > 0), "owed money is more than nothing");
    let released = view.owed.iter().flat_map(Obligation::lines);
    assert!(released.into_iter().all(|line| line.quantity > 0), "owed stock is more than nothing");
}
