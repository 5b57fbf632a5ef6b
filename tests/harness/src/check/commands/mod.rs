//! What must be asked of others for what an order owes, and what was: followed fact by fact along the order's history.
//!
//! Pure, and a bookkeeping of its own beside the product's. Invariant: an obligation has one command with attempt 1 as soon as it is
//! there, later ones in sequence and not before their time, and none once it ended. Which of several commands that were all in
//! vain raised the attention, nobody outside can tell at once; what was told decides.

use orderstream::ids::{OrderId, Timestamp};
use orderstream::order::obligation::{Obligation, ObligationKind};
use orderstream::order::{Policy, View};
use orderstream::persist::journal_format::{Outcome, Sent};
use uuid::{Uuid, uuid};

use super::findings::{Findings, Kind};
use super::stored::StoredPursuit;
use crate::output::{Cause, OrderCommand};

/// The namespace of the namespaces of commands' ids, as `schemas/OrderCommand.avsc` documents it.
const COMMAND_IDS: Uuid = uuid!("07596505-a703-5a0e-b5c3-2015c6479b52");
/// After so long a command that should have been sent again is lost, in microseconds.
const LONG: i64 = 30_000_000;

/// The documented id of a command.
#[must_use]
pub fn command_id(order_id: &str, kind: ObligationKind, entity_id: &str) -> Uuid {
    let order = Uuid::new_v5(&COMMAND_IDS, order_id.as_bytes());
    Uuid::new_v5(&order, format!("{kind}:{entity_id}").as_bytes())
}

/// How a deployment asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The policies that it has had, the present one first.
    pub policies: &'a [Policy],
    /// From when on commands are sent; none for never.
    pub since: Option<Timestamp>,
}

/// A step of an order's history as far as commands go.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub outcome: Outcome,
    /// The fact that caused it, if one did.
    pub cause: Option<&'a Cause>,
    /// The view after it.
    pub view: &'a View,
    /// What the journal says was sent.
    pub sent: &'a [Sent],
    /// What its row publishes of that.
    pub commands: &'a [OrderCommand],
}

/// What was asked for the open obligations of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    open: Vec<Pursued>,
    /// Every command so far: its id and its attempt.
    pub all: Vec<(String, u32)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pursued {
    kind: ObligationKind,
    id: String,
    since: Timestamp,
    attempt: u32,
    asked_at: Option<Timestamp>,
    /// Certainly in vain; a command that had all its attempts may be so without our knowing.
    is_given_up: bool,
}

impl Pursued {
    fn is_of(&self, obligation: &Obligation) -> bool {
        self.kind == obligation.kind() && self.id == obligation.id()
    }

    fn is_due(&self, policy: &Policy, at: Timestamp) -> bool {
        self.asked_at.is_some_and(|asked_at| policy.command_retry.after(asked_at) <= at)
    }

    fn may_be_given_up(&self, asking: Asking<'_>, at: Timestamp) -> bool {
        let in_vain = |policy: &Policy| self.attempt >= policy.command_attempts && self.is_due(policy, at);
        self.is_given_up || asking.policies.iter().any(in_vain)
    }
}

impl Asked {
    /// Whether the attention `command_unanswered` stands, after a step that leaves this owed: `had` before it, and as `told` by it
    /// where it told anything. Only giving up raises it, and it ends with the last obligation that was given up.
    pub fn attention(
        &mut self,
        owed: &[Obligation],
        (outcome, at, had, told): (Outcome, Timestamp, bool, Option<bool>),
        asking: Asking<'_>,
    ) -> bool {
        let still = |pursued: &&mut Pursued| owed.iter().any(|obligation| pursued.is_of(obligation));
        let open: Vec<&mut Pursued> = self.open.iter_mut().filter(still).collect();
        let mut candidates: Vec<&mut Pursued> =
            open.into_iter().filter(|pursued| pursued.may_be_given_up(asking, at)).collect();
        let is_sure = candidates.iter().any(|pursued| pursued.is_given_up);
        let stands = match (outcome, had) {
            (Outcome::Unanswered, _) => !candidates.is_empty(),
            (_, false) => false,
            (_, true) => is_sure || (!candidates.is_empty() && told.unwrap_or(true)),
        };
        // Those that were asked for first are in vain first; where only one is left, it is the one.
        let first = candidates.iter().filter_map(|pursued| pursued.asked_at).min();
        let is_one = candidates.len() == 1;
        for pursued in candidates.iter_mut().filter(|_| stands) {
            pursued.is_given_up |= is_one || (outcome == Outcome::Unanswered && pursued.asked_at == first);
        }
        stands
    }

    /// Follows what is owed after a step, and compares what was sent with what had to be.
    pub fn follow(&mut self, order: &OrderId, moment: Moment<'_>, asking: Asking<'_>, findings: &mut Findings) {
        let owed = &moment.view.owed;
        self.open.retain(|pursued| owed.iter().any(|obligation| pursued.is_of(obligation)));
        for obligation in owed {
            if !self.open.iter().any(|pursued| pursued.is_of(obligation)) {
                self.open.push(Pursued {
                    kind: obligation.kind(),
                    id: obligation.id().to_owned(),
                    since: moment.at,
                    attempt: 0,
                    asked_at: None,
                    is_given_up: false,
                });
            }
        }
        if !commands_match(moment.sent, moment.commands) {
            findings.add_of(Kind::CommandMistold, order, || {
                format!("the journal says {} commands were sent and publishes others", moment.sent.len())
            });
        }
        for command in moment.commands {
            self.sent(order, command, &moment, asking, findings);
        }
        // An order that time alone looked at is not asked about again; what is owed is followed with the next fact.
        if asking.since.is_some_and(|since| moment.at >= since) {
            for pursued in self.open.iter().filter(|pursued| pursued.attempt == 0) {
                findings.add_of(Kind::CommandLost, order, || format!("{} of `{}`", pursued.kind, pursued.id));
            }
        }
    }

    fn sent(
        &mut self,
        order: &OrderId,
        command: &OrderCommand,
        moment: &Moment<'_>,
        asking: Asking<'_>,
        findings: &mut Findings,
    ) {
        let name = || format!("{} of `{}`, attempt {}", command.kind, command.entity_id, command.attempt);
        self.all.push((command.command_id.clone(), command.attempt));
        let is_it = |obligation: &&Obligation| {
            obligation.kind() == command.kind && obligation.id() == command.entity_id.as_str()
        };
        let pursued = self.open.iter_mut().find(|p| p.kind == command.kind && p.id == command.entity_id);
        let (Some(obligation), Some(pursued)) = (moment.view.owed.iter().find(is_it), pursued) else {
            findings.add_of(Kind::CommandInvented, order, || format!("{}: it is not owed", name()));
            return;
        };
        let is_reminder = moment.outcome == Outcome::Reminded;
        let in_time = |policy: &Policy| pursued.attempt < policy.command_attempts && pursued.is_due(policy, moment.at);
        let is_right = if is_reminder {
            command.attempt == pursued.attempt + 1 && asking.policies.iter().any(in_time)
        } else {
            command.attempt == 1 && pursued.attempt == 0
        };
        if !is_right || asking.since.is_none() {
            findings.add_of(Kind::CommandInvented, order, || {
                format!("{}: {} were sent, the last at {:?}", name(), pursued.attempt, pursued.asked_at)
            });
        }
        (pursued.attempt, pursued.asked_at) = (command.attempt, Some(Timestamp(command.issued_at)));
        let cause = if is_reminder { None } else { moment.cause };
        if let Some(what) = mistold(order, command, obligation, (moment, cause)) {
            findings.add_of(Kind::CommandMistold, order, || format!("{}: {what}", name()));
        }
    }

    /// Compares what the order's row remembers with the history. Workers were last at work from `since`, where that is known, to
    /// `until`.
    pub fn compare(
        &self,
        order: &OrderId,
        (stored, (since, until)): (&[StoredPursuit], (Option<Timestamp>, Timestamp)),
        asking: Asking<'_>,
        findings: &mut Findings,
    ) {
        let differs = |what: String, findings: &mut Findings| findings.add_of(Kind::OrderDiffers, order, || what);
        if stored.len() != self.open.len() {
            let what = format!("its row pursues {} obligations and {} are open", stored.len(), self.open.len());
            return differs(what, findings);
        }
        for stored in stored {
            let found = self.open.iter().find(|pursued| pursued.kind == stored.kind && pursued.id == stored.id);
            let is_same = found.is_some_and(|pursued| {
                (pursued.attempt, pursued.asked_at, pursued.since) == (stored.attempt, stored.asked_at, stored.since)
                    && (pursued.is_given_up <= stored.unanswered)
                    && (!stored.unanswered || pursued.may_be_given_up(asking, until))
            });
            if !is_same {
                differs(format!("its row has {stored:?} and its history leads to {found:?}"), findings);
            }
            let long_ago = Timestamp(until.0 - LONG);
            let were_at_work = since.is_none_or(|since| since < long_ago);
            if let Some(pursued) = found.filter(|_| !stored.unanswered && asking.since.is_some() && were_at_work)
                && asking.policies.iter().all(|policy| pursued.is_due(policy, long_ago))
            {
                findings.add_of(Kind::ReminderLost, order, || format!("{} of `{}`", pursued.kind, pursued.id));
            }
        }
    }
}

fn commands_match(sent: &[Sent], commands: &[OrderCommand]) -> bool {
    let told = commands.iter().map(|command| (command.kind, command.entity_id.as_str(), command.attempt));
    sent.iter().map(|sent| (sent.kind, sent.id.as_str(), sent.attempt)).eq(told)
}

/// In what a command is not what it must be.
fn mistold(
    order: &OrderId,
    command: &OrderCommand,
    obligation: &Obligation,
    (moment, cause): (&Moment<'_>, Option<&Cause>),
) -> Option<String> {
    let expected_id = command_id(order.as_str(), command.kind, &command.entity_id);
    if command.command_id != expected_id.to_string() {
        return Some(format!("command_id is {} and not {expected_id}", command.command_id));
    }
    if command.order_id != order.as_str() {
        return Some(format!("it says it is of `{}`", command.order_id));
    }
    let money = obligation.money().map(|money| (money.amount.0, money.currency.as_str()));
    if command.amount_minor.zip(command.currency.as_deref()) != money || command.lines != obligation.lines() {
        return Some("amount, currency or lines are not what is owed".to_owned());
    }
    if command.reason != moment.view.cancel_reason {
        return Some(format!("reason is {:?} and not {:?}", command.reason, moment.view.cancel_reason));
    }
    if command.cause.as_ref() != cause {
        return Some(format!("cause is {:?} and not {cause:?}", command.cause));
    }
    (command.issued_at != moment.at.0)
        .then(|| format!("it was issued at {} and its row is of {}", command.issued_at, moment.at))
}

#[cfg(test)]
mod tests;
