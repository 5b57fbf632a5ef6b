//! Numbers as cells of a table, and the tables of a screen: the same for the terminal and for plain text.
//!
//! Pure. Invariant: what is not known is a dash, never a zero.

use indicatif::HumanCount;

use super::model::{Flow, Latency, Screen, Stock};
use crate::cli::instant;
use crate::cli::output::plain;

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "–";

/// One table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub title: &'static str,
    pub headings: Vec<&'static str>,
    /// The columns of words, which begin below each other.
    pub texts: &'static [usize],
    pub rows: Vec<Row>,
}

/// One row of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub cells: Vec<String>,
    /// Whether it stands out.
    pub is_bad: bool,
}

impl Part {
    /// How wide each column has to be.
    pub fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(column));
            let cells = cells.map(|cell| cell.chars().count());
            cells.chain([self.headings[column].chars().count()]).max().unwrap_or_default()
        };
        (0..self.headings.len()).map(width).collect()
    }

    /// Whether a column holds numbers, which end below each other.
    pub fn is_right(&self, column: usize) -> bool {
        !self.texts.contains(&column)
    }

    /// How many of the columns, from the left, there is room for with two blanks between them. The last may be cut where it is text.
    pub fn fitting(&self, room: usize) -> usize {
        let mut used = 0;
        let fits = |(column, width): (usize, usize)| {
            used += if column == 0 { width } else { width + 2 };
            let is_cut_text = column + 1 == self.headings.len() && !self.is_right(column) && used - width + 8 <= room;
            used <= room || is_cut_text
        };
        self.widths().into_iter().enumerate().map(fits).take_while(|fits| *fits).count()
    }
}

/// Workers.
pub(super) fn workers(screen: &Screen) -> Part {
    let headings = vec!["worker", "version", "lanes", "events/s", "cores", "memory", "to publish", ""];
    let row = |worker: &super::model::Worker| {
        let state = match (&worker.error, worker.stopped.as_slice()) {
            (Some(error), _) => format!("does not answer: {}", plain(error)),
            (None, []) => String::new(),
            (None, reasons) => format!("stopped: {}", plain(&reasons.join(", "))),
        };
        let is_bad = !state.is_empty();
        let version =
            worker.version.as_deref().map_or_else(|| UNKNOWN.to_owned(), |version| plain(version).into_owned());
        let cells = vec![
            plain(&worker.name).into_owned(),
            version,
            or_dash(worker.lanes_owned, count),
            or_dash(worker.events_per_second, rate),
            or_dash(worker.cpu_cores, |cores| format!("{cores:.2}")),
            or_dash(worker.memory_bytes, bytes),
            or_dash(worker.relay_queue_chunks, count),
            state,
        ];
        Row { cells, is_bad }
    };
    Part { title: "workers", headings, texts: &[0, 1, 7], rows: screen.workers.iter().map(row).collect() }
}

/// Lanes.
pub(super) fn lanes(screen: &Screen) -> Part {
    let headings =
        vec!["lane", "owner", "lag", "lag time", "events/s", "unpublished", "oldest", "queued", "deadlines up to"];
    let row = |lane: &super::model::LaneRow| {
        let cells = vec![
            lane.lane.to_string(),
            lane.owner.as_deref().map_or_else(|| "none seen".to_owned(), |owner| plain(owner).into_owned()),
            or_dash(lane.lag_records, count),
            or_dash(lane.lag_seconds, seconds),
            or_dash(lane.events_per_second, rate),
            or_dash(lane.unpublished_rows, count),
            or_dash(lane.unpublished_seconds, seconds),
            or_dash(lane.queued_records, count),
            or_dash(lane.horizon_seconds, |age| format!("{} ago", seconds(age))),
        ];
        let is_bad = lane.owner.is_none() || lane.lag_seconds.is_some_and(|lag| lag > 60.0);
        Row { cells, is_bad }
    };
    Part { title: "lanes", headings, texts: &[1], rows: screen.lanes.iter().map(row).collect() }
}

/// Topics and what became of their records.
pub(super) fn topics(screen: &Screen) -> Part {
    let headings = vec!["topic", "records/s", "applied", "duplicate", "stale", "refused"];
    let row = |flow: &Flow| {
        let outcome = |name: &str| match flow.outcomes_per_second.get(name) {
            Some(value) => rate(*value),
            None => String::new(),
        };
        let outcomes = ["applied", "duplicate", "stale", "dead_letter"].map(outcome);
        let records = match flow.topic.as_str() {
            "deadline" => String::new(),
            _ => or_dash(flow.records_per_second, rate),
        };
        let refused = flow.outcomes_per_second.get("dead_letter").is_some_and(|rate| *rate > 0.0);
        Row { cells: [vec![flow.topic.clone(), records], outcomes.to_vec()].concat(), is_bad: refused }
    };
    Part { title: "topics", headings, texts: &[0], rows: screen.topics.iter().map(row).collect() }
}

/// Latencies.
pub(super) fn latencies(screen: &Screen) -> Part {
    let headings = vec!["latency", "p50", "p95", "p99"];
    let row = |latency: &Latency| {
        let quantiles = [latency.p50_seconds, latency.p95_seconds, latency.p99_seconds];
        let cells = quantiles.map(|quantile| or_dash(quantile, seconds));
        Row { cells: [vec![latency.of.to_owned()], cells.to_vec()].concat(), is_bad: false }
    };
    Part {
        title: "latencies since the last look",
        headings,
        texts: &[0],
        rows: screen.latencies.iter().map(row).collect(),
    }
}

/// What the database holds of something.
pub(super) fn stock(title: &'static str, of: &'static str, stock: &[Stock]) -> Part {
    let has_age = stock.iter().any(|stock| stock.oldest_seconds.is_some());
    let headings = if has_age { vec![of, "count", "oldest"] } else { vec![of, "count"] };
    let row = |stock: &Stock| {
        let mut cells = vec![plain(&stock.of).into_owned(), count(stock.count)];
        if has_age {
            cells.push(or_dash(stock.oldest_seconds, seconds));
        }
        Row { cells, is_bad: false }
    };
    Part { title, headings, texts: &[0], rows: stock.iter().map(row).collect() }
}

/// What is tried again.
pub(super) fn retries(screen: &Screen) -> Part {
    let row = |retry: &super::model::Retry| {
        let cells = vec![plain(&retry.cause).into_owned(), or_dash(retry.per_second, rate), count(retry.total)];
        Row { cells, is_bad: retry.per_second.is_some_and(|rate| rate > 0.0) }
    };
    let headings = vec!["cause", "per s", "in all"];
    Part { title: "retries", headings, texts: &[0], rows: screen.retries.iter().map(row).collect() }
}

/// All tables but those of workers and lanes, of what there is.
pub(super) fn others(screen: &Screen) -> Vec<Part> {
    let parts = vec![
        topics(screen),
        latencies(screen),
        stock("orders", "status", &screen.orders),
        stock("owed to orders that are cancelled", "obligation", &screen.obligations),
        stock("dead letters that wait", "reason", &screen.dead_letters),
        stock("orders that a person should look at", "reason", &screen.attention),
        retries(screen),
    ];
    parts.into_iter().filter(|part| !part.rows.is_empty()).collect()
}

fn or_dash(value: Option<f64>, shown: impl FnOnce(f64) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), shown)
}

/// A whole number: `12,345`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and counts are not negative"
)]
pub(super) fn count(value: f64) -> String {
    HumanCount(value.max(0.0) as u64).to_string()
}

/// So many a second: small ones with a digit behind the point.
pub(super) fn rate(value: f64) -> String {
    match value {
        _ if value <= 0.0 => "0".to_owned(),
        _ if value < 0.05 => "<0.1".to_owned(),
        _ if value < 9.95 => format!("{value:.1}"),
        _ => count(value.round()),
    }
}

/// A length of time: `0 s`, `3.2 ms`, `840 ms`, `1.5 s`, `2 min 3 s`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and ages are not negative"
)]
pub(super) fn seconds(value: f64) -> String {
    match value {
        _ if value == f64::INFINITY => "> 1 d".to_owned(),
        _ if value <= 0.0 => "0 s".to_owned(),
        _ if value < 0.01 => format!("{:.1} ms", value * 1e3),
        _ if value < 0.9995 => format!("{:.0} ms", value * 1e3),
        _ if value < 59.95 => format!("{value:.1} s"),
        _ => instant::length((value * 1e6) as u64),
    }
}

/// A size: `181 MiB`.
pub(super) fn bytes(value: f64) -> String {
    const MIB: f64 = 1_048_576.0;
    if value < 1024.0 * MIB { format!("{:.0} MiB", value / MIB) } else { format!("{:.1} GiB", value / (1024.0 * MIB)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_a_person_reads() {
        assert_eq!([0.0, 0.04, 3.21, 9.99, 12_345.6].map(rate), ["0", "<0.1", "3.2", "10", "12,346"]);
        let lengths = [0.0, 0.0032, 0.0316, 0.9996, 1.5, 59.97, 123.0, 100_000.0, f64::INFINITY];
        let shown = ["0 s", "3.2 ms", "32 ms", "1.0 s", "1.5 s", "59 s", "2 min 3 s", "1 d 3 h", "> 1 d"];
        assert_eq!(lengths.map(seconds), shown);
        assert_eq!([1_048_576.0 * 181.4, 1_048_576.0 * 2048.0].map(bytes), ["181 MiB", "2.0 GiB"]);
    }

    #[test]
    fn columns_that_have_no_room_are_left_out_from_the_right_and_never_cut_but_for_words() {
        let row = |cells: [&str; 3]| Row { cells: cells.map(str::to_owned).to_vec(), is_bad: false };
        let rows = vec![row(["a", "1", "x"]), row(["b", UNKNOWN, "a long text of many words"])];
        let mut part = Part { title: "t", headings: vec!["of", "count", "text"], texts: &[0, 2], rows };
        assert_eq!(part.widths(), [2, 5, 25]);
        assert_eq!([0, 1, 2].map(|column| part.is_right(column)), [false, true, false]);
        assert_eq!([1, 2, 8, 9, 18, 19, 36].map(|room| part.fitting(room)), [0, 1, 1, 2, 2, 3, 3]);
        part.texts = &[0];
        assert_eq!([19, 35, 36].map(|room| part.fitting(room)), [2, 2, 3]);
    }
}
