//! Latency at each rate, over an axis of sizes: the median, the high percentiles and the worst, as dots on a line.
//!
//! Each rate has as many columns as there are who were measured. Invariant: the words beside the dots of a column keep their
//! distance, though the dots may not.

use indicatif::HumanCount;

use super::{LIMIT, OURS, TOP};
use crate::bench::percentiles::Percentiles;
use crate::svg::{Canvas, LEFT, Log};

const HEIGHT: f64 = 300.0;
/// A column: room for the words beside its dots.
const COLUMN: f64 = 122.0;
/// From a column's left edge to its line.
const INDENT: f64 = 20.0;
/// Between the columns of one rate and those of the next.
const GAP: f64 = 18.0;
const RIGHT: f64 = 24.0;
/// From one line of words to the next.
const LINE: f64 = 13.0;

/// What was measured at one rate.
#[derive(Clone, Debug, PartialEq)]
pub struct AtRate {
    /// Events a second.
    pub rate: u32,
    /// From a record's time to its visible status event, in milliseconds.
    pub ours: Percentiles,
    /// The same with the database left out; none where it was not measured.
    pub floor: Option<Percentiles>,
}

/// Draws it; `goal` is the p99, in milliseconds, that is to be reached.
#[must_use]
pub fn draw(measured: &[AtRate], goal: f64, title: &str, subtitle: &str) -> String {
    let values = |one: &Percentiles| [one.p50, one.p99, one.p999, one.max];
    let all = measured.iter().flat_map(|at| [Some(&at.ours), at.floor.as_ref()]).flatten().flat_map(values);
    let scale = Log::of(all.chain([goal]));
    let columns: usize = measured.iter().map(|at| at.columns().count()).sum();
    let width = COLUMN * columns as f64 + GAP * measured.len().saturating_sub(1) as f64;
    let (bottom, right) = (TOP + HEIGHT, LEFT + width);
    let y = |value: f64| bottom - HEIGHT * scale.share(value);

    let mut canvas = Canvas::default();
    canvas.rect((LEFT, TOP), (width, HEIGHT), "class='back'");
    for mark in scale.marks() {
        canvas.line("grid", (LEFT, y(*mark)), (right, y(*mark)));
        canvas.text("value", (LEFT - 6.0, y(*mark) + 4.0), &format!("{mark} ms"));
    }
    canvas.line("goal", (LEFT, y(goal)), (right, y(goal)));
    canvas.key((right, TOP - 10.0), &[("orderstream", OURS), ("the same without a database", LIMIT)]);
    canvas.text("label", (LEFT, TOP - 10.0), &format!("dashed: p99 of {goal} ms, the goal at 100 and 1,000 a second"));
    let mut left = LEFT;
    for at in measured {
        let wide = COLUMN * at.columns().count() as f64;
        let name = format!("{} events/s", HumanCount(at.rate.into()));
        canvas.text("title middle", (left + wide / 2.0, bottom + 20.0), &name);
        for (percentiles, colour) in at.columns() {
            column(&mut canvas, left + INDENT, percentiles, colour, y);
            left += COLUMN;
        }
        left += GAP;
    }
    canvas.sheet((right + RIGHT, bottom + 40.0), title, subtitle)
}

fn column(canvas: &mut Canvas, x: f64, percentiles: &Percentiles, colour: &str, y: impl Fn(f64) -> f64) {
    let Percentiles { count, p50, p99, p999, max } = *percentiles;
    let dots = [("max", max), ("p99.9", p999), ("p99", p99), ("p50", p50)];
    let mut lines = dots.map(|(_, value)| y(value) + 4.0);
    spread(&mut lines, LINE, TOP + LINE);
    canvas.hinted(&format!("{count} events"), |canvas| {
        canvas.curve(colour, &[(x, y(max)), (x, y(p50))]);
        for ((name, value), line) in dots.into_iter().zip(lines) {
            let fill = if name == "p99" || name == "p50" { colour } else { "#ffffff" };
            canvas.dot((x, y(value)), 4.0, fill, colour);
            canvas.text(
                if name == "p99" { "figure" } else { "label" },
                (x + 9.0, line),
                &format!("{name} {value:.1} ms"),
            );
        }
    });
}

/// Moves places that follow each other apart: up, as far as it takes, and down again where that would pass the top.
pub(super) fn spread(places: &mut [f64], least: f64, top: f64) {
    for next in (1..places.len()).rev() {
        places[next - 1] = places[next - 1].min(places[next] - least);
    }
    let mut free = top;
    for place in places {
        *place = place.max(free);
        free = *place + least;
    }
}

impl AtRate {
    /// Who was measured, each with its colour.
    fn columns(&self) -> impl Iterator<Item = (&Percentiles, &'static str)> {
        [(Some(&self.ours), OURS), (self.floor.as_ref(), LIMIT)]
            .into_iter()
            .filter_map(|(one, colour)| Some((one?, colour)))
    }
}
