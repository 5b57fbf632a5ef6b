//! How throughput changes when one thing is changed and all else stays: a panel for each thing, all of them over the same scale of
//! events a second.
//!
//! Invariant: the value that everything else was measured with is marked in every panel.

use super::{OURS, TOP, middle, rate};
use crate::bench::sweep::{Sweep, Tried};
use crate::svg::{Canvas, Point, Scale, plain};

/// Panels beside each other.
const COLUMNS: usize = 2;
const LEFT: f64 = 62.0;
/// A panel's plot.
const WIDTH: f64 = 310.0;
const HEIGHT: f64 = 130.0;
/// From one plot to the next, to the right and down.
const ACROSS: f64 = 70.0;
const DOWN: f64 = 58.0;

/// Draws it.
#[must_use]
pub fn draw(sweeps: &[Sweep], title: &str, subtitle: &str) -> String {
    let scale = Scale::of(sweeps.iter().flat_map(|sweep| &sweep.tried).flat_map(|tried| tried.rounds.iter().copied()));
    let mut canvas = Canvas::default();
    for (place, sweep) in sweeps.iter().enumerate() {
        let (column, row) = (place % COLUMNS, place / COLUMNS);
        let left = LEFT + (WIDTH + ACROSS) * column as f64;
        panel(&mut canvas, sweep, &scale, (left, TOP + (HEIGHT + DOWN) * row as f64));
    }
    let rows = sweeps.len().div_ceil(COLUMNS) as f64;
    let (width, height) = (LEFT + (WIDTH + ACROSS) * COLUMNS as f64 - 40.0, TOP + (HEIGHT + DOWN) * rows);
    canvas.sheet((width, height), title, subtitle)
}

fn panel(canvas: &mut Canvas, sweep: &Sweep, scale: &Scale, (left, top): Point) {
    let bottom = top + HEIGHT;
    let y = |value: f64| bottom - HEIGHT * (value / scale.top).clamp(0.0, 1.0);
    canvas.text("title", (left, top - 8.0), &format!("by {}", sweep.of));
    canvas.rect((left, top), (WIDTH, HEIGHT), "class='back'");
    for mark in scale.marks() {
        canvas.line("grid", (left, y(mark)), (left + WIDTH, y(mark)));
        canvas.text("value", (left - 6.0, y(mark) + 4.0), &plain(mark));
    }
    let share = WIDTH / sweep.tried.len().max(1) as f64;
    let point = |place: usize, tried: &Tried| (left + share * (place as f64 + 0.5), y(middle(&tried.rounds)));
    let points: Vec<Point> = sweep.tried.iter().enumerate().map(|(place, tried)| point(place, tried)).collect();
    canvas.curve(OURS, &points);
    for ((x, y), tried) in points.into_iter().zip(&sweep.tried) {
        let figure = rate(middle(&tried.rounds));
        canvas.dot((x, y), 4.0, if tried.is_default { OURS } else { "#ffffff" }, OURS);
        // Below the dot where there is no room above it.
        let line = if y - 9.0 < top + 10.0 { y + 18.0 } else { y - 9.0 };
        canvas.text("figure middle", (x, line), &figure);
        canvas.text("time", (x, bottom + 14.0), &tried.value);
    }
}
