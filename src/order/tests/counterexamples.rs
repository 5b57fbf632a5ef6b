//! What shuffling once found: each shrunk counter-example, kept by name.
//!
//! A failure of `properties` is shrunk by proptest; what it shrinks to is written here, so that it is tried every time.

use super::say;
use super::{facts_of, view_of};

#[test]
fn two_events_with_one_id_and_one_time_are_told_apart_by_what_they_say() {
    let (less, more) = (say::authorized("a1", 1_000).id("e"), say::authorized("a1", 2_500).id("e"));
    assert_eq!(facts_of([&less, &more]), facts_of([&more, &less]));
}

#[test]
fn a_dispute_that_one_event_id_won_and_lost_at_one_instant_is_lost() {
    let (won, lost) = (say::dispute_won("d1").id("e"), say::dispute_lost("d1", Some(300)).id("e"));
    assert_eq!(view_of([&won, &lost]), view_of([&lost, &won]));
    assert_eq!(view_of([&won, &lost, &say::captured("c1", 500)]).charged_back_minor.0, 300);
}
