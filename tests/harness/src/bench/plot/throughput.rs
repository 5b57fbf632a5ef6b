//! Events a second of those that were measured side by side: a bar to the median of the rounds, and each round as a dot.
//!
//! One panel a workload, all of them over the same scale. Invariant: the figure stands behind the bar and behind its last dot.

use super::{LIMIT, OTHERS, OURS, TOP, middle, rate};
use crate::bench::product::Measured;
use crate::bench::report::written;
use crate::bench::round::Rounds;
use crate::svg::{Canvas, FAINT, Scale, plain};

const LEFT: f64 = 150.0;
const WIDTH: f64 = 560.0;
/// Room for the longest figure.
const RIGHT: f64 = 80.0;
/// A row, and the bar in it.
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
/// Between two panels: the marks of one and the title of the next.
const GAP: f64 = 62.0;

/// Those that were measured on one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Contest {
    /// The workload, in a few words.
    pub workload: String,
    /// Who took part, in the order of the bars.
    pub runners: Vec<Runner>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Runner {
    /// Its name.
    pub name: String,
    /// Who it is, for its colour.
    pub role: Role,
    /// Events a second, round by round.
    pub rounds: Vec<f64>,
}

/// Who somebody in a contest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The product.
    Ours,
    /// What cannot be exceeded.
    Limit,
    /// What people would use instead.
    Other,
}

/// The contests of all rounds; who was not measured is left out.
#[must_use]
pub fn contests(rounds: &Rounds) -> Vec<Contest> {
    let rates = |measured: &[Measured]| measured.iter().map(|measured| measured.rate).collect::<Vec<_>>();
    let Rounds { local, scattered, limit_local, limit_scattered, naive } = rounds;
    let of_local = [
        ("orderstream", Role::Ours, rates(local)),
        ("limit: bare Postgres", Role::Limit, written(limit_local)),
        ("a transaction an event", Role::Other, naive.clone()),
    ];
    let of_scattered = [
        ("orderstream", Role::Ours, rates(scattered)),
        ("limit: bare Postgres", Role::Limit, written(limit_scattered)),
    ];
    let contest = |workload: &str, runners: Vec<(&str, Role, Vec<f64>)>| {
        let runners = runners.into_iter().filter(|(_, _, rounds)| !rounds.is_empty());
        let runners = runners.map(|(name, role, rounds)| Runner { name: name.to_owned(), role, rounds });
        Contest { workload: workload.to_owned(), runners: runners.collect() }
    };
    let contests = [
        contest("local: about 1,000 orders in flight", of_local.into()),
        contest("scattered: nearly every event of a batch is of another order", of_scattered.into()),
    ];
    contests.into_iter().filter(|contest| !contest.runners.is_empty()).collect()
}

/// Draws them.
#[must_use]
pub fn draw(contests: &[Contest], title: &str, subtitle: &str) -> String {
    let all = || contests.iter().flat_map(|contest| &contest.runners).flat_map(|runner| runner.rounds.iter().copied());
    let scale = Scale::of(all());
    let mut canvas = Canvas::default();
    let mut top = TOP;
    for contest in contests {
        let height = ROW * contest.runners.len() as f64 + 8.0;
        panel(&mut canvas, contest, &scale, (top, height));
        top += height + GAP;
    }
    canvas.sheet((LEFT + WIDTH + RIGHT, top - GAP + 46.0), title, subtitle)
}

fn panel(canvas: &mut Canvas, contest: &Contest, scale: &Scale, (top, height): (f64, f64)) {
    let x = |value: f64| LEFT + WIDTH * (value / scale.top).clamp(0.0, 1.0);
    canvas.text("title", (LEFT, top - 8.0), &contest.workload);
    canvas.rect((LEFT, top), (WIDTH, height), "class='back'");
    for mark in scale.marks() {
        canvas.line("grid", (x(mark), top), (x(mark), top + height));
        canvas.text("time", (x(mark), top + height + 13.0), &plain(mark));
    }
    canvas.text("time", (LEFT + WIDTH / 2.0, top + height + 28.0), "events a second");
    for (place, runner) in (0..).zip(&contest.runners) {
        let line = top + 4.0 + ROW * (f64::from(place) + 0.5);
        let (value, most) = (middle(&runner.rounds), runner.rounds.iter().copied().fold(0.0, f64::max));
        let rounds: Vec<String> = runner.rounds.iter().map(|round| rate(*round)).collect();
        canvas.text("label end", (LEFT - 8.0, line + 4.0), &runner.name);
        canvas.hinted(&format!("{}: {}", runner.name, rounds.join(", ")), |canvas| {
            let width = (x(value) - LEFT).max(1.5);
            let look = format!("rx='2' fill='{}' fill-opacity='0.85'", runner.role.colour());
            canvas.rect((LEFT, line - BAR / 2.0), (width, BAR), &look);
            for round in &runner.rounds {
                canvas.dot((x(*round), line), 3.0, "#ffffff", FAINT);
            }
        });
        canvas.text("figure", (x(most.max(value)) + 9.0, line + 4.0), &rate(value));
    }
}

impl Role {
    fn colour(self) -> &'static str {
        match self {
            Self::Ours => OURS,
            Self::Limit => LIMIT,
            Self::Other => OTHERS,
        }
    }
}
