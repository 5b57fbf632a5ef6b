//! One order on its way through the journal: an event meets it again, or time does, and what the journal says of that is compared.
//!
//! Merges and derives with the order core. Pure. Invariant: a change must be told exactly when the derived view differs from
//! the one told last, under the next version (DOMAIN section 9).

use std::collections::BTreeMap;

use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::attention::Attention;
use orderstream::order::facts::register::Merged;
use orderstream::order::{Event, Facts, Status, View, derive};
use orderstream::persist::journal_format::{Outcome, Sent};
use uuid::{Uuid, uuid};

use super::commands::{Asked, Asking, Moment};
use super::deadlines;
use super::findings::{Findings, Kind};
use super::input_log::place;
use super::orders::differing_fields;
use crate::output::{Cause, OrderCommand, StatusChanged};

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
    /// When the last of them was written.
    pub written_at: Option<Timestamp>,
    /// What was asked for what it owes.
    pub asked: Asked,
    /// Whether a record under its key was ever refused.
    pub had_letters: bool,
}

/// What an entry of the journal is of.
#[derive(Clone, Debug)]
pub(super) enum Happened {
    /// A record's event, or that of a dead letter.
    Record(Event),
    /// The fact of a deadline; the view is compared after the last of several.
    Fired(Event, Compares),
    /// Nothing but time, or a person who asked.
    Nothing,
}

/// Whether the view is compared after an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compares {
    Now,
    Later,
}

/// An entry of the journal and what it published.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The journal row.
    pub row: i64,
    /// When it was written.
    pub written_at: Timestamp,
    /// The order.
    pub order: OrderId,
    /// What happened.
    pub happened: Happened,
    /// The fact that it is of, as what it publishes names it.
    pub cause: Option<Cause>,
    /// What the journal says became of it.
    pub outcome: Outcome,
    /// The version that the journal says it led to.
    pub version: Option<i64>,
    /// The status that the journal says it led to.
    pub status: Option<Status>,
    /// The commands that the journal says it sent.
    pub sent: Vec<Sent>,
    /// What the row publishes because of it.
    pub told: Option<StatusChanged>,
    /// The commands that the row publishes because of it.
    pub commands: Vec<OrderCommand>,
}

impl Step {
    fn name(&self) -> String {
        match &self.cause {
            Some(Cause { topic: Some(topic), partition: Some(partition), offset: Some(offset), .. }) => {
                place(topic, *partition, *offset)
            }
            Some(cause) => cause.event_id.clone(),
            None => format!("{:?} in row {}", self.outcome, self.row & ((1 << 40) - 1)),
        }
    }
}

/// One entry meets its order again.
pub(super) fn play(progress: &mut Progress, step: &Step, asking: Asking<'_>, findings: &mut Findings) {
    merge(progress, step, asking, findings);
    progress.written_at = Some(step.written_at);
    if progress.rows.last() != Some(&step.row) {
        progress.rows.push(step.row);
    }
    if matches!(step.happened, Happened::Fired(_, Compares::Later)) {
        if step.told.is_some() || !step.commands.is_empty() || !step.sent.is_empty() {
            findings.add_of(Kind::ChangeInvented, &step.order, || {
                format!("{} publishes something before those that fire with it", step.name())
            });
        }
    } else {
        compare_view(progress, step, asking, findings);
    }
    let status = progress.view.as_ref().map(|view| view.status);
    if (step.version, step.status) != (Some(progress.version), status) {
        findings.add_of(Kind::WrongProgress, &step.order, || {
            let [said, leads] = [(step.version, step.status), (Some(progress.version), status)].map(standing);
            format!("{} leads to {leads} and not to {said}", step.name())
        });
    }
}

/// Merges what the entry is of, and compares what the journal says came of that.
fn merge(progress: &mut Progress, step: &Step, asking: Asking<'_>, findings: &mut Findings) {
    let event = match &step.happened {
        Happened::Nothing => return,
        Happened::Record(event) => event,
        Happened::Fired(event, _) => {
            let rules = (asking.policies, progress.had_letters);
            if let Some(why) = deadlines::misfired(&progress.facts, (event, step.written_at), rules) {
                findings.add_of(Kind::DeadlineInvented, &step.order, || format!("{}: {why}", step.name()));
            }
            event
        }
    };
    let outcome = match progress.facts.merge(event) {
        Merged::Changed => Outcome::Applied,
        Merged::Duplicate => Outcome::Duplicate,
        Merged::Stale => Outcome::Stale,
    };
    if outcome != step.outcome {
        findings.add_of(Kind::WrongOutcome, &step.order, || {
            format!("{} is {:?} and not {outcome:?}", step.name(), step.outcome)
        });
    }
}

/// Compares the view that the order has now with what was told, and the commands with what is owed.
fn compare_view(progress: &mut Progress, step: &Step, asking: Asking<'_>, findings: &mut Findings) {
    let view = view_after(progress, step, asking);
    if progress.view.as_ref() == Some(&view) {
        if let Some(told) = &step.told {
            let version = told.envelope.order_version;
            findings.add_of(Kind::ChangeInvented, &step.order, || {
                format!("version {version} although {} changes nothing", step.name())
            });
        }
    } else {
        let previous = progress.view.replace(view.clone());
        progress.version += 1;
        match &step.told {
            None => {
                let version = progress.version;
                findings.add_of(Kind::ChangeUntold, &step.order, || format!("version {version} by {}", step.name()));
            }
            Some(told) => {
                if let Some(what) = mistold(progress, previous.map(|view| view.status), step, told) {
                    let version = progress.version;
                    findings.add_of(Kind::ChangeMistold, &step.order, || format!("version {version}: {what}"));
                }
            }
        }
    }
    let did_something = step.told.is_some() || !step.sent.is_empty();
    if matches!(step.happened, Happened::Nothing) && !did_something {
        findings.add_of(Kind::EntryInvented, &step.order, || step.name());
    }
    let Step { written_at, outcome, sent, commands, .. } = step;
    let moment = Moment { at: *written_at, outcome: *outcome, cause: step.cause.as_ref(), view: &view, sent, commands };
    progress.asked.follow(&step.order, moment, asking, findings);
}

/// The view after a step: as the facts have it under the policy of then, with the attention that only the order's row knows of.
///
/// Which policy a worker had is known only where there was but one: of several the one by which the journal is right.
fn view_after(progress: &mut Progress, step: &Step, asking: Asking<'_>) -> View {
    let told = step.told.as_ref().map(|told| &told.view);
    let said = told.or(progress.view.as_ref());
    let views = asking.policies.iter().map(|policy| derive(&progress.facts, policy));
    let mut views: Vec<View> = views.collect();
    let plain = said.map(|said| View { attention: without_unanswered(said), ..said.clone() });
    let fits = plain.and_then(|plain| views.iter().position(|view| *view == plain));
    let mut view = views.swap_remove(fits.unwrap_or(0));
    let had = progress.view.as_ref().is_some_and(is_unanswered);
    let situation = (step.outcome, step.written_at, had, told.map(is_unanswered));
    if progress.asked.attention(&view.owed, situation, asking) {
        view.attention.insert(Attention::CommandUnanswered);
    }
    view
}

fn is_unanswered(view: &View) -> bool {
    view.attention.contains(&Attention::CommandUnanswered)
}

fn without_unanswered(view: &View) -> std::collections::BTreeSet<Attention> {
    view.attention.iter().copied().filter(|attention| *attention != Attention::CommandUnanswered).collect()
}

/// A version and a status in words.
fn standing((version, status): (Option<i64>, Option<Status>)) -> String {
    let status = status.map_or("no status", Status::as_str);
    version.map_or_else(|| format!("no version, {status}"), |version| format!("version {version}, {status}"))
}

/// In what a status event is not what it must be.
fn mistold(progress: &Progress, previous: Option<Status>, step: &Step, told: &StatusChanged) -> Option<String> {
    let envelope = &told.envelope;
    let expected_id = event_id(step.order.as_str(), progress.version);
    if envelope.event_id != expected_id.to_string() {
        return Some(format!("event_id is {} and not {expected_id}", envelope.event_id));
    }
    if (envelope.order_id.as_str(), envelope.order_version) != (step.order.as_str(), progress.version) {
        return Some(format!("says it is `{}` version {}", envelope.order_id, envelope.order_version));
    }
    if envelope.previous_status != previous {
        return Some(format!("previous_status is {:?} and not {previous:?}", envelope.previous_status));
    }
    if envelope.changed_at != step.written_at.0 {
        return Some(format!("changed_at is {} and its row is of {}", envelope.changed_at, step.written_at));
    }
    let (correlation_id, occurred_at) = match &step.happened {
        Happened::Record(event) | Happened::Fired(event, _) => (event.correlation_id.as_deref(), event.occurred_at.0),
        Happened::Nothing => (None, envelope.changed_at),
    };
    if envelope.correlation_id.as_deref() != correlation_id || envelope.occurred_at != occurred_at {
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
