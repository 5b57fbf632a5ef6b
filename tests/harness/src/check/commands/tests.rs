//! Commands that were sent as they must be, and each way in which they can be wrong.

use std::collections::HashSet;

use orderstream::order::Policy;
use orderstream::order::policy::Micros;
use serde_json::json;

use super::super::fixture::{self, history::History};
use super::super::replay::{Replay, Said};
use super::*;

/// An order that is paid, reserved and cancelled; nobody answers, and all three attempts of each command are in vain.
fn unanswered() -> History {
    let policy = Policy { command_retry: Micros::from_seconds(10), command_attempts: 3, ..Policy::default() };
    let mut history = History::new(policy);
    cancelled(&mut history);
    history.pass(10).reminds().pass(10).reminds().pass(10).reminds();
    history
}

fn cancelled(history: &mut History) {
    let lines = json!([{"line_id": "1", "quantity": 2}]);
    let authorized = json!({"authorization_id": "auth-1", "amount_minor": 5000, "currency": "EUR"});
    history
        .hears("order", "PLACED", json!({"total_minor": 5000, "currency": "EUR", "lines": lines}))
        .hears("payment", "AUTHORIZED", authorized)
        .hears("inventory", "RESERVED", json!({"reservation_id": "res-1", "lines": lines}))
        .pass(1)
        .hears("order", "CANCEL_REQUESTED", json!({}));
}

fn answered(history: &mut History) {
    history.hears("inventory", "RELEASED", json!({"reservation_id": "res-1"})).hears(
        "payment",
        "VOIDED",
        json!({"authorization_id": "auth-1"}),
    );
}

fn found(history: &History) -> Findings {
    folded(history).0
}

fn folded(history: &History) -> (Findings, Asked) {
    let (topics, none) = (fixture::topics(), HashSet::new());
    let mut findings = Findings::default();
    let mut replay = Replay::new(history.asking(), &topics, &none);
    for row in &history.rows {
        replay.take(row.clone(), &mut findings);
    }
    let progress = replay.close_lane().remove(&fixture::order()).expect("the order");
    (findings, progress.asked)
}

/// The commands of a row.
fn commands(history: &mut History, row: usize) -> Vec<&mut OrderCommand> {
    let commands = history.rows[row].said.iter_mut().filter_map(|said| match said {
        Said::Asked(command) => Some(command),
        Said::Changed(_) => None,
    });
    commands.collect()
}

fn stored(history: &History) -> Vec<StoredPursuit> {
    serde_json::from_value(serde_json::to_value(&history.order.commands).unwrap()).unwrap()
}

#[test]
fn commands_that_are_sent_sent_again_given_up_and_answered_after_all_are_fine() {
    let mut history = unanswered();
    assert!(found(&history).is_clean(), "{:?}", found(&history));
    answered(&mut history);
    let (findings, asked) = folded(&history);
    assert!(findings.is_clean(), "{findings:?}");
    assert_eq!(asked.all.len(), 6);
    assert!(asked.open.is_empty());
}

#[test]
fn one_command_may_be_sent_again_in_the_row_in_which_another_is_given_up() {
    let policy = Policy { command_retry: Micros::from_seconds(10), command_attempts: 2, ..Policy::default() };
    let mut history = History::new(policy);
    cancelled(&mut history);
    let lines = json!([{"line_id": "1", "quantity": 1}]);
    history.pass(10).reminds().hears("inventory", "RESERVED", json!({"reservation_id": "res-2", "lines": lines}));
    history.pass(10).reminds();
    let outcomes: Vec<Outcome> = history.rows.last().unwrap().entries.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Reminded, Outcome::Unanswered]);
    assert!(found(&history).is_clean(), "{:?}", found(&history));
}

#[test]
fn without_a_command_topic_none_is_sent_and_one_that_is_sent_is_invented() {
    let mut history = History::without_commands(Policy::default());
    cancelled(&mut history);
    assert!(found(&history).is_clean(), "{:?}", found(&history));
    let mut asked = unanswered();
    asked.rows.truncate(4);
    let said = asked.rows.pop().unwrap();
    history.rows[3] = said;
    assert_eq!(found(&history).of(Kind::CommandInvented), 2);
}

#[test]
fn an_obligation_without_a_command_is_lost() {
    let mut history = unanswered();
    history.rows.truncate(4);
    let row = history.rows.last_mut().unwrap();
    row.said.pop();
    row.entries[0].sent.pop();
    assert_eq!(found(&history).of(Kind::CommandLost), 1);
}

#[test]
fn a_command_that_the_journal_does_not_speak_of_is_invented_and_one_that_it_only_speaks_of_is_mistold() {
    let mut history = unanswered();
    let again = history.rows[3].said[1].clone();
    history.rows[3].said.push(again);
    assert_eq!(found(&history).of(Kind::CommandInvented), 1);
    let mut history = unanswered();
    history.rows[3].said.pop();
    assert!(found(&history).of(Kind::CommandMistold) > 0);
}

#[test]
fn an_attempt_too_early_too_late_or_out_of_turn_is_invented() {
    let mut early = unanswered();
    for row in &mut early.rows[4..] {
        row.written_at.0 -= 5_000_000;
    }
    assert!(found(&early).of(Kind::CommandInvented) >= 2);
    let mut twice = unanswered();
    for command in commands(&mut twice, 5) {
        command.attempt = 2;
    }
    assert!(found(&twice).of(Kind::CommandInvented) >= 2);
    let mut after_the_last = unanswered();
    let reminder = after_the_last.rows[5].clone();
    after_the_last.rows.insert(6, reminder);
    assert!(found(&after_the_last).of(Kind::CommandInvented) >= 2);
}

#[test]
fn a_wrong_field_of_a_command_is_mistold() {
    let changes: [fn(&mut OrderCommand); 6] = [
        |command| command.command_id = Uuid::nil().to_string(),
        |command| command.amount_minor = Some(1),
        |command| command.lines.clear(),
        |command| command.reason = None,
        |command| command.cause = None,
        |command| command.issued_at -= 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut history = unanswered();
        history.rows.truncate(4);
        commands(&mut history, 3).into_iter().for_each(change);
        assert!(found(&history).of(Kind::CommandMistold) > 0, "change {number}");
    }
}

#[test]
fn a_command_before_the_status_event_that_made_it_owed_is_out_of_turn() {
    let mut history = unanswered();
    history.rows[3].said.swap(0, 1);
    assert_eq!(found(&history).of(Kind::ChangeMistold), 1);
}

#[test]
fn attention_that_nothing_in_vain_raises_or_that_ends_before_its_obligation_is_found() {
    // Given up at the second attempt instead of the third.
    let mut early = unanswered();
    let given_up = early.rows.remove(6);
    early.rows.remove(5);
    early.rows.push(given_up);
    assert!(!found(&early).is_clean());
    let mut history = unanswered();
    answered(&mut history);
    let Said::Changed(changed) = &mut history.rows[7].said[0] else { panic!("a change") };
    changed.view.attention.clear();
    assert!(found(&history).of(Kind::ChangeMistold) > 0);
}

#[test]
fn of_two_that_are_given_up_one_after_the_other_the_second_keeps_the_attention_though_nothing_told_of_it() {
    let policy = Policy { command_retry: Micros::from_seconds(10), command_attempts: 1, ..Policy::default() };
    let mut history = History::new(policy);
    cancelled(&mut history);
    let more = json!({"authorization_id": "auth-2", "amount_minor": 5000, "currency": "EUR"});
    history.pass(5).hears("payment", "AUTHORIZED", more).pass(5).reminds().pass(5).reminds();
    answered(&mut history);
    let (findings, asked) = folded(&history);
    assert!(findings.is_clean(), "{findings:?}");
    assert!(asked.open[0].is_given_up, "only one is left to be it");
    history.hears("payment", "VOIDED", json!({"authorization_id": "auth-2"}));
    assert!(found(&history).is_clean(), "{:?}", found(&history));
}

#[test]
fn a_row_that_remembers_what_its_history_says_is_fine_and_any_other_differs() {
    let history = unanswered();
    let (_, asked) = folded(&history);
    let until = Timestamp(i64::MAX / 2);
    let compared = |stored: &[StoredPursuit], until| {
        let mut findings = Findings::default();
        asked.compare(&fixture::order(), (stored, (None, until)), history.asking(), &mut findings);
        findings
    };
    assert!(compared(&stored(&history), until).is_clean());
    let changes: [fn(&mut Vec<StoredPursuit>); 4] = [
        |stored| drop(stored.pop()),
        |stored| stored[0].attempt = 2,
        |stored| stored[0].since.0 += 1,
        |stored| stored[0].asked_at = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut stored = stored(&history);
        change(&mut stored);
        assert!(compared(&stored, until).of(Kind::OrderDiffers) > 0, "change {number}");
    }
}

#[test]
fn a_command_that_nobody_answered_and_nobody_repeated_is_a_lost_reminder_after_a_while() {
    let mut history = unanswered();
    let given_up = stored(&history);
    history.rows.truncate(4);
    let (_, asked) = folded(&history);
    let asked_at = asked.open[0].asked_at;
    let stored: Vec<StoredPursuit> =
        given_up.into_iter().map(|s| StoredPursuit { attempt: 1, asked_at, unanswered: false, ..s }).collect();
    for (seconds, lost) in [(11, 0), (41, 2)] {
        let until = Timestamp(asked_at.unwrap().0 + seconds * 1_000_000);
        let mut findings = Findings::default();
        asked.compare(&fixture::order(), (&stored, (None, until)), history.asking(), &mut findings);
        assert_eq!(findings.of(Kind::ReminderLost), lost, "{seconds}");
        assert_eq!(findings.of(Kind::OrderDiffers), 0, "{findings:?}");
    }
}
