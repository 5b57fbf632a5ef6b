//! The report of a rolling restart: a table for people, JSON for programs.
//!
//! Invariant: both say the same numbers.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Map, Value as Json, json};

use super::pauses::{Pause, median};
use super::restart::{Options, Outcome, Restarted};
use crate::check::findings::Class;

/// For people: a table a round.
#[must_use]
pub fn text(options: Options, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        round_text(&mut text, options, outcome);
    }
    text
}

fn round_text(text: &mut String, options: Options, outcome: &Outcome) {
    let Outcome { round, paced, restarts, longest, undisturbed, verdict } = outcome;
    _ = writeln!(
        text,
        "\n{}: three workers, each by {} in turn, {} lanes, {} events at {} a second",
        round.name(),
        round.by,
        options.partitions,
        HumanCount(paced.sent),
        HumanCount(options.rate.into()),
    );
    _ = writeln!(text, "  worker      drained  back in work  in flight, at most  longest pause of each lane, in ms");
    for restarted in restarts {
        let Restarted { restart, in_flight, most_in_flight, longest } = restarted;
        _ = writeln!(
            text,
            "  {:<9} {:>6.0} ms  {:>9.0} ms  {:>9}  {:>7}  {}",
            restart.worker,
            restart.drain_ms,
            restart.back_in_work_ms,
            HumanCount(*in_flight as u64).to_string(),
            HumanCount(*most_in_flight as u64).to_string(),
            by_lane(longest),
        );
    }
    _ = writeln!(
        text,
        "  longest pause of any lane {:.0} ms, p50 of lanes and restarts {:.0} ms; before the first restart {:.0} ms",
        worst(longest),
        middle(restarts),
        worst(undisturbed),
    );
    _ = writeln!(text, "  {}", verdict.summary());
}

fn by_lane(pauses: &[Pause]) -> String {
    let words: Vec<String> = pauses.iter().map(|pause| format!("{:.0}", pause.millis())).collect();
    words.join(" ")
}

/// For programs. The first round's numbers stand at the top.
#[must_use]
pub fn json(options: Options, outcomes: &[Outcome]) -> Json {
    let rounds: Vec<Json> = outcomes.iter().map(round_json).collect();
    let mut report = rounds.first().cloned().unwrap_or_else(|| json!({}));
    report["events_per_second"] = options.rate.into();
    report["lanes"] = options.partitions.into();
    report["rounds"] = rounds.into();
    report
}

fn round_json(outcome: &Outcome) -> Json {
    let Outcome { round, paced, restarts, longest, undisturbed, verdict } = outcome;
    let count = |class| verdict.findings.count(class);
    json!({
        "round": round.name(),
        "by": round.by,
        "fixed_names": round.fixed,
        "longest_pause_ms": worst(longest),
        "longest_pause_ms_by_lane": json_by_lane(longest),
        "p50_pause_ms": middle(restarts),
        "undisturbed_pause_ms": worst(undisturbed),
        "events": paced.sent,
        "sender_behind_ms": paced.behind_micros as f64 / 1_000.0,
        "status_events": verdict.totals.status_events,
        "lost": count(Class::Lost),
        "doubled": count(Class::Doubled),
        "mismatched": verdict.findings.mismatched_orders(),
        "restarts": restarts.iter().map(restart_json).collect::<Vec<_>>(),
    })
}

fn restart_json(restarted: &Restarted) -> Json {
    let Restarted { restart, in_flight, most_in_flight, longest } = restarted;
    json!({
        "worker": restart.worker,
        "drain_ms": restart.drain_ms,
        "back_in_work_ms": restart.back_in_work_ms,
        "in_flight": in_flight,
        "most_in_flight": most_in_flight,
        "longest_pause_ms": worst(longest),
        "longest_pause_ms_by_lane": json_by_lane(longest),
    })
}

fn json_by_lane(pauses: &[Pause]) -> Map<String, Json> {
    pauses.iter().map(|pause| (pause.lane.to_string(), pause.millis().into())).collect()
}

/// The longest of these pauses, in milliseconds.
#[must_use]
pub fn worst(pauses: &[Pause]) -> f64 {
    pauses.iter().map(Pause::millis).fold(0.0, f64::max)
}

/// The middle of the longest pauses that each restart made in each lane.
fn middle(restarts: &[Restarted]) -> f64 {
    median(restarts.iter().flat_map(|restarted| restarted.longest.iter().map(Pause::millis)).collect())
        .unwrap_or_default()
}
