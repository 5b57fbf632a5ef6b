//! Explanations: the explained rule is the one that decided, and the sentences name the facts that did it.

use super::{facts_of, say};
use crate::ids::{OrderId, Timestamp};
use crate::order::attention::{Attention, Flag};
use crate::order::deadline::DeadlineName;
use crate::order::event::inventory::StockFact;
use crate::order::event::line::Lines;
use crate::order::event::ordering::{Ordering, RequestedBy};
use crate::order::event::payment::AuthorizationFact;
use crate::order::event::shipping::{ReturnFact, ShipmentKind};
use crate::order::explain::{Explanation, Note, Sentence, explain};
use crate::order::facts::told::Fact;
use crate::order::policy::{Micros, Shell};
use crate::order::status::Clause;
use crate::order::ways::policy;
use crate::order::{Body, Event, Policy, Status, fire_due};

fn of(events: &[Event]) -> Explanation {
    explain(&facts_of(events), &policy())
}

fn addresses(sentence: &Sentence) -> Vec<String> {
    sentence.facts.iter().map(Fact::to_string).collect()
}

fn why(explanation: &Explanation, clause: Clause) -> &Sentence {
    let lacks = explanation.passed_over.iter().flat_map(|row| &row.lacks);
    let note = explanation.because.iter().chain(lacks).find(|note| note.name == clause);
    &note.unwrap_or_else(|| panic!("nothing of {clause}")).why
}

fn note<Name: PartialEq>(notes: &[Note<Name>], name: Name) -> &Sentence {
    &notes.iter().find(|note| note.name == name).expect("it is up").why
}

fn reserved() -> Event {
    say::reserved("s1", &[("1", 2)]).at(2)
}

fn confirmed() -> Vec<Event> {
    vec![say::placed(5_000, &[("1", 2)]), say::authorized("a1", 5_000).at(1), reserved()]
}

#[test]
fn a_confirmed_order_is_secured_by_a_named_authorization_and_reserved_line_by_line() {
    let explanation = of(&confirmed());
    assert_eq!((explanation.view.status, explanation.rule), (Status::Confirmed, 10));
    let secured = why(&explanation, Clause::Secured);
    assert_eq!(secured.text, "secured: 50.00 EUR held, against the 50.00 EUR that we should have");
    assert_eq!(addresses(secured), ["(order, PLACED)", "(authorization, \"a1\", AUTHORIZED)"]);
    assert_eq!(secured.facts[1].event_id.as_str(), "AUTHORIZED-a1@1");
    assert_eq!(secured.facts[1].occurred_at, say::minute(1));
    let stock = why(&explanation, Clause::EverythingReserved);
    assert_eq!(stock.text, "inventory is RESERVED: line 1: 2 of 2 reserved");
    assert_eq!(addresses(stock), ["(reservation, \"s1\", line \"1\", RESERVED)"]);
    let settled = why(&explanation, Clause::Settled);
    assert_eq!(settled.text, "not settled: nothing taken, against the 50.00 EUR that we should have");
    let above: Vec<usize> = explanation.passed_over.iter().map(|row| row.rule).collect();
    assert_eq!(above, (1..10).collect::<Vec<_>>());
}

#[test]
fn a_cancel_intent_names_what_asked_first_and_what_left() {
    let mut events = confirmed();
    events.push(say::cancel_requested(RequestedBy::Customer).at(5));
    let explanation = of(&events);
    let intent = why(&explanation, Clause::CancelIntent);
    assert_eq!(intent.text, "cancel intent, reason customer: the customer asked, and nothing left");
    assert_eq!(addresses(intent), ["(order, CANCEL_REQUESTED)"]);
    events.push(say::shipment("p1", ShipmentKind::InTransit, &[]).at(9));
    let explanation = of(&events);
    let intent = why(&explanation, Clause::CancelIntent);
    assert_eq!(intent.text, "cancel intent, reason customer: the customer asked, before the first parcel left");
    assert_eq!(addresses(intent), ["(order, CANCEL_REQUESTED)", "(shipment, \"p1\", LEFT)"]);
    let out = why(&explanation, Clause::NothingOut);
    assert_eq!(out.text, "something is out, and until it is back no money is owed: line 1: 0 of 2 that left came back");
    events.push(say::shipment("p0", ShipmentKind::Dispatched, &[("1", 1)]).at(3));
    let explanation = of(&events);
    let intent = why(&explanation, Clause::CancelIntent);
    assert_eq!(intent.text, "no cancel intent: what asked to cancel came at or after the dispatch");
    assert_eq!(addresses(intent), ["(shipment, \"p0\", LEFT)", "(order, CANCEL_REQUESTED)"]);
    assert_eq!(note(&explanation.attention, Attention::CancelAfterDispatch).facts, intent.facts);
}

#[test]
fn a_deadline_that_fired_is_the_reason_and_named_as_its_fact_is() {
    let events = [say::placed(5_000, &[("1", 2)]), say::authorization("a1", AuthorizationFact::Declined).at(1)];
    let mut facts = facts_of(&events);
    fire_due(&mut facts, &Policy::default(), Timestamp(i64::MAX), &OrderId::from("o"));
    let explanation = explain(&facts, &Policy::default());
    assert_eq!((explanation.view.status, explanation.rule), (Status::Cancelled, 1));
    let intent = why(&explanation, Clause::CancelIntent);
    assert!(intent.text.contains("the deadline payment_retry fired"), "{}", intent.text);
    assert_eq!(addresses(intent), ["(deadline, payment_retry, FIRED)"]);
    assert!(intent.facts[0].event_id.as_str().starts_with("deadline:payment_retry::"));
}

#[test]
fn what_is_owed_says_what_for_and_what_would_end_it() {
    let mut events = confirmed();
    events.extend([
        say::captured("c1", 2_000).of("a1").at(3),
        say::cancel_requested(RequestedBy::Merchant).at(4),
        say::shipment("p1", ShipmentKind::LabelCreated, &[]).at(5),
    ]);
    let explanation = of(&events);
    let owed: Vec<(&str, &str)> =
        explanation.owed.iter().map(|owed| (owed.why.text.as_str(), owed.until.as_str())).collect();
    assert_eq!(
        owed,
        [
            ("shipment p1 is being made ready and has not left", "CANCELLED of shipment p1, or the word that it left"),
            (
                "20.00 EUR of capture c1 were taken and not given back",
                "REFUNDED of 20.00 EUR that names capture c1, or CAPTURE_FAILED of it"
            ),
            (
                "reservation s1 holds 2 of line 1",
                "RELEASED of reservation s1 with 2 of line 1, or RESERVATION_EXPIRED of it"
            ),
            (
                "authorization a1 is live and holds 30.00 EUR",
                "VOIDED of authorization a1, or AUTHORIZATION_EXPIRED of it"
            ),
        ]
    );
    assert!(explanation.owed.iter().all(|owed| !owed.why.facts.is_empty()));
    let nothing_owed = why(&explanation, Clause::NothingOwed);
    assert_eq!(nothing_owed.text, "owed: CANCEL_SHIPMENT p1, REFUND_PAYMENT c1, RELEASE_INVENTORY s1, VOID_PAYMENT a1");
}

#[test]
fn what_is_said_to_end_an_obligation_ends_it() {
    let mut events = confirmed();
    events.extend([
        say::captured("c1", 2_000).of("a1").at(3),
        say::cancel_requested(RequestedBy::Merchant).at(4),
        say::shipment("p1", ShipmentKind::LabelCreated, &[]).at(5),
    ]);
    let ends = [
        say::shipment("p1", ShipmentKind::Cancelled, &[]),
        say::refunded("r1", 2_000).of("c1"),
        say::stock("s1", StockFact::Released, say::lines(&[("1", 2)])),
        say::authorization("a1", AuthorizationFact::Voided),
    ];
    for (end, owed) in ends.iter().zip(of(&events).owed) {
        assert!(owed.until.starts_with(end.kind()), "{} and {}", owed.until, end.kind());
        let after = of(&[events.clone(), vec![end.clone().at(9)]].concat());
        assert!(after.owed.iter().all(|left| left.obligation != owed.obligation), "{}", owed.until);
    }
}

#[test]
fn a_deadline_shows_what_it_would_do_or_why_it_does_not_hold() {
    let events = [
        say::placed(5_000, &[("1", 2)]).until(600),
        say::authorized("a1", 5_000).at(1).until(900),
        reserved().until(60),
    ];
    let explanation = of(&events);
    let told: Vec<(DeadlineName, bool, Option<Status>, &str)> = explanation
        .deadlines
        .iter()
        .map(|armed| (armed.name, armed.holds, armed.after.as_ref().map(|view| view.status), armed.why.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                DeadlineName::ReservationExpiry,
                true,
                Some(Status::AwaitingStock),
                "unless another fact comes before, records RESERVATION_EXPIRED of the whole reservation s1"
            ),
            (
                DeadlineName::AuthorizationExpiry,
                true,
                Some(Status::AwaitingPayment),
                "unless another fact comes before, records AUTHORIZATION_EXPIRED of authorization a1"
            ),
            (DeadlineName::PaymentDue, false, None, "does not fire as things are: the order is secured"),
        ]
    );
    assert_eq!(addresses(&explanation.deadlines[2].why), ["(order, PLACED)"]);
}

#[test]
fn each_need_of_a_deadline_that_is_not_met_is_said() {
    let said = |events: &[Event], name: DeadlineName| {
        let armed = of(events).deadlines.into_iter().find(|armed| armed.name == name).expect("armed");
        assert!(!armed.holds && armed.after.is_none());
        armed.why.text
    };
    let rejected = say::stock("s1", StockFact::Rejected, Lines::default()).at(1);
    let declined = say::authorization("a1", AuthorizationFact::Declined).at(1);
    let left = say::shipment("p1", ShipmentKind::Dispatched, &[]).at(2);
    let asked = say::cancel_requested(RequestedBy::Customer).at(3);
    let partly = say::stock("s1", StockFact::Rejected, say::lines(&[("1", 1)])).at(1);
    let placed = say::placed(5_000, &[("1", 2)]);
    let does_not = "does not fire as things are: ";
    for (events, name, text) in [
        (vec![rejected.clone(), left.clone()], DeadlineName::Rejection, "the order was dispatched"),
        (vec![rejected, asked], DeadlineName::Rejection, "the order is given up already"),
        (vec![placed, partly], DeadlineName::Rejection, "not everything is rejected, inventory is NONE"),
        (
            vec![declined.clone(), say::authorization("a1", AuthorizationFact::Pending).at(5)],
            DeadlineName::PaymentRetry,
            "payment is PENDING and not DECLINED",
        ),
        (
            vec![say::authorized("a1", 500).until(9), say::captured("c1", 500).at(1)],
            DeadlineName::AuthorizationExpiry,
            "authorization a1 is not live or has no money left",
        ),
        (
            vec![reserved().until(9), say::stock("s1", StockFact::Released, Lines::default()).at(3)],
            DeadlineName::ReservationExpiry,
            "reservation s1 holds nothing",
        ),
    ] {
        assert_eq!(said(&events, name), format!("{does_not}{text}"));
    }
}

#[test]
fn flags_name_what_raised_them() {
    let hold = say::event("h1", Body::Order(Ordering::HoldPlaced("h1".into())));
    let events = [
        say::captured("c1", 5_000),
        say::dispute_opened("d1", 500).at(1),
        say::dispute_opened("d2", 500).at(1),
        say::dispute_won("d2").at(2),
        hold.at(3),
        say::shipment("p1", ShipmentKind::Delayed, &[]).at(4),
    ];
    let explanation = of(&events);
    let facts = |flag| addresses(note(&explanation.flags, flag));
    assert_eq!(facts(Flag::Disputed), ["(dispute, \"d1\", DISPUTE_OPENED)"]);
    assert_eq!(facts(Flag::OnHold), ["(hold, \"h1\", HOLD_PLACED)"]);
    assert_eq!(facts(Flag::DeliveryException), ["(shipment, \"p1\", DELAYED)"]);
}

#[test]
fn money_in_another_currency_is_named_by_its_facts_alone() {
    let events = [say::captured("c1", 5_000), say::refunded("r1", 100).in_currency("USD").at(9)];
    let explanation = of(&events);
    let mismatch = note(&explanation.attention, Attention::CurrencyMismatch);
    assert_eq!(addresses(mismatch), ["(refund, \"r1\", REFUNDED)"]);
    assert_eq!(mismatch.text, "money in another currency than the order's EUR is not in its sums");
}

#[test]
fn a_shell_is_said_to_have_no_total() {
    let paid = [say::captured("c1", 5_000)];
    let trust = of(&paid);
    assert_eq!(
        why(&trust, Clause::Secured).text,
        "secured: 50.00 EUR held or taken, and nobody said what the order costs"
    );
    let wait = Policy { shell: Shell::Wait, ..Policy::default() };
    let wait = explain(&facts_of(&paid), &wait);
    let text = "not secured: nobody said what the order costs, and the policy is to wait for that";
    assert_eq!(why(&wait, Clause::Secured).text, text);
    let free = of(&[say::placed(0, &[])]);
    assert_eq!(why(&free, Clause::Secured).text, "secured: the order costs nothing");
}

#[test]
fn what_came_back_is_counted_line_by_line() {
    let mut events = confirmed();
    events.extend([
        say::shipment("p1", ShipmentKind::Delivered, &[]).at(5),
        say::returned("t1", ReturnFact::Received, &[("1", 1)]).at(6),
    ]);
    let explanation = of(&events);
    assert_eq!((explanation.view.status, explanation.rule), (Status::PartiallyReturned, 4));
    let text = "returns are PARTIALLY_RETURNED: line 1: 1 of 2 that left came back by a return";
    assert_eq!(why(&explanation, Clause::SomethingReturned).text, text);
}

#[test]
fn the_attention_that_only_the_row_knows_is_added_once_and_in_its_place() {
    let mut explanation = of(&[say::captured("c1", 1), say::shipment("p1", ShipmentKind::Lost, &[])]);
    explanation.add_unanswered();
    explanation.add_unanswered();
    let names: Vec<Attention> = explanation.attention.iter().map(|note| note.name).collect();
    assert_eq!(names, [Attention::CommandUnanswered, Attention::ShipmentLost]);
    assert!(explanation.view.attention.contains(&Attention::CommandUnanswered));
}

#[test]
fn every_fact_that_is_held_is_told_once_under_its_own_address() {
    let policy = Policy { rejection_grace: Micros::from_seconds(0), ..Policy::default() };
    let mut events = confirmed();
    events.push(say::stock("s1", StockFact::Rejected, Lines::default()).at(7));
    let mut facts = facts_of(&events);
    fire_due(&mut facts, &policy, Timestamp(i64::MAX), &OrderId::from("o"));
    let told: Vec<String> = facts.told().iter().map(Fact::to_string).collect();
    assert_eq!(
        told,
        [
            "(order, PLACED)",
            "(authorization, \"a1\", AUTHORIZED)",
            "(reservation, \"s1\", line \"1\", RESERVED)",
            "(reservation, \"s1\", line \"*\", REJECTED)",
            "(deadline, rejection, FIRED)",
        ]
    );
}
