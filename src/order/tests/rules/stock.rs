//! Reservations, line by line and as a whole (DOMAIN sections 4, 6, 8).
//!
//! Which word counts for a line, what takes from a reservation, what is owed back of it.

use crate::order::attention::Attention;
use crate::order::event::inventory::StockFact;
use crate::order::event::line::Lines;
use crate::order::event::ordering::RequestedBy;
use crate::order::event::shipping::{ReturnFact, ShipmentKind};
use crate::order::obligation::{Obligation, ObligationKind};
use crate::order::region::InventoryState;
use crate::order::tests::say::{self, cancel_requested, lines, placed, reserved, returned, shipment, stock};
use crate::order::tests::view_of;
use crate::order::{Event, View};

/// Line, ordered and reserved.
fn reserved_lines(view: &View) -> Vec<(&str, i64, i64)> {
    view.lines.iter().map(|line| (line.line_id.as_str(), line.ordered, line.reserved)).collect()
}

fn ordered() -> Event {
    placed(5_000, &[("1", 2), ("2", 3)])
}

#[test]
fn a_fact_of_the_whole_order_speaks_of_every_ordered_line_in_full() {
    assert_eq!(reserved_lines(&view_of([&reserved("s1", &[]).at(1), &ordered()])), [("1", 2, 2), ("2", 3, 3)]);
}

#[test]
fn of_a_line_and_of_the_whole_the_later_word_counts() {
    let whole_last = [ordered(), reserved("s1", &[("1", 1)]).at(1), reserved("s1", &[]).at(2)];
    assert_eq!(reserved_lines(&view_of(&whole_last)), [("1", 2, 2), ("2", 3, 3)]);
    let line_last = [ordered(), reserved("s1", &[("1", 1)]).at(2), reserved("s1", &[]).at(1)];
    assert_eq!(reserved_lines(&view_of(&line_last)), [("1", 2, 1), ("2", 3, 3)]);
}

#[test]
fn a_fact_of_the_whole_speaks_of_lines_that_only_its_own_reservation_names() {
    let restocked = StockFact::Restocked { condition: None };
    let events = [ordered(), stock("s1", restocked, lines(&[("9", 4)])), reserved("s1", &[])];
    assert_eq!(reserved_lines(&view_of(&events)), [("1", 2, 2), ("2", 3, 3), ("9", 1, 1)]);
    let other = [ordered(), stock("s2", StockFact::Backordered, lines(&[("9", 4)])), reserved("s1", &[])];
    assert_eq!(reserved_lines(&view_of(&other)), [("1", 2, 2), ("2", 3, 3), ("9", 4, 0)]);
}

#[test]
fn takers_count_from_the_instant_of_the_reservation_on() {
    let taken = |fact: StockFact, named: &[(&str, i64)], at: i64| {
        let events = [ordered(), reserved("s1", &[("1", 2)]).at(5), stock("s1", fact, lines(named)).at(at)];
        view_of(&events).lines[0].reserved
    };
    for (fact, named, left) in [
        (StockFact::Shorted, &[("1", 1)][..], 1),
        (StockFact::Shorted, &[], 0),
        (StockFact::Released, &[("1", 1)], 1),
        (StockFact::Released, &[], 0),
        (StockFact::ReservationExpired, &[("1", 1)], 0),
        (StockFact::ReservationExpired, &[], 0),
    ] {
        assert_eq!(taken(fact.clone(), named, 4), 2, "{fact:?} before");
        assert_eq!(taken(fact.clone(), named, 5), left, "{fact:?} at the same instant");
        assert_eq!(taken(fact.clone(), named, 6), left, "{fact:?} after");
    }
}

#[test]
fn what_was_shorted_is_rejected_and_only_what_was_there_can_be_shorted() {
    let short = |pieces| {
        let shorted = stock("s1", StockFact::Shorted, lines(&[("1", pieces)])).at(2);
        view_of(&[placed(5_000, &[("1", 2)]), reserved("s1", &[("1", 2)]).at(1), shorted])
    };
    assert_eq!(short(1).attention, [Attention::PartiallyRejected].into());
    assert_eq!((short(1).inventory, short(1).lines[0].reserved), (InventoryState::PartiallyReserved, 1));
    assert_eq!(short(9).inventory, InventoryState::Rejected);
    let nothing = view_of([&placed(5_000, &[("1", 2)]), &stock("s1", StockFact::Shorted, Lines::default())]);
    assert_eq!(nothing.inventory, InventoryState::None);
}

#[test]
fn a_later_reservation_takes_back_what_was_promised_or_rejected_and_one_at_the_same_instant_does_not() {
    let state = |fact: StockFact, at: i64| {
        let events = [
            placed(5_000, &[("1", 9)]),
            stock("s1", fact, lines(&[("1", 2)])).at(5),
            reserved("s1", &[("1", 1)]).at(at),
        ];
        (view_of(&events).attention.contains(&Attention::PartiallyRejected), view_of(&events).lines[0].reserved)
    };
    assert_eq!(state(StockFact::Rejected, 5), (true, 1));
    assert_eq!(state(StockFact::Rejected, 6), (false, 1));
    let promised = |at| {
        let reserved = reserved("s1", &[("1", 1)]).at(at);
        let released = stock("s1", StockFact::Released, lines(&[("1", 1)])).at(9);
        let backordered = stock("s1", StockFact::Backordered, lines(&[("1", 2)])).at(5);
        view_of(&[placed(5_000, &[("1", 9)]), backordered, reserved, released]).inventory
    };
    assert_eq!(promised(5), InventoryState::Backordered);
    assert_eq!(promised(6), InventoryState::Released);
}

#[test]
fn the_last_of_lapsed_and_released_names_the_region_also_when_there_was_nothing_to_take() {
    let lapsed = |at| stock("s1", StockFact::ReservationExpired, Lines::default()).at(at);
    let released = |at| stock("s2", StockFact::Released, Lines::default()).at(at);
    assert_eq!(view_of([&lapsed(1), &released(2)]).inventory, InventoryState::Released);
    assert_eq!(view_of([&lapsed(2), &released(1)]).inventory, InventoryState::Expired);
}

#[test]
fn a_line_that_nobody_ordered_needs_what_shipments_or_inventory_name_for_it() {
    let named = [
        reserved("s1", &[("1", 2)]).at(1),
        stock("s1", StockFact::Rejected, lines(&[("1", 1)])).at(1),
        stock("s1", StockFact::Shorted, lines(&[("1", 1)])).at(2),
        reserved("s2", &[("1", 1)]).at(1),
        shipment("p1", ShipmentKind::Picked, &[("1", 3)]),
        shipment("p2", ShipmentKind::LabelCreated, &[("2", 7)]),
        shipment("p2", ShipmentKind::Cancelled, &[]).at(9),
        returned("t1", ReturnFact::Closed { accepted: false }, &[("3", 2)]),
    ];
    // Of line 1 inventory names 2 + 1 + 1 and shipments 3; a cancelled shipment names nothing; a return names line 3.
    assert_eq!(reserved_lines(&view_of(&named)), [("1", 4, 2), ("3", 1, 0)]);
}

#[test]
fn of_an_order_without_named_lines_the_line_star_is_all() {
    let view = view_of([&reserved("s1", &[]), &cancel_requested(RequestedBy::Customer).at(1)]);
    assert_eq!(reserved_lines(&view), [("*", 1, 1)]);
    let owed: Vec<_> =
        view.owed.iter().flat_map(Obligation::lines).map(|line| (line.line_id.as_str(), line.quantity)).collect();
    assert_eq!(owed, [("*", 1)]);
}

#[test]
fn what_was_shipped_is_not_released_and_is_taken_from_the_reservations_by_id() {
    let events = [
        placed(5_000, &[("1", 5)]),
        reserved("s2", &[("1", 3)]),
        reserved("s1", &[("1", 2)]).at(1),
        cancel_requested(RequestedBy::Customer).at(2),
        shipment("p1", ShipmentKind::Dispatched, &[("1", 3)]).at(3),
    ];
    let view = view_of(&events);
    let owed: Vec<_> = view.owed.iter().map(|owed| (owed.kind(), owed.id(), owed.lines()[0].quantity)).collect();
    assert_eq!(owed, [(ObligationKind::ReleaseInventory, "s2", 2)]);
}

#[test]
fn lines_that_nobody_ordered_count_as_something_and_never_as_every_line() {
    let extra = view_of([&placed(5_000, &[("1", 1)]), &reserved("s1", &[("9", 1)])]);
    assert_eq!(extra.inventory, InventoryState::PartiallyReserved);
    let all = view_of([
        &placed(5_000, &[("1", 1)]),
        &reserved("s1", &[("1", 1)]),
        &stock("s2", StockFact::Rejected, lines(&[("9", 1)])),
    ]);
    assert_eq!(all.inventory, InventoryState::Reserved);
}

#[test]
fn the_sku_of_a_line_is_the_one_last_named() {
    let facts = crate::order::tests::facts_of([
        &stock("s1", StockFact::Reserved { expires_at: None }, say::articles(&[("1", 1, "old"), ("2", 1, "two")]))
            .at(1),
        &stock("s2", StockFact::Rejected, say::articles(&[("1", 1, "new")])).at(2),
        &reserved("s3", &[("1", 1)]).at(3),
    ]);
    let skus: Vec<_> = facts.skus().into_iter().map(|(line, sku)| (line.as_str(), sku.as_str())).collect();
    assert_eq!(skus, [("1", "new"), ("2", "two")]);
}
