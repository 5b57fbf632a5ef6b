//! Drawings as SVG text: a sheet with title and subtitle, and on it texts, boxes, curves and dots.
//!
//! Pure, without scripts and fonts of its own. A sheet is opaque, so that it reads the same on a white and on a dark page.
//! Invariant: every text is escaped.

mod scale;

use std::fmt::Write;

pub use scale::{Log, Scale, plain};

/// An 11 pixel letter, on average.
pub const LETTER: f64 = 5.9;
/// What is read first.
pub const INK: &str = "#1f2937";
/// What is read second.
pub const FAINT: &str = "#6b7280";
/// How far titles stand from the left edge, unless a drawing has its own reasons.
pub const LEFT: f64 = 76.0;

/// A point, from the upper left corner.
pub type Point = (f64, f64);

/// A drawing in the making.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    body: String,
}

impl Canvas {
    /// A text of these classes: `title`, `label`, `value`, `time`, `figure`; `middle` and `end` say where it is anchored.
    pub fn text(&mut self, classes: &str, (x, y): Point, text: &str) {
        _ = writeln!(self.body, "<text x='{x:.1}' y='{y:.1}' class='{classes}'>{}</text>", escaped(text));
    }

    /// A box with this upper left corner, width and height; `look` holds its other attributes.
    pub fn rect(&mut self, (x, y): Point, (width, height): Point, look: &str) {
        _ = writeln!(self.body, "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' {look}/>");
    }

    /// A straight line of these classes: `grid`, `goal`.
    pub fn line(&mut self, classes: &str, (x1, y1): Point, (x2, y2): Point) {
        _ = writeln!(self.body, "<line x1='{x1:.1}' y1='{y1:.1}' x2='{x2:.1}' y2='{y2:.1}' class='{classes}'/>");
    }

    /// A line through these points.
    pub fn curve(&mut self, colour: &str, points: &[Point]) {
        _ = writeln!(
            self.body,
            "<polyline points='{}' fill='none' stroke='{colour}' stroke-width='1.4' stroke-linejoin='round'/>",
            joined(points)
        );
    }

    /// An area within these points.
    pub fn area(&mut self, colour: &str, points: &[Point]) {
        _ = writeln!(self.body, "<polygon points='{}' fill='{colour}' fill-opacity='0.25'/>", joined(points));
    }

    /// A dot, filled with one colour and drawn around with another.
    pub fn dot(&mut self, (x, y): Point, radius: f64, fill: &str, stroke: &str) {
        _ = writeln!(
            self.body,
            "<circle cx='{x:.1}' cy='{y:.1}' r='{radius}' fill='{fill}' stroke='{stroke}' stroke-width='1.4'/>"
        );
    }

    /// What is drawn here says this when it is pointed at.
    pub fn hinted(&mut self, hint: &str, draw: impl FnOnce(&mut Self)) {
        _ = writeln!(self.body, "<g><title>{}</title>", escaped(hint));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// What the colours mean, on one line that ends at this point.
    pub fn key(&mut self, (right, y): Point, entries: &[(&str, &str)]) {
        let mut x = right;
        for (words, colour) in entries.iter().rev() {
            x -= words.chars().count() as f64 * LETTER + 24.0;
            self.rect((x, y - 9.0), (11.0, 11.0), &format!("rx='2' fill='{colour}'"));
            self.text("label", (x + 15.0, y), words);
        }
    }

    /// The whole drawing, of that width and height, with its title and subtitle above what was drawn.
    #[must_use]
    pub fn sheet(self, (width, height): Point, title: &str, subtitle: &str) -> String {
        let (title, subtitle) = (escaped(title), escaped(subtitle));
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0}' height='{height:.0}' \
             viewBox='0 0 {width:.0} {height:.0}' font-family='Inter, Helvetica, Arial, sans-serif'>\n\
             <style>\n\
             .title {{ font-size: 13px; font-weight: 600; fill: {INK} }}\n\
             .label {{ font-size: 11px; fill: {INK} }}\n\
             .figure {{ font-size: 11px; font-weight: 600; fill: {INK} }}\n\
             .value {{ font-size: 11px; fill: {FAINT}; text-anchor: end }}\n\
             .time {{ font-size: 10px; fill: {FAINT}; text-anchor: middle }}\n\
             .middle {{ text-anchor: middle }}\n\
             .end {{ text-anchor: end }}\n\
             .grid {{ stroke: #e5e7eb; stroke-width: 1 }}\n\
             .goal {{ stroke: #9ca3af; stroke-width: 1.2; stroke-dasharray: 5 4 }}\n\
             .back {{ fill: #fafafa; stroke: #d1d5db }}\n\
             </style>\n\
             <rect width='100%' height='100%' rx='6' fill='#ffffff'/>\n\
             <text x='{LEFT}' y='30' font-size='19' font-weight='700' fill='{INK}'>{title}</text>\n\
             <text x='{LEFT}' y='50' font-size='13' fill='{FAINT}'>{subtitle}</text>\n\
             {}</svg>\n",
            self.body
        )
    }
}

fn joined(points: &[Point]) -> String {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    points.join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::Canvas;

    #[test]
    fn whatever_a_text_holds_the_drawing_is_whole() {
        let mut canvas = Canvas::default();
        canvas.hinted("a <hint>", |canvas| canvas.text("label", (1.0, 2.0), "it's & so on"));
        let drawing = canvas.sheet((100.0, 50.0), "<title>", "");
        for part in ["a &lt;hint&gt;", "it&apos;s &amp; so on", "&lt;title&gt;</text>"] {
            assert!(drawing.contains(part), "{part}");
        }
        assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"));
    }
}
