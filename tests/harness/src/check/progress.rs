//! One order on its way through the journal: an event meets it again, and what the journal says of that is compared.
//!
//! Merges and derives with the order core. Pure. Invariant: a change must be told exactly when the derived view differs from
//! the one told last, under the next version (DOMAIN section 9).

use std::collections::BTreeMap;

use orderstream::order::facts::register::Merged;
use orderstream::order::{Event, Facts, Policy, Status, View, derive};
use orderstream::persist::journal_format::Outcome;
use uuid::{Uuid, uuid};

use super::findings::{Findings, Kind};
use super::input_log::place;
use super::orders::differing_fields;
use crate::output::{Cause, StatusChanged};

/// The namespace of status events' ids, as `schemas/OrderStatusChanged.avsc` documents it.
const EVENT_IDS: Uuid = uuid!("846bb82d-a2f8-5626-a8f9-c1841bedd825");

/// An order while its journal is folded.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Its registers so far.
    pub facts: Facts,
    /// The view that was told last.
    pub view: Option<View>,
    /// How many changes were told.
    pub version: i64,
    /// The journal rows that it appears in.
    pub rows: Vec<i64>,
}

/// An event of the journal and what it published.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The journal row.
    pub row: i64,
    /// Where the event stood.
    pub cause: Cause,
    /// What the journal says became of it.
    pub outcome: Outcome,
    /// The version that the journal says it led to.
    pub version: Option<i64>,
    /// The status that the journal says it led to.
    pub status: Option<Status>,
    /// The event.
    pub event: Event,
    /// What the row publishes because of it.
    pub told: Option<StatusChanged>,
}

/// One event meets its order again.
pub(super) fn play(progress: &mut Progress, step: Step, policy: &Policy, findings: &mut Findings) {
    let order = step.event.order_id.clone();
    let name = || match (&step.cause.topic, step.cause.partition, step.cause.offset) {
        (Some(topic), Some(partition), Some(offset)) => place(topic, partition, offset),
        _ => step.cause.event_id.clone(),
    };
    let outcome = match progress.facts.merge(&step.event) {
        Merged::Changed => Outcome::Applied,
        Merged::Duplicate => Outcome::Duplicate,
        Merged::Stale => Outcome::Stale,
    };
    if outcome != step.outcome {
        findings.add_of(Kind::WrongOutcome, &order, || format!("{} is {:?} and not {outcome:?}", name(), step.outcome));
    }
    if progress.rows.last() != Some(&step.row) {
        progress.rows.push(step.row);
    }
    let view = derive(&progress.facts, policy);
    if progress.view.as_ref() == Some(&view) {
        if let Some(told) = &step.told {
            let version = told.envelope.order_version;
            findings.add_of(Kind::ChangeInvented, &order, || {
                format!("version {version} although {} changes nothing", name())
            });
        }
    } else {
        let previous = progress.view.replace(view);
        progress.version += 1;
        match &step.told {
            None => {
                findings.add_of(Kind::ChangeUntold, &order, || format!("version {} by {}", progress.version, name()))
            }
            Some(told) => {
                if let Some(what) = mistold(progress, previous.map(|view| view.status), &step, told) {
                    findings.add_of(Kind::ChangeMistold, &order, || format!("version {}: {what}", progress.version));
                }
            }
        }
    }
    let status = progress.view.as_ref().map(|view| view.status);
    if (step.version, step.status) != (Some(progress.version), status) {
        findings.add_of(Kind::WrongProgress, &order, || {
            let [said, leads] = [(step.version, step.status), (Some(progress.version), status)].map(standing);
            format!("{} leads to {leads} and not to {said}", name())
        });
    }
}

/// A version and a status in words.
fn standing((version, status): (Option<i64>, Option<Status>)) -> String {
    let status = status.map_or("no status", Status::as_str);
    version.map_or_else(|| format!("no version, {status}"), |version| format!("version {version}, {status}"))
}

/// In what a status event is not what it must be.
fn mistold(progress: &Progress, previous: Option<Status>, step: &Step, told: &StatusChanged) -> Option<String> {
    let envelope = &told.envelope;
    let event = &step.event;
    let expected_id = event_id(event.order_id.as_str(), progress.version);
    if envelope.event_id != expected_id.to_string() {
        return Some(format!("event_id is {} and not {expected_id}", envelope.event_id));
    }
    if (envelope.order_id.as_str(), envelope.order_version) != (event.order_id.as_str(), progress.version) {
        return Some(format!("says it is `{}` version {}", envelope.order_id, envelope.order_version));
    }
    if envelope.previous_status != previous {
        return Some(format!("previous_status is {:?} and not {previous:?}", envelope.previous_status));
    }
    if envelope.correlation_id.as_deref() != event.correlation_id.as_deref()
        || envelope.occurred_at != event.occurred_at.0
    {
        return Some("correlation_id or occurred_at is not that of its cause".to_owned());
    }
    let skus = progress.facts.skus();
    let shown = progress.view.iter().flat_map(|view| &view.lines);
    let skus: BTreeMap<String, String> =
        shown.filter_map(|line| Some((line.line_id.to_string(), skus.get(&line.line_id)?.to_string()))).collect();
    if told.skus != skus {
        return Some(format!("skus are {:?} and not {skus:?}", told.skus));
    }
    let expected = progress.view.as_ref()?;
    (told.view != *expected).then(|| differing_fields(&told.view, expected))
}

/// The documented id of a status event.
#[must_use]
pub fn event_id(order_id: &str, version: i64) -> Uuid {
    Uuid::new_v5(&EVENT_IDS, format!("{order_id}:{version}").as_bytes())
}
