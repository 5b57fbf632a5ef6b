//! What should not be so, in sentences: the first thing that a person who was woken up reads.
//!
//! Pure. Invariant: a sentence says what it means for whom, and nothing is said that a healthy deployment shows too.

use super::cells;
use super::model::Screen;

/// A lane further behind than this is named.
const LATE_SECONDS: f64 = 60.0;
/// From then on a deadline is not one that fires in a moment.
const OVERDUE_SECONDS: f64 = 10.0;
/// A retry that fails more often than this is named.
const RETRIES_PER_SECOND: f64 = 0.5;

/// The troubles of a screen. `highest` is the highest value of a metric over the workers, `sum` the sum.
pub(super) fn troubles(
    screen: &Screen,
    highest: &dyn Fn(&str) -> Option<f64>,
    sum: &dyn Fn(&str) -> Option<f64>,
) -> Vec<String> {
    let mut troubles = Vec::new();
    for worker in &screen.workers {
        if let Some(error) = &worker.error {
            troubles.push(format!("{} does not answer: {error}", worker.name));
        }
        if !worker.stopped.is_empty() {
            let reasons = worker.stopped.join(", ");
            troubles.push(format!("{} stopped its lanes ({reasons}): its log says what to do", worker.name));
        }
    }
    let ownerless: Vec<String> =
        screen.lanes.iter().filter(|row| row.owner.is_none()).map(|row| row.lane.to_string()).collect();
    if !ownerless.is_empty() {
        let named = named(&ownerless);
        troubles.push(format!(
            "{named}: without an owner among the workers that answered; unless another has it, orders wait"
        ));
    }
    let mut late: Vec<&_> =
        screen.lanes.iter().filter(|row| row.lag_seconds.is_some_and(|lag| lag > LATE_SECONDS)).collect();
    late.sort_by_key(|row| row.lane);
    if let Some(lag) = late.iter().filter_map(|row| row.lag_seconds).reduce(f64::max) {
        let lanes: Vec<String> = late.iter().map(|row| row.lane.to_string()).collect();
        troubles.push(format!("{} up to {} behind", named(&lanes), cells::seconds(lag)));
    }
    for retry in screen.retries.iter().filter(|retry| retry.per_second.is_some_and(|rate| rate > RETRIES_PER_SECOND)) {
        let rate = cells::rate(retry.per_second.unwrap_or_default());
        troubles.push(format!("{rate} retries a second for `{}`", retry.cause));
    }
    let some = |value: Option<f64>| value.filter(|value| *value > 0.0);
    let age = highest("orderstream_deadlines_overdue_age_seconds").unwrap_or_default();
    if let Some(overdue) = some(highest("orderstream_deadlines_overdue")).filter(|_| age > OVERDUE_SECONDS) {
        troubles.push(format!("deadlines overdue: {}, the first by {}", cells::count(overdue), cells::seconds(age)));
    }
    let letters: f64 = screen.dead_letters.iter().map(|stock| stock.count).sum();
    if letters > 0.0 {
        let letters = cells::count(letters);
        troubles.push(format!("dead letters that wait for somebody: {letters} (`orderstream dead-letters list`)"));
    }
    for (name, text) in [
        (
            "orderstream_positions_lost_total",
            "take-overs at which Kafka had lost the position, so status events may be there twice",
        ),
        (
            "orderstream_orders_off_lane_total",
            "events that came through a foreign lane, since a producer uses another partitioner",
        ),
        ("orderstream_commands_given_up_total", "orders with a command that nobody answered, for a person to look at"),
        ("orderstream_deadlines_refused_total", "orders that cannot be changed as time asks, see the log"),
    ] {
        if let Some(count) = some(sum(name)) {
            troubles.push(format!("{text}: {} since the start", cells::count(count)));
        }
    }
    troubles
}

/// The first few lanes, and how many more.
fn named(lanes: &[String]) -> String {
    let first = lanes.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    match lanes.len() {
        1 => format!("lane {first}"),
        more if more > 8 => format!("lanes {first} and {} more", more - 8),
        _ => format!("lanes {first}"),
    }
}
