//! The timeline of a run as a picture: throughput, lag, memory, and the faults as labelled bars, over one axis of time.
//!
//! Pure: SVG as text, without scripts and fonts of its own. Invariant: a gap in what was seen is a gap in the line.

mod axis;
mod bars;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::timeline::{Happened, Series, Timeline};
use crate::svg::{Canvas, LEFT, Point, Scale, plain};
use axis::step_of_time;
use bars::{Group, label, rows, width};

/// From the plots to the picture's right margin.
const RIGHT: f64 = 24.0;
const TOP: f64 = 84.0;
/// The plots are at least and at most so wide, and else so wide a second.
const WIDTH: (f64, f64, f64) = (1_100.0, 3_600.0, 4.0);
/// Between two panels: room for the times of one and the title of the next.
const GAP: f64 = 48.0;
/// A row of faults, and the bar in it.
const ROW: f64 = 17.0;
const BAR: f64 = 11.0;
/// Without an answer for longer than this, a line is interrupted.
const INTERRUPTED: Duration = Duration::from_millis(3_500);

const APPLIED: &str = "#2563eb";
const PUBLISHED: &str = "#059669";
const LAG: &str = "#d97706";
/// The look of the time after the last fault.
const CALM: &str = "fill='#d1fae5' fill-opacity='0.45'";
const MEMORY: [&str; 6] = ["#7c3aed", "#db2777", "#0891b2", "#65a30d", "#b45309", "#475569"];

/// Draws it. `title` says what was run, `subtitle` what came of it, `healed` when the last fault was.
#[must_use]
pub fn draw(timeline: &Timeline, title: &str, subtitle: &str, healed: Duration) -> String {
    let last = timeline.samples.last().map_or(healed, |sample| sample.at).max(healed);
    let (least, most, a_second) = WIDTH;
    let seconds = last.as_secs_f64().max(1.0);
    let width = (seconds * a_second).clamp(least, most);
    let mut picture = Picture { canvas: Canvas::default(), y: TOP, width, seconds, healed };
    picture.rates(timeline);
    picture.lag(timeline);
    picture.memory(timeline);
    picture.faults(&timeline.faults);
    picture.close(title, subtitle)
}

struct Picture {
    canvas: Canvas,
    /// Where the next panel begins.
    y: f64,
    width: f64,
    seconds: f64,
    healed: Duration,
}

impl Picture {
    fn rates(&mut self, timeline: &Timeline) {
        let (applied, published) = (timeline.applied_rate(), timeline.published_rate());
        let scale = Scale::of(applied.iter().chain(&published).map(|(_, value)| *value));
        let key = [("applied to the database", APPLIED), ("published to Kafka", PUBLISHED)];
        self.panel("records a second", &key, 150.0, &scale, plain);
        self.line(&applied, APPLIED, 150.0, &scale, false);
        self.line(&published, PUBLISHED, 150.0, &scale, false);
        self.y += 150.0 + GAP;
    }

    fn lag(&mut self, timeline: &Timeline) {
        let lag = timeline.lag();
        let scale = Scale::of(lag.iter().map(|(_, value)| *value));
        self.panel("lag: records that went in and are not published yet", &[], 110.0, &scale, plain);
        self.line(&lag, LAG, 110.0, &scale, true);
        self.y += 110.0 + GAP;
    }

    fn memory(&mut self, timeline: &Timeline) {
        let memory = timeline.memory();
        let scale = Scale::of(memory.values().flatten().map(|(_, value)| *value / MIB));
        let key: Vec<(&str, &str)> = memory.keys().copied().zip(MEMORY.into_iter().cycle()).collect();
        self.panel("resident memory of each worker, MiB", &key, 80.0, &scale, plain);
        for (series, colour) in memory.values().zip(MEMORY.into_iter().cycle()) {
            let series: Series = series.iter().map(|(at, bytes)| (*at, bytes / MIB)).collect();
            self.line(&series, colour, 80.0, &scale, false);
        }
        self.y += 80.0 + GAP;
    }

    fn faults(&mut self, faults: &[Happened]) {
        let rows = rows(faults, |happened| self.span(happened));
        let height = ROW * rows.iter().map(|row| row + 1).max().unwrap_or(1) as f64 + 6.0;
        let key: Vec<(&str, &str)> = Group::ALL.iter().map(|group| (group.word(), group.colour())).collect();
        self.panel("what was broken, from injection to healing", &key, height, &Scale { top: 0.0, step: 0.0 }, plain);
        for (happened, row) in faults.iter().zip(rows) {
            let y = self.y + 4.0 + ROW * row as f64;
            let (from, until) = (self.x(happened.injected), self.x(happened.healed));
            let (bar, colour) = ((until - from).max(2.5), Group::of(happened.fault.kind).colour());
            let did = format!("{}: {}", happened.fault, happened.did);
            let opacity = if happened.took_place { 0.85 } else { 0.25 };
            // What would leave the picture on the right stands on the left of its bar.
            let (text_x, classes) = match self.is_left(happened) {
                true => (from - 4.0, "label end"),
                false => (from + bar + 4.0, "label"),
            };
            self.canvas.hinted(&did, |canvas| {
                canvas.rect((from, y), (bar, BAR), &format!("rx='2' fill='{colour}' fill-opacity='{opacity}'"));
                canvas.text(classes, (text_x, y + BAR - 1.5), &label(happened));
            });
        }
        self.y += height;
    }

    /// A panel's frame: title, key, grid, values, times.
    fn panel(&mut self, title: &str, key: &[(&str, &str)], height: f64, scale: &Scale, value: fn(f64) -> String) {
        let (top, bottom, right) = (self.y, self.y + height, LEFT + self.width);
        let healed = self.x(self.healed);
        self.canvas.text("title", (LEFT, top - 8.0), title);
        self.canvas.rect((LEFT, top), (self.width, height), "class='back'");
        self.canvas.rect((healed, top), (right - healed, height), CALM);
        self.canvas.key((right, top - 8.0), key);
        for mark in scale.marks() {
            let y = bottom - height * mark / scale.top;
            self.canvas.line("grid", (LEFT, y), (right, y));
            self.canvas.text("value", (LEFT - 6.0, y + 4.0), &value(mark));
        }
        let step = step_of_time(self.seconds, self.width);
        for second in (0..).map(|number| f64::from(number) * step).take_while(|second| *second <= self.seconds) {
            let x = self.x(Duration::from_secs_f64(second));
            let time = format!("{}:{:02}", (second / 60.0) as u64, (second % 60.0) as u64);
            self.canvas.line("grid", (x, top), (x, bottom));
            self.canvas.text("time", (x, bottom + 12.0), &time);
        }
    }

    /// A line, or an area down to the axis, in as many parts as it takes.
    fn line(&mut self, series: &Series, colour: &str, height: f64, scale: &Scale, is_area: bool) {
        let bottom = self.y + height;
        for part in series.chunk_by(|one, next| next.0 - one.0 <= INTERRUPTED) {
            let point = |(at, value): &(Duration, f64)| (self.x(*at), bottom - height * (value / scale.top).min(1.0));
            let points: Vec<Point> = part.iter().map(point).collect();
            if is_area {
                let ends = [points[0], points[points.len() - 1]].map(|(x, _)| (x, bottom));
                let area = [&ends[..1], &points[..], &ends[1..]].concat();
                self.canvas.area(colour, &area);
            }
            self.canvas.curve(colour, &points);
        }
    }

    fn x(&self, at: Duration) -> f64 {
        LEFT + self.width * at.as_secs_f64() / self.seconds
    }

    /// From where to where a bar and its label go.
    fn span(&self, happened: &Happened) -> (f64, f64) {
        let (from, until) = (self.x(happened.injected), self.x(happened.healed).max(self.x(happened.injected) + 2.5));
        match self.is_left(happened) {
            true => (from - width(happened), until + 8.0),
            false => (from, until + width(happened)),
        }
    }

    fn is_left(&self, happened: &Happened) -> bool {
        self.x(happened.healed) + width(happened) > LEFT + self.width + RIGHT
    }

    fn close(self, title: &str, subtitle: &str) -> String {
        self.canvas.sheet((LEFT + self.width + RIGHT, self.y + 28.0), title, subtitle)
    }
}

const MIB: f64 = 1_048_576.0;
