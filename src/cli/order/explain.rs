//! `orderstream order explain`: why an order is what it is, and what it waits for.
//!
//! The core explains the facts; here stands beside it what only the row knows: how often commands were sent, what holds deadlines
//! back, how far the lane is. Invariant: what is explained is the stored facts under this configuration; where the stored view is
//! another one, that is said.

use serde::Serialize;

use super::words;
use super::{Found, Question};
use crate::cli::differences::{self, Difference};
use crate::cli::exit::Exit;
use crate::cli::explanation;
use crate::cli::instant::{length, relative, shown};
use crate::cli::output::{counted, plain};
use crate::ids::{Lane, OrderId, Timestamp};
use crate::order::Policy;
use crate::order::command::Pursuit;
use crate::order::explain::{Explanation, explain};
use crate::persist::lookup::{self, Horizons, StoredOrder, UnresolvedLetter};
use crate::persist::{self, PgConnection};

/// Answers with why the order is what it is.
pub(super) async fn answer(
    connection: &mut PgConnection,
    found: Found,
    question: Question<'_>,
) -> persist::Result<Exit> {
    let horizons = lookup::horizons(connection, found.stored.home_lane).await?;
    let now = found.now;
    let explained = Explained::of(found, horizons, &question.config.order_policy());
    Ok(question.output.answer(&explained, || explained.text(now)))
}

/// Why an order is what it is.
#[derive(Debug, Serialize)]
struct Explained {
    order_id: OrderId,
    version: i64,
    archived_at: Option<Timestamp>,
    explanation: Explanation,
    row: Standing,
}

/// What only the row knows.
#[derive(Debug, Serialize)]
struct Standing {
    home_lane: Lane,
    off_lane: bool,
    /// Up to when the input that deadlines are judged against is known to be applied.
    horizons: Horizons,
    /// When the order is next looked at without an event of its own.
    next_deadline: Option<Timestamp>,
    /// What was asked for each obligation.
    commands: Vec<Asked>,
    /// What keeps deadlines that would cancel from firing.
    dead_letters: Vec<UnresolvedLetter>,
    /// Where the stored view is another one than the explained one: before is what is stored.
    differences: Vec<Difference>,
}

/// What was asked for an obligation, and what comes next.
#[derive(Debug, Serialize)]
struct Asked {
    #[serde(flatten)]
    pursuit: Pursuit,
    next_attempt_at: Option<Timestamp>,
}

impl Explained {
    fn of(found: Found, horizons: Horizons, policy: &Policy) -> Self {
        let Found { stored, letters, now: _ } = found;
        let mut explanation = explain(&stored.order.facts, policy);
        if stored.order.commands.is_unanswered(&explanation.view.owed) {
            explanation.add_unanswered();
        }
        let StoredOrder { order_id, order, archived_at, .. } = stored;
        let differences = order.view.as_ref().map(|view| differences::between(view, &explanation.view));
        let asked = |pursuit: &Pursuit| Asked { pursuit: pursuit.clone(), next_attempt_at: pursuit.due(policy) };
        let row = Standing {
            home_lane: stored.home_lane,
            off_lane: stored.off_lane,
            horizons,
            next_deadline: stored.next_deadline,
            commands: order.commands.all().iter().map(asked).collect(),
            dead_letters: letters,
            differences: differences.unwrap_or_default(),
        };
        Self { order_id, version: order.version, archived_at, explanation, row }
    }

    fn text(&self, now: Timestamp) -> String {
        let archived = self.archived_at.map(|at| format!(", archived {}", relative(at, now))).unwrap_or_default();
        let id = plain(self.order_id.as_str());
        let mut text = format!("order {id}, version {}{archived}: ", self.version);
        text.push_str(&explanation::to_text(&self.explanation, words::changes));
        text.push_str("\nWhat stands beside its facts\n");
        for line in self.row.lines(&id, now) {
            text.push_str(&format!("  {line}\n"));
        }
        text
    }
}

impl Standing {
    fn lines(&self, id: &str, now: Timestamp) -> Vec<String> {
        let mut lines: Vec<String> = self.commands.iter().map(|asked| asked.text(now)).collect();
        if let [first, ..] = &self.dead_letters[..] {
            let letters = counted(self.dead_letters.len(), "record", "records");
            lines.push(format!(
                "no deadline cancels it while {letters} under its key could not be applied (the first: {}): see \
                 `orderstream dead-letters list --order {id}`",
                first.reason
            ));
        }
        lines.push(match self.next_deadline {
            Some(at) => format!("time next has something to do for it at {} ({})", shown(at), relative(at, now)),
            None => "time alone will do nothing more to it".to_owned(),
        });
        lines.push(self.horizon(now));
        if !self.differences.is_empty() {
            let fields: Vec<&str> = self.differences.iter().map(|difference| difference.field.as_str()).collect();
            lines.push(format!(
                "its row still says otherwise, as an earlier release or policy derived it ({}): see `orderstream rederive`",
                fields.join(", ")
            ));
        }
        lines
    }

    /// Against which instant its deadlines are judged.
    fn horizon(&self, now: Timestamp) -> String {
        let (of, horizon) = if self.off_lane {
            ("all lanes, since it was seen in several,".to_owned(), self.horizons.all_lanes)
        } else {
            (format!("its lane {}", self.home_lane), self.horizons.home_lane)
        };
        match horizon {
            Some(at) => format!(
                "deadlines fire as far as the input of {of} is applied: up to {} ({}) or later, an idle worker does not \
                 write it down",
                shown(at),
                relative(at, now)
            ),
            None => format!("no deadline fires before a worker has said up to when the input of {of} is applied"),
        }
    }
}

impl Asked {
    fn text(&self, now: Timestamp) -> String {
        let Pursuit { kind, id, since, attempt, asked_at, unanswered } = &self.pursuit;
        let asked = match asked_at {
            None => "never asked for: no topic for commands was configured".to_owned(),
            Some(at) => {
                format!("asked for {}, last {}", counted(*attempt as usize, "time", "times"), relative(*at, now))
            }
        };
        let next = match self.next_attempt_at {
            Some(at) => format!("; again or given up {}", relative(at, now)),
            None if *unanswered => "; given up".to_owned(),
            None => String::new(),
        };
        let owed = length(now.0.saturating_sub(since.0).max(0).unsigned_abs());
        format!("{kind} of {}: owed for {owed}, {asked}{next}", plain(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::obligation::ObligationKind;

    const HOUR: i64 = 3_600_000_000;

    fn standing() -> Standing {
        let pursuit = Pursuit {
            kind: ObligationKind::VoidPayment,
            id: "auth-1".to_owned(),
            since: Timestamp(HOUR),
            attempt: 2,
            asked_at: Some(Timestamp(2 * HOUR)),
            unanswered: false,
        };
        Standing {
            home_lane: Lane(3),
            off_lane: false,
            horizons: Horizons { home_lane: Some(Timestamp(3 * HOUR - 5_000_000)), all_lanes: None },
            next_deadline: Some(Timestamp(4 * HOUR)),
            commands: vec![Asked { pursuit, next_attempt_at: Some(Timestamp(4 * HOUR)) }],
            dead_letters: Vec::new(),
            differences: Vec::new(),
        }
    }

    fn lines(standing: &Standing) -> Vec<String> {
        standing.lines("ord-1", Timestamp(3 * HOUR))
    }

    #[test]
    fn attempts_the_next_look_and_the_lanes_horizon_are_told() {
        assert_eq!(
            lines(&standing()),
            [
                "VOID_PAYMENT of auth-1: owed for 2 h, asked for 2 times, last 1 h ago; again or given up in 1 h",
                "time next has something to do for it at 1970-01-01T04:00:00Z (in 1 h)",
                "deadlines fire as far as the input of its lane 3 is applied: up to 1970-01-01T02:59:55Z (5 s ago) or later, an \
                 idle worker does not write it down",
            ]
        );
    }

    #[test]
    fn an_order_of_several_lanes_waits_for_the_slowest() {
        let several = Standing { off_lane: true, commands: Vec::new(), next_deadline: None, ..standing() };
        let lines = lines(&several).join("\n");
        assert!(lines.contains("up to when the input of all lanes"), "{lines}");
        assert!(lines.contains("time alone will do nothing more"), "{lines}");
    }
}
