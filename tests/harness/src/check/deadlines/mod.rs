//! Deadlines that fired: whether each was due and held, whether all that came in before it was due had been applied, and whether none
//! was forgotten (DOMAIN section 8).
//!
//! Pure. The rules of what is armed are the core's; when it may fire is judged here, by the broker's own times where a topic keeps
//! those: a producer's clock says nothing of when a record came in. Invariant: no finding without a fault, so clocks may be a
//! second apart.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::event::inventory::{Inventory, StockFact};
use orderstream::order::event::line::Lines;
use orderstream::order::event::payment::{AuthorizationFact, Payment};
use orderstream::order::event::{GivenUp, INTERNAL_PREFIX};
use orderstream::order::{Body, Deadline, DeadlineName, Event, Facts, Policy, deadlines};
use orderstream::persist::journal_format::Outcome;

use super::findings::{Findings, Kind};
use super::input_log::InputPartition;
use super::stored::StoredDeadLetter;

/// How far clocks may be apart, and a record's time from the moment at which it can be seen, in microseconds.
const APART: i64 = 1_000_000;
/// After so long a deadline that is due should have fired, in microseconds.
const LONG: i64 = 30_000_000;

/// A time during which brokers were kept from replicating: what was appended then could be seen by nobody until its end.
pub type Unreplicated = RangeInclusive<Timestamp>;

/// A deadline that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The journal row.
    pub seq: i64,
    /// When the row was written.
    pub written_at: Timestamp,
    /// What it recorded.
    pub event: Event,
}

impl Firing {
    /// Whether it cancels its order.
    fn cancels(&self) -> bool {
        matches!(self.event.body, Body::Fired(_))
    }
}

/// What is wrong with a fact that a deadline recorded, by the facts before it. With `may_skip`, those that cancel wait for something
/// else, so others may fire before them.
#[must_use]
pub fn misfired(
    facts: &Facts,
    (event, written_at): (&Event, Timestamp),
    (policies, may_skip): (&[Policy], bool),
) -> Option<String> {
    if event.occurred_at > written_at {
        return Some(format!("it was due at {} and fired at {written_at}", event.occurred_at));
    }
    let mut why = None;
    for policy in policies {
        let armed = deadlines(facts, policy);
        let found = armed.iter().find(|deadline| fact_of(deadline, &event.order_id) == *event);
        why = match found {
            None => Some("no such deadline was armed".to_owned()),
            Some(deadline) if !deadline.holds => Some("its condition did not hold".to_owned()),
            Some(deadline) => {
                let is_before = |other: &&Deadline| other.holds && *other < deadline;
                let is_skipped = |other: &&Deadline| !(may_skip && other.name.cancels());
                let first = armed.iter().filter(is_before).find(is_skipped)?;
                Some(format!("{} of `{}` was due before it", first.name, first.entity_id))
            }
        };
    }
    why
}

/// The fact that a deadline records, as DOMAIN section 8 has it.
fn fact_of(deadline: &Deadline, order_id: &OrderId) -> Event {
    let Deadline { due, name, entity_id, holds: _ } = deadline;
    let body = match name {
        DeadlineName::AuthorizationExpiry => {
            Body::Payment(Payment::Authorization((&**entity_id).into(), AuthorizationFact::Expired))
        }
        DeadlineName::ReservationExpiry => Body::Inventory(Inventory {
            reservation: (&**entity_id).into(),
            lines: Lines::default(),
            fact: StockFact::ReservationExpired,
        }),
        DeadlineName::PaymentDue => Body::Fired(GivenUp::PaymentDue),
        DeadlineName::PaymentRetry => Body::Fired(GivenUp::PaymentRetry),
        DeadlineName::Rejection => Body::Fired(GivenUp::Rejection),
    };
    Event {
        event_id: format!("{INTERNAL_PREFIX}{name}:{entity_id}:{due}").into(),
        order_id: order_id.clone(),
        occurred_at: *due,
        producer: None,
        correlation_id: None,
        causation_id: None,
        reason: None,
        body,
    }
}

/// The horizon, seen from outside: what the broker had written down before a deadline was due must have been applied by the time it
/// fired, and one that cancels must have waited for the dead letters of its order.
pub fn compare(
    (inputs, unreplicated): (&[InputPartition], &[Unreplicated]),
    fired: &[Firing],
    letters: &[StoredDeadLetter],
    findings: &mut Findings,
) {
    if fired.is_empty() {
        return;
    }
    let first_after = FirstAfter::of(inputs, unreplicated);
    let unresolved = unresolved(inputs, letters);
    for firing in fired {
        let order = &firing.event.order_id;
        if let Some((at, name)) = first_after.row(firing.seq)
            && at.0 + APART < firing.event.occurred_at.0
        {
            findings.add_of(Kind::DeadlineHasty, order, || {
                format!("`{}` in row {}: {name} had come in and was not applied", firing.event.event_id, firing.seq)
            });
        }
        let waits = unresolved.get(order).into_iter().flatten().find(|letter| letter.is_in_the_way(firing));
        if let Some(letter) = waits.filter(|_| firing.cancels()) {
            findings.add_of(Kind::DeadlineHasty, order, || {
                format!("`{}` in row {}: {} was not understood yet", firing.event.event_id, firing.seq, letter.name)
            });
        }
    }
}

/// For each row the earliest arrival among all records that a later row applied.
struct FirstAfter(Vec<(i64, Timestamp, String)>);

impl FirstAfter {
    fn of(inputs: &[InputPartition], unreplicated: &[Unreplicated]) -> Self {
        let seen = |at: Timestamp| {
            let hidden = unreplicated.iter().filter(|time| time.contains(&at));
            hidden.map(|time| *time.end()).max().unwrap_or(at)
        };
        let records = inputs.iter().flat_map(|partition: &InputPartition| {
            partition.records.iter().filter_map(move |record| {
                let applied = record.tries.first().map_or(i64::MAX, |first| first.seq);
                Some((applied, seen(record.appended_at?), partition, record.offset))
            })
        });
        let mut records: Vec<_> = records.collect();
        records.sort_unstable_by_key(|(applied, at, ..)| (-applied, *at));
        let mut steps: Vec<(i64, Timestamp, String)> = Vec::new();
        for (applied, at, partition, offset) in records {
            if steps.last().is_none_or(|(_, earliest, _)| at < *earliest) {
                steps.push((applied, at, partition.name(offset)));
            }
        }
        Self(steps)
    }

    /// The earliest arrival of what was applied by rows after this one.
    fn row(&self, seq: i64) -> Option<(Timestamp, &str)> {
        let later = self.0.partition_point(|(applied, ..)| *applied > seq);
        let (_, at, name) = self.0.get(later.checked_sub(1)?)?;
        Some((*at, name))
    }
}

/// A dead letter under an order's key, for as long as it was in the way of what cancels.
struct Unresolved {
    name: String,
    refused: i64,
    applied: Option<i64>,
    discarded_at: Option<Timestamp>,
}

impl Unresolved {
    fn is_in_the_way(&self, firing: &Firing) -> bool {
        self.refused < firing.seq
            && self.applied.is_none_or(|applied| applied > firing.seq)
            && self.discarded_at.is_none_or(|at| at.0 - APART > firing.written_at.0)
    }
}

fn unresolved(inputs: &[InputPartition], letters: &[StoredDeadLetter]) -> HashMap<OrderId, Vec<Unresolved>> {
    let mut found: HashMap<OrderId, Vec<Unresolved>> = HashMap::new();
    let kept: HashMap<(&str, i64), &StoredDeadLetter> =
        letters.iter().map(|letter| ((letter.topic.as_str(), letter.offset), letter)).collect();
    for partition in inputs {
        for record in &partition.records {
            let Some(first) = record.tries.first().filter(|first| matches!(first.outcome, Outcome::DeadLetter(_)))
            else {
                continue;
            };
            let applied = record.tries.iter().find(|tried| !matches!(tried.outcome, Outcome::DeadLetter(_)));
            let letter = kept.get(&(partition.topic.as_str(), record.offset));
            // One that was discarded and taken up again may have been away at any time between.
            let order = letter.filter(|letter| !letter.has("reopen")).and_then(|letter| letter.order_id.clone());
            if let Some(order) = order {
                found.entry(order).or_default().push(Unresolved {
                    name: partition.name(record.offset),
                    refused: first.seq,
                    applied: applied.map(|tried| tried.seq),
                    discarded_at: letter.filter(|letter| letter.state == "discarded").and_then(|l| l.resolved_at),
                });
            }
        }
    }
    found
}

/// The deadline of an order that should have fired long before `until`, when workers were last at work; it could from `from` on.
/// What cancels may have to wait for something else.
#[must_use]
pub fn overdue(
    facts: &Facts,
    policy: &Policy,
    (from, until): (Option<Timestamp>, Timestamp),
    is_waiting: bool,
) -> Option<Deadline> {
    let armed = deadlines(facts, policy).into_iter();
    let mut holding = armed.filter(|deadline| deadline.holds && !(is_waiting && deadline.name.cancels()));
    holding.find(|deadline| Some(deadline.due).max(from).is_some_and(|due| due.0.saturating_add(LONG) < until.0))
}

#[cfg(test)]
mod tests;
