//! Plots of made-up figures, read as text: what stands where, and that no two texts touch.

use std::ops::Range;

use super::latency::{self, AtRate, spread};
use super::throughput::{self, Contest, Role, Runner};
use super::{middle, rate, sweep};
use crate::bench::percentiles::Percentiles;
use crate::bench::sweep::{Sweep, Tried};
use crate::svg::LETTER;

/// A text of a drawing, and the room that it takes.
#[derive(Debug)]
struct Words<'a> {
    across: Range<f64>,
    down: Range<f64>,
    text: &'a str,
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}='"))?;
    rest.split_once('\'').map(|(value, _)| value)
}

/// All texts that have a class, with their sizes estimated generously.
fn words(drawing: &str) -> Vec<Words<'_>> {
    let texts = drawing.lines().filter(|line| line.starts_with("<text ") && line.contains(" class='"));
    let words = texts.map(|line| {
        let number = |name| attribute(line, name).and_then(|value| value.parse().ok()).expect("a number");
        let classes = attribute(line, "class").expect("classes");
        let text = line.split_once('>').and_then(|(_, rest)| rest.strip_suffix("</text>")).expect("a text");
        let (x, y): (f64, f64) = (number("x"), number("y"));
        let size = if classes.contains("title") { 13.0 } else { 11.0 };
        let bold = if classes.contains("title") || classes.contains("figure") { 1.1 } else { 1.0 };
        let width = text.chars().count() as f64 * LETTER * bold * size / 11.0;
        let is_middle = classes.contains("middle") || classes == "time";
        let is_end = classes.contains("end") || classes == "value";
        let from = x - width * if is_middle { 0.5 } else { f64::from(is_end) };
        Words { across: from..from + width, down: y - size * 0.8..y + size * 0.2, text }
    });
    words.collect()
}

/// Fails where two texts touch, a text leaves the sheet, or something is no number.
fn must_be_readable(drawing: &str) {
    let size = |name| attribute(drawing, name).and_then(|value| value.parse::<f64>().ok()).expect("a size");
    let (width, height) = (size("width"), size("height"));
    let words = words(drawing);
    let touch = |one: &Range<f64>, other: &Range<f64>| one.start < other.end && other.start < one.end;
    for (place, one) in words.iter().enumerate() {
        assert!(
            one.across.start >= 0.0 && one.across.end <= width && one.down.end <= height,
            "{one:?} leaves the sheet"
        );
        for other in &words[place + 1..] {
            assert!(
                !touch(&one.across, &other.across) || !touch(&one.down, &other.down),
                "{one:?} and {other:?} touch"
            );
        }
    }
    assert!(!drawing.contains("NaN") && !drawing.contains("inf"));
}

fn texts(drawing: &str) -> Vec<&str> {
    words(drawing).iter().map(|words| words.text).collect()
}

fn contests() -> Vec<Contest> {
    let runner = |name: &str, role, rounds: [f64; 3]| Runner { name: name.to_owned(), role, rounds: rounds.to_vec() };
    let contest = |workload: &str| Contest {
        workload: workload.to_owned(),
        runners: vec![
            runner("orderstream", Role::Ours, [91_000.0, 104_300.0, 99_240.0]),
            runner("bare Postgres", Role::Limit, [118_000.0, 120_000.0, 119_000.0]),
            runner("an event a transaction", Role::Other, [2_140.0, 1_900.0, 2_200.0]),
        ],
    };
    vec![contest("local: 300,000 orders of 6 events"), contest("scattered: each event another order")]
}

#[test]
fn a_contest_shows_the_median_as_a_figure_and_every_round_as_a_dot() {
    let drawing = throughput::draw(&contests(), "Events a second", "in one run & on one machine");
    must_be_readable(&drawing);
    for text in ["99.2k", "119.0k", "2,140", "an event a transaction", "scattered: each event another order"] {
        assert!(texts(&drawing).contains(&text), "{text}");
    }
    assert_eq!(drawing.matches("<circle").count(), 18);
}

fn percentiles(p50: f64, p99: f64, p999: f64, max: f64) -> Percentiles {
    Percentiles { count: 1_000, p50, p99, p999, max }
}

#[test]
fn latencies_that_nearly_agree_are_told_apart() {
    let at = |rate, ours, floor| AtRate { rate, ours, floor };
    let measured = [
        at(100, percentiles(9.1, 21.0, 24.0, 25.5), Some(percentiles(4.4, 6.0, 6.1, 6.2))),
        at(1_000, percentiles(9.1, 9.2, 9.3, 9.4), Some(percentiles(1_999.0, 2_000.0, 2_000.0, 2_000.0))),
        at(10_000, percentiles(30.0, 120.0, 380.0, 402.0), None),
    ];
    let drawing = latency::draw(&measured, 30.0, "Latency", "record timestamp to visible status event");
    must_be_readable(&drawing);
    for text in ["p50 9.1 ms", "p99 9.2 ms", "p99.9 9.3 ms", "max 9.4 ms", "10,000 events/s"] {
        assert!(texts(&drawing).contains(&text), "{text}");
    }
}

#[test]
fn places_are_moved_apart_and_stay_below_the_top() {
    let mut apart = [10.0, 40.0, 80.0];
    spread(&mut apart, 13.0, 0.0);
    assert_eq!(apart, [10.0, 40.0, 80.0]);
    let mut low = [70.0, 71.0, 72.0];
    spread(&mut low, 13.0, 0.0);
    assert_eq!(low, [46.0, 59.0, 72.0]);
    let mut high = [5.0, 6.0, 7.0];
    spread(&mut high, 13.0, 4.0);
    assert_eq!(high, [4.0, 17.0, 30.0]);
}

#[test]
fn a_sweep_has_a_panel_for_each_thing_and_marks_what_is_usual() {
    let tried = |value: &str, eps: f64, is_default| Tried { value: value.to_owned(), is_default, rounds: vec![eps] };
    let sweep_of = |of: &str| Sweep {
        of: of.to_owned(),
        name: of.to_owned(),
        tried: vec![
            tried("1", 41_000.0, false),
            tried("4", 80_100.0, true),
            tried("600 (100 orders open)", 99_900.0, false),
        ],
    };
    let sweeps = ["lanes", "writers", "records in a batch"].map(sweep_of);
    let drawing = sweep::draw(&sweeps, "What throughput depends on", "one thing changed at a time");
    must_be_readable(&drawing);
    assert_eq!(drawing.matches("<polyline").count(), 3);
    assert_eq!(drawing.matches("fill='#2563eb' stroke").count(), 3);
    assert!(texts(&drawing).contains(&"by records in a batch"));
}

#[test]
fn nothing_that_was_measured_is_a_plot_too() {
    for drawing in [throughput::draw(&[], "", ""), latency::draw(&[], 30.0, "", ""), sweep::draw(&[], "", "")] {
        assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n") && !drawing.contains("NaN"));
    }
}

#[test]
fn rates_are_said_as_people_say_them() {
    assert_eq!([999.4, 2_140.0, 83_449.0].map(rate), ["999", "2,140", "83.4k"]);
    assert_eq!([vec![], vec![3.0, 1.0, 2.0]].map(|rounds| middle(&rounds)), [0.0, 2.0]);
}
