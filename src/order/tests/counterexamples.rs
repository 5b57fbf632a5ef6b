//! What shuffling once found: each shrunk counter-example, kept by name.
//!
//! A failure of `properties` is shrunk by proptest; what it shrinks to is written here, so that it is tried every time.

use super::facts_of;
use super::say;

#[test]
fn two_events_with_one_id_and_one_time_are_told_apart_by_what_they_say() {
    let (less, more) = (say::authorized("a1", 1_000).id("e"), say::authorized("a1", 2_500).id("e"));
    assert_eq!(facts_of([&less, &more]), facts_of([&more, &less]));
}
