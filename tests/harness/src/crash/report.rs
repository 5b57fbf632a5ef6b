//! What came of a walk through the crash points: for people a table, for programs JSON.
//!
//! Invariant: good means that every point was hit and that the checker found nothing, in the text and in the JSON alike.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::case::Company;
use super::site::Hit;
use crate::check::Verdict;

/// What one deployment went through.
pub struct Walk {
    /// Its cases.
    pub hits: Vec<Hit>,
    /// The checker's word.
    pub verdict: Verdict,
}

/// What all of them went through.
pub struct Report {
    points: Vec<String>,
    walks: Vec<Walk>,
}

impl Report {
    /// An empty report on a table of points.
    #[must_use]
    pub fn of(points: &[String]) -> Self {
        Self { points: points.to_vec(), walks: Vec::new() }
    }

    /// Takes in what a deployment went through.
    pub fn add(&mut self, walk: Walk) {
        self.walks.push(walk);
    }

    /// The points that nobody ended at.
    #[must_use]
    pub fn missed(&self) -> Vec<&str> {
        let missed = self.points.iter().filter(|point| self.hits(point).next().is_none());
        missed.map(String::as_str).collect()
    }

    /// Whether every point was hit, and nothing was lost or doubled.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.missed().is_empty() && self.walks.iter().all(|walk| walk.verdict.is_good())
    }

    fn hits<'a>(&'a self, point: &'a str) -> impl Iterator<Item = &'a Hit> {
        self.walks.iter().flat_map(|walk| &walk.hits).filter(move |hit| hit.case.point == point)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{:<28} {:>4}  {:<12}  done again within\n", "point", "hit", "at pass");
        for point in &self.points {
            let passes: Vec<String> = self.hits(point).map(|hit| hit.case.pass.to_string()).collect();
            let spans = [(Company::Another, "by another"), (Company::Nobody, "started again")].map(|(company, who)| {
                let spans = self.hits(point).filter(|hit| hit.case.company == company).map(|hit| hit.recovery);
                spans.max().map(|longest| format!("{:.1} s {who}", longest.as_secs_f64()))
            });
            let spans = spans.into_iter().flatten().collect::<Vec<_>>().join(", ");
            _ = writeln!(text, "{point:<28} {:>4}  {:<12}  {spans}", passes.len(), passes.join(" "));
        }
        for walk in &self.walks {
            _ = writeln!(text, "\n{} workers ended; {}", walk.hits.len(), walk.verdict.text().trim_end());
        }
        if !self.missed().is_empty() {
            _ = writeln!(text, "\nnever hit: {}", self.missed().join(", "));
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Json {
        let seconds = |duration: Duration| (duration.as_secs_f64() * 10.0).round() / 10.0;
        let hit = |hit: &Hit| {
            let alone = hit.case.company == Company::Nobody;
            json!({ "pass": hit.case.pass, "alone": alone, "recovery_seconds": seconds(hit.recovery) })
        };
        let points = self.points.iter().map(|point| (point.clone(), self.hits(point).map(hit).collect()));
        json!({
            "good": self.is_good(),
            "missed": self.missed(),
            "points": points.collect::<serde_json::Map<_, _>>(),
            "verdicts": self.walks.iter().map(|walk| walk.verdict.json()).collect::<Vec<_>>(),
        })
    }
}
