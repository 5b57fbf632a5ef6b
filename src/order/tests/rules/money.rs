//! Authorizations, captures, refunds, disputes (DOMAIN sections 3, 6, 8).
//!
//! What is held, taken, given back and lost, in which currency, and what is owed of it.

use crate::ids::AmountMinor;
use crate::order::View;
use crate::order::attention::{Attention, Flag};
use crate::order::event::ordering::RequestedBy;
use crate::order::event::payment::AuthorizationFact;
use crate::order::obligation::ObligationKind;
use crate::order::region::PaymentState;
use crate::order::tests::say::{
    authorization, authorized, cancel_requested, capture_failed, captured, dispute_lost, dispute_opened, dispute_won,
    placed, refund_failed, refunded,
};
use crate::order::tests::{facts_of, view_of};

/// Authorized, captured, refunded, charged back.
fn amounts(view: &View) -> [i64; 4] {
    [view.authorized_minor, view.captured_minor, view.refunded_minor, view.charged_back_minor].map(|amount| amount.0)
}

/// Kind, id and amount of what is owed.
fn owed(view: &View) -> Vec<(ObligationKind, &str, i64)> {
    let money = view.owed.iter().filter_map(|owed| Some((owed.kind(), owed.id(), owed.money()?.amount.0)));
    money.collect()
}

#[test]
fn of_two_words_at_the_same_instant_the_one_further_right_wins() {
    let facts = [
        AuthorizationFact::Pending,
        AuthorizationFact::ActionRequired,
        AuthorizationFact::Declined,
        AuthorizationFact::Voided,
        AuthorizationFact::Expired,
    ];
    let states = [
        PaymentState::Pending,
        PaymentState::ActionRequired,
        PaymentState::Declined,
        PaymentState::Voided,
        PaymentState::Expired,
    ];
    for (right, state) in states.into_iter().enumerate() {
        for left in &facts[..=right] {
            // The id would make the left one later, but between kinds the id does not count.
            let view =
                view_of([&authorization("a1", left.clone()).id("z"), &authorization("a1", facts[right].clone())]);
            assert_eq!(view.payment, state);
        }
    }
}

#[test]
fn an_attempt_is_live_again_when_it_is_authorized_after_a_decline() {
    let declined = authorization("a1", AuthorizationFact::Declined);
    assert_eq!(view_of([&declined.clone().at(1), &authorized("a1", 500).at(2)]).payment, PaymentState::Authorized);
    assert_eq!(view_of([&declined.at(1), &authorized("a1", 500).at(1)]).payment, PaymentState::Declined);
}

#[test]
fn a_later_authorized_of_the_same_id_adjusts_the_amount() {
    assert_eq!(amounts(&view_of([&authorized("a1", 500).at(2), &authorized("a1", 800).at(1)])), [500, 0, 0, 0]);
}

#[test]
fn a_failure_at_the_same_instant_undoes_what_moved_and_an_earlier_one_does_not() {
    let at = |minute| view_of([&captured("c1", 500).at(5), &capture_failed("c1").at(minute)]).captured_minor.0;
    assert_eq!([at(4), at(5), at(6)], [500, 0, 0]);
    let at = |minute| view_of([&refunded("r1", 500).at(5), &refund_failed("r1").at(minute)]).refunded_minor.0;
    assert_eq!([at(4), at(5), at(6)], [500, 0, 0]);
}

#[test]
fn a_capture_reduces_the_authorization_it_names_and_an_excess_is_lost() {
    let two = [authorized("a1", 500), authorized("a2", 500).at(1)];
    let named = view_of([&two[0], &two[1], &captured("c1", 800).of("a1").at(2)]);
    assert_eq!(amounts(&named), [500, 800, 0, 0]);
}

#[test]
fn captures_that_name_none_use_up_authorizations_from_the_oldest_on() {
    let events = [
        authorized("a1", 500).at(2),
        authorized("a2", 500).at(1),
        captured("c1", 300).at(3),
        captured("c2", 300).at(4),
    ];
    let view = view_of(events.iter().chain([&cancel_requested(RequestedBy::Customer).at(5)]));
    let voids: Vec<_> = owed(&view).into_iter().filter(|owed| owed.0 == ObligationKind::VoidPayment).collect();
    assert_eq!(voids, [(ObligationKind::VoidPayment, "a1", 400)], "a2 is older");
}

#[test]
fn authorizations_of_the_same_instant_are_used_up_by_id() {
    let events = [authorized("a2", 500), authorized("a1", 500), captured("c1", 300).at(3)];
    let view = view_of(events.iter().chain([&cancel_requested(RequestedBy::Customer).at(5)]));
    let voids: Vec<_> = owed(&view).into_iter().filter(|owed| owed.0 == ObligationKind::VoidPayment).collect();
    assert_eq!(voids, [(ObligationKind::VoidPayment, "a1", 200), (ObligationKind::VoidPayment, "a2", 500)]);
}

#[test]
fn a_capture_of_a_dead_authorization_or_of_another_currency_reduces_nothing() {
    let live = authorized("a1", 500);
    let dead = captured("c1", 300).of("a2").at(1);
    assert_eq!(amounts(&view_of([&live, &dead])), [500, 300, 0, 0]);
    let foreign = captured("c1", 300).of("a1").in_currency("USD").at(1);
    assert_eq!(amounts(&view_of([&live, &foreign])), [500, 0, 0, 0]);
}

#[test]
fn the_currency_is_that_of_the_terms_else_of_the_first_money_taken_else_of_the_first_given_back() {
    let currency = |view: View| view.currency.map(|currency| currency.to_string());
    let taken = [captured("c1", 1).in_currency("USD").at(2), authorized("a1", 1).in_currency("GBP").at(1)];
    let back = refunded("r1", 1).in_currency("CHF");
    assert_eq!(currency(view_of([&back, &taken[0], &taken[1], &placed(1, &[]).at(9)])).as_deref(), Some("EUR"));
    assert_eq!(currency(view_of([&back, &taken[0], &taken[1]])).as_deref(), Some("GBP"));
    assert_eq!(currency(view_of([&back, &dispute_opened("d1", 1).at(1)])).as_deref(), Some("CHF"));
    assert_eq!(currency(view_of([&dispute_lost("d1", Some(1))])), None, "a DISPUTE_LOST alone gives none");
    assert_eq!(view_of([&back]).attention, [Attention::RefundedBeforeDispatch].into());
    assert!(view_of([&back, &taken[0]]).attention.contains(&Attention::CurrencyMismatch));
}

#[test]
fn what_a_lost_dispute_leaves_out_is_taken_from_its_opening() {
    let opened = dispute_opened("d1", 300).of("c1").at(2);
    let events = [captured("c1", 1_000), captured("c2", 1_000).at(1)];
    let lost = |lost| view_of(events.iter().chain([&opened, &lost, &cancel_requested(RequestedBy::Customer).at(9)]));
    let bare = lost(dispute_lost("d1", None).at(3));
    assert_eq!((bare.charged_back_minor.0, owed(&bare)[0].2), (300, 700));
    let own_amount = lost(dispute_lost("d1", Some(200)).at(3));
    assert_eq!((own_amount.charged_back_minor.0, owed(&own_amount)[0].2), (200, 800));
    let own_capture = lost(dispute_lost("d1", None).of("c2").at(3));
    assert_eq!(owed(&own_capture).iter().map(|owed| owed.2).collect::<Vec<_>>(), [1_000, 700]);
    assert_eq!(view_of([&dispute_lost("d1", None)]).charged_back_minor.0, 0, "nobody said how much");
}

#[test]
fn the_later_of_won_and_lost_decides_a_dispute() {
    let opened = dispute_opened("d1", 300).at(1);
    let won_last = view_of([&opened, &dispute_lost("d1", None).at(2), &dispute_won("d1").at(3)]);
    assert_eq!((won_last.charged_back_minor.0, won_last.flags.len()), (0, 0));
    let lost_last = view_of([&opened, &dispute_lost("d1", None).at(3), &dispute_won("d1").at(2)]);
    assert_eq!((lost_last.charged_back_minor.0, lost_last.flags.len()), (300, 0));
    assert_eq!(view_of([&opened]).flags, [Flag::Disputed].into());
    assert!(view_of([&dispute_won("d1"), &opened]).flags.is_empty(), "an opening heard late opens nothing");
}

#[test]
fn what_is_owed_back_of_captures_is_what_refunds_and_disputes_left() {
    let events = [
        captured("c1", 1_000),
        captured("c2", 1_000).at(1),
        refunded("r1", 400).of("c2").at(2),
        dispute_opened("d1", 100).of("c2").at(3),
        refunded("r2", 1_200).at(4),
        dispute_won("d2").at(5),
        refunded("r3", 700).of("c9").at(6),
        cancel_requested(RequestedBy::Merchant).at(7),
    ];
    let view = view_of(&events);
    assert_eq!(owed(&view), [(ObligationKind::RefundPayment, "c2", 300)], "c1 is used up first, c9 is not there");
}

#[test]
fn what_is_owed_in_another_currency_is_owed_in_its_own() {
    let events = [
        placed(1_000, &[]),
        captured("c1", 700).in_currency("USD").at(1),
        authorized("a1", 300).in_currency("CHF").at(1),
        refunded("r1", 200).in_currency("USD").at(2),
        cancel_requested(RequestedBy::Customer).at(3),
    ];
    let view = view_of(&events);
    assert_eq!(amounts(&view), [0; 4]);
    let money: Vec<String> =
        view.owed.iter().filter_map(|owed| owed.money()).map(|m| format!("{} {}", m.amount, m.currency)).collect();
    assert_eq!(money, ["500 USD", "300 CHF"]);
}

#[test]
fn the_latest_word_on_any_refund_says_whether_refunding_failed() {
    let failed = |view: View| view.attention.contains(&Attention::RefundFailed);
    assert!(failed(view_of([&refunded("r1", 1).at(1), &refund_failed("r1").at(2)])));
    assert!(!failed(view_of([&refunded("r2", 1).at(3), &refund_failed("r1").at(2)])));
    assert!(failed(view_of([&refunded("r2", 1).at(1), &refund_failed("r1").at(1).id("z")])), "by id at one instant");
}

#[test]
fn a_latest_attempt_with_nothing_left_in_it_is_unpaid() {
    assert_eq!(view_of([&authorized("a1", 0)]).payment, PaymentState::Unpaid);
    let voided = authorization("a1", AuthorizationFact::Voided);
    assert_eq!(view_of([&authorized("a2", 0).at(2), &voided.clone().at(1)]).payment, PaymentState::Unpaid);
    assert_eq!(view_of([&authorized("a2", 0).at(1), &voided.at(2)]).payment, PaymentState::Voided);
}

#[test]
fn no_number_of_facts_overflows_a_sum() {
    let most = crate::order::event::money::MAX_AMOUNT_MINOR;
    let events: Vec<_> = (0..10_000).map(|number| captured(&format!("c{number}"), most)).collect();
    let view = view_of(events.iter().chain([&refunded("r1", 1), &placed(most, &[])]));
    assert_eq!(view.captured_minor, AmountMinor(i64::MAX), "the greatest number that can be shown");
    assert_eq!(view.payment, PaymentState::PartiallyRefunded);
    assert_eq!(facts_of(&events).len(), 10_000);
}
