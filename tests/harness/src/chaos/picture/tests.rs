//! The picture of a made-up run.

use std::collections::BTreeMap;

use super::super::schedule::{Plan, Schedule};
use super::super::timeline::{Published, Sample, Stored};
use super::*;

/// Two minutes in which everything goes well but for 20 seconds without an answer.
fn timeline() -> Timeline {
    let sample = |second: u64| {
        let moved = i64::try_from(second * 200).unwrap();
        let stored = Stored { applied: moved, ..Stored::default() };
        let published = Published { committed: moved - i64::try_from(second % 7).unwrap() * 40, end: moved };
        let answers = !(50..70).contains(&second);
        Sample {
            at: Duration::from_secs(second),
            stored: answers.then(|| BTreeMap::from([(0, stored)])),
            published: answers.then(|| BTreeMap::from([(0, published)])),
            workers: BTreeMap::from([("worker-1".to_owned(), 60_000_000 + second * 100_000)]),
        }
    };
    let plan =
        Plan { seed: 7, lasts: Duration::from_mins(2), kinds: crate::chaos::fault::Kind::ALL.to_vec(), workers: 3 };
    let happened = |fault: crate::chaos::fault::Fault| {
        let (injected, healed) = (fault.at, fault.until());
        Happened { fault, did: "a <broker> & its 'port'".to_owned(), took_place: true, injected, healed }
    };
    let faults = Schedule::of(&plan).faults.into_iter().map(happened).collect();
    Timeline { samples: (0..130).map(sample).collect(), faults }
}

#[test]
fn every_fault_stands_in_the_picture_with_its_name_and_no_two_labels_of_a_row_touch() {
    let timeline = timeline();
    let picture = draw(&timeline, "a title", "lost 0 & doubled 0", Duration::from_mins(2));
    for happened in &timeline.faults {
        assert!(picture.contains(&label(happened)), "{}", happened.fault);
    }
    assert!(
        picture.contains("lost 0 &amp; doubled 0") && picture.contains("a &lt;broker&gt; &amp; its &apos;port&apos;")
    );
}

#[test]
fn a_line_is_interrupted_where_nothing_was_seen() {
    let lines = draw(&timeline(), "", "", Duration::from_mins(2)).matches("<polyline").count();
    // Applied, published and lag in two parts each, and memory in one.
    assert_eq!(lines, 7);
}

#[test]
fn nothing_that_was_seen_is_a_picture_too() {
    let picture = draw(&Timeline::default(), "nothing", "", Duration::ZERO);
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n") && !picture.contains("NaN"));
}
