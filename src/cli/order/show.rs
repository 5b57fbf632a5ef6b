//! `orderstream order show`: what an order is now, drawn for a person, or complete as JSON.
//!
//! Invariant: every field of the row's view is in both forms; times in JSON are microseconds since 1970, as everywhere in the
//! contract.

use std::collections::BTreeMap;

use serde::Serialize;

use super::words;
use super::{Found, Question};
use crate::cli::exit::Exit;
use crate::cli::instant::{relative, shown};
use crate::cli::output::{counted, fields, large, plain, table};
use crate::ids::{AmountMinor, Lane, LineId, OrderId, Sku, Timestamp};
use crate::order::command::Commands;
use crate::order::{Facts, Policy, View, deadlines, derive};
use crate::persist::lookup::UnresolvedLetter;
use crate::persist::{self, PgConnection};

/// Answers with the order as it is.
pub(super) async fn answer(_: &mut PgConnection, found: Found, question: Question<'_>) -> persist::Result<Exit> {
    let now = found.now;
    let shown = Shown::of(found, &question.config.order_policy());
    Ok(question.output.answer(&shown, || shown.text(now)))
}

/// An order as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    order_id: OrderId,
    version: i64,
    home_lane: Lane,
    off_lane: bool,
    archived_at: Option<Timestamp>,
    first_seen_at: Timestamp,
    changed_at: Timestamp,
    machine_version: i16,
    view: View,
    skus: BTreeMap<LineId, Sku>,
    commands: Commands,
    next: Option<Next>,
    journal_rows: usize,
    dead_letters: Vec<UnresolvedLetter>,
}

/// When time will next have something to do for an order, and what.
#[derive(Debug, Serialize)]
struct Next {
    at: Timestamp,
    /// The deadline's name, or `command_retry`; none when this configuration knows of nothing then.
    name: Option<&'static str>,
    /// The entity that it is about; none for the order itself.
    id: Option<String>,
}

impl Next {
    fn of(at: Timestamp, facts: &Facts, commands: &Commands, policy: &Policy) -> Self {
        let deadline = deadlines(facts, policy).into_iter().find(|deadline| deadline.holds && deadline.due == at);
        let command = commands.all().iter().find(|pursuit| pursuit.due(policy) == Some(at));
        let (name, id) = match (deadline, command) {
            (Some(deadline), _) => (Some(deadline.name.as_str()), deadline.entity_id.to_string()),
            (None, Some(pursuit)) => (Some("command_retry"), pursuit.id.clone()),
            (None, None) => (None, String::new()),
        };
        Self { at, name, id: Some(id).filter(|id| !id.is_empty()) }
    }

    fn text(&self, now: Timestamp) -> String {
        let what = self.name.map(|name| format!("{name} ")).unwrap_or_default();
        let of = self.id.as_deref().map(|id| format!("of {} ", plain(id))).unwrap_or_default();
        format!("{what}{of}{} ({})", shown(self.at), relative(self.at, now))
    }
}

impl Shown {
    fn of(found: Found, policy: &Policy) -> Self {
        let Found { stored, letters, now: _ } = found;
        let order = stored.order;
        let skus = order.facts.skus().into_iter().map(|(line, sku)| (line.clone(), sku.clone())).collect();
        Self {
            order_id: stored.order_id,
            version: order.version,
            home_lane: stored.home_lane,
            off_lane: stored.off_lane,
            archived_at: stored.archived_at,
            first_seen_at: stored.created_at,
            changed_at: stored.changed_at,
            machine_version: stored.machine_version,
            skus,
            next: stored.next_deadline.map(|at| Next::of(at, &order.facts, &order.commands, policy)),
            // Only a row inside its first transaction has no view, and nobody else can see that one.
            view: order.view.unwrap_or_else(|| derive(&order.facts, policy)),
            commands: order.commands,
            journal_rows: stored.journal_rows.len(),
            dead_letters: letters,
        }
    }

    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{}  order {}\n", large(self.view.status.as_str()), plain(self.order_id.as_str()));
        let blocks = [self.standing(now), self.amounts(), self.lines(), self.owed(now), self.letters(), self.row(now)];
        for block in blocks.iter().filter(|block| !block.is_empty()) {
            text.push('\n');
            text.push_str(block);
        }
        text
    }

    fn standing(&self, now: Timestamp) -> String {
        let view = &self.view;
        fields([
            ("payment", view.payment.to_string()),
            ("inventory", view.inventory.to_string()),
            ("fulfilment", view.fulfilment.to_string()),
            ("returns", view.returns.to_string()),
            ("flags", words::members(&view.flags)),
            ("attention", words::members(&view.attention)),
            ("cancelled for", view.cancel_reason.map(|reason| reason.to_string()).unwrap_or_default()),
            ("changed", format!("{} ({})", shown(self.changed_at), relative(self.changed_at, now))),
            ("next", self.next.as_ref().map(|next| next.text(now)).unwrap_or_default()),
        ])
    }

    fn amounts(&self) -> String {
        let view = &self.view;
        let total =
            view.total_minor.map_or_else(|| "unknown".to_owned(), |total| words::amount_text(total, view.currency));
        let some =
            |amount: AmountMinor| if amount.0 == 0 { String::new() } else { words::amount_text(amount, view.currency) };
        let amounts = [
            ("total", total),
            ("authorized", some(view.authorized_minor)),
            ("captured", some(view.captured_minor)),
            ("refunded", some(view.refunded_minor)),
            ("charged back", some(view.charged_back_minor)),
        ];
        let width = amounts.iter().map(|(_, amount)| amount.len()).max().unwrap_or(0);
        fields(
            amounts.map(|(name, amount)| (name, if amount.is_empty() { amount } else { format!("{amount:>width$}") })),
        )
    }

    fn lines(&self) -> String {
        let rows = self.view.lines.iter().map(|line| {
            let sku = self.skus.get(&line.line_id).map(Sku::as_str).unwrap_or_default();
            let numbers = [line.ordered, line.reserved, line.shipped, line.delivered, line.returned];
            let texts = [plain(line.line_id.as_str()).into_owned(), plain(sku).into_owned()];
            texts.into_iter().chain(numbers.map(|number| number.to_string())).collect()
        });
        if self.view.lines.is_empty() {
            return String::new();
        }
        table::<String>(&["line", "sku", "ordered", "reserved", "shipped", "delivered", "returned"], rows)
    }

    fn owed(&self, now: Timestamp) -> String {
        if self.view.owed.is_empty() {
            return String::new();
        }
        let rows = self.view.owed.iter().map(|obligation| {
            let pursuit = self.commands.of(obligation);
            let since = pursuit.map(|pursuit| relative(pursuit.since, now)).unwrap_or_default();
            let asked = pursuit.map_or_else(
                || "never".to_owned(),
                |pursuit| match pursuit.asked_at {
                    Some(at) => {
                        format!("{}, last {}", counted(pursuit.attempt as usize, "time", "times"), relative(at, now))
                    }
                    None => "never".to_owned(),
                },
            );
            let answer = if pursuit.is_some_and(|pursuit| pursuit.unanswered) { "given up: look yourself" } else { "" };
            let (kind, id) = (obligation.kind().to_string(), plain(obligation.id()).into_owned());
            vec![kind, id, words::owed(obligation), since, asked, answer.to_owned()]
        });
        table(&["owed", "of", "what", "since", "asked for", ""], rows)
    }

    fn letters(&self) -> String {
        if self.dead_letters.is_empty() {
            return String::new();
        }
        let rows = self.dead_letters.iter().map(|letter| {
            let place = format!("{}[{}]@{}", letter.topic, letter.partition, letter.offset);
            vec![letter.id.to_string(), letter.state.clone(), letter.reason.clone(), place]
        });
        let count = counted(self.dead_letters.len(), "record", "records");
        let hint = format!("orderstream dead-letters list --order {}", plain(self.order_id.as_str()));
        format!(
            "{count} under this key could not be applied, and no deadline cancels the order meanwhile: see `{hint}`\n{}",
            table(&["dead letter", "state", "reason", "record"], rows)
        )
    }

    fn row(&self, now: Timestamp) -> String {
        let lane =
            if self.off_lane { format!("{}, and seen in others", self.home_lane) } else { self.home_lane.to_string() };
        let since = |at: Timestamp| format!("{} ({})", shown(at), relative(at, now));
        fields([
            ("version", self.version.to_string()),
            ("home lane", lane),
            ("first heard of", since(self.first_seen_at)),
            ("archived", self.archived_at.map(since).unwrap_or_default()),
        ])
    }
}
