//! Words that the commands about dead letters share: numbers of letters, foreign text made harmless, tables of letters.
//!
//! Invariant: nothing that came out of a record reaches the terminal as a control character. Whoever can write to a topic
//! must not be able to write to the screen of the person who looks.

use std::iter::once;

use crate::cli::instant::to_the_second;
use crate::cli::output::{counted, plain};
use crate::persist::letters::Letter;

/// How much of an explanation a table shows at least beside the rest of its row.
const EXPLANATION_MIN_CHARS: usize = 30;
/// How much of it a table shows that is not on a terminal.
const EXPLANATION_MAX_CHARS: usize = 100;
/// What stands before an explanation that has a line of its own.
const INDENT: &str = "      ";

/// So many dead letters, in words.
pub(super) fn dead_letters(count: u64) -> String {
    counted(count, "dead letter", "dead letters")
}

/// Text of several lines, each as it may be shown.
pub(super) fn harmless(text: &str) -> String {
    text.split_inclusive('\n').map(|line| plain(line.trim_end_matches('\n')).into_owned() + "\n").collect()
}

/// As much of a text as fits, on one line.
pub(super) fn shortened(text: &str, max_chars: usize) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(max_chars) {
        None => line,
        Some(_) => line.chars().take(max_chars.saturating_sub(1)).chain(once('…')).collect(),
    }
}

/// A table of letters. On a terminal that is too narrow for explanations at the end of the rows, they stand below them.
pub(super) fn table(letters: &[Letter], terminal_chars: Option<usize>) -> String {
    let headings = ["id", "refused first", "record", "order", "reason", "tries", "state"].map(str::to_owned);
    let rows: Vec<[String; 7]> = once(headings).chain(letters.iter().map(cells)).collect();
    let widths: Vec<usize> =
        (0..7).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let taken = widths.iter().map(|width| width + 2).sum::<usize>();
    let room = terminal_chars.map_or(EXPLANATION_MAX_CHARS, |chars| chars.saturating_sub(taken));
    let beside = room >= EXPLANATION_MIN_CHARS;
    let explanations = once("explanation").chain(letters.iter().map(|letter| letter.explanation.as_str()));
    let mut table = String::new();
    for (number, (row, explanation)) in rows.iter().zip(explanations).enumerate() {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        let line =
            padded.collect::<String>() + if beside { shortened(explanation, room) } else { String::new() }.as_str();
        table.push_str(line.trim_end());
        table.push('\n');
        if !beside && number > 0 {
            let room = terminal_chars.unwrap_or(EXPLANATION_MAX_CHARS).saturating_sub(INDENT.len());
            table.push_str(&format!("{INDENT}{}\n", shortened(explanation, room)));
        }
    }
    harmless(&table)
}

fn cells(letter: &Letter) -> [String; 7] {
    [
        letter.id.to_string(),
        to_the_second(letter.first_seen_at),
        format!("{}/{}/{}", letter.topic, letter.partition, letter.offset),
        letter.order_id.as_deref().map_or_else(|| "-".to_owned(), |id| shortened(&harmless(id), 40)),
        letter.reason.to_string(),
        letter.attempts.to_string(),
        letter.state.to_string(),
    ]
}

/// How wide the terminal is that results go to; none where they go elsewhere.
pub(super) fn terminal_chars() -> Option<usize> {
    comfy_table::Table::new().width().map(usize::from)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::decode::Reason;
    use crate::ids::Timestamp;
    use crate::persist::letters::State;

    pub fn letter(id: i64) -> Letter {
        Letter {
            id,
            topic: "payments".to_owned(),
            partition: 3,
            offset: 1_234,
            order_id: Some("ord-1".to_owned()),
            reason: Reason::UnknownSchema,
            explanation: "the registry knows no schema 9: check which registry the producer uses".to_owned(),
            attempts: 1,
            state: State::Open,
            first_seen_at: Timestamp(1_760_000_000_000_000),
            last_seen_at: Timestamp(1_760_000_000_000_000),
        }
    }

    #[test]
    fn rows_line_up_and_explanations_take_what_the_terminal_leaves() {
        let table = table(&[letter(7), letter(1_234)], Some(120));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].find("explanation"), lines[1].find("the registry"));
        assert!(lines[1].ends_with('…') && lines[1].chars().count() <= 120, "{table}");
    }

    #[test]
    fn on_a_narrow_terminal_explanations_stand_below() {
        let table = table(&[letter(7)], Some(90));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2], "      the registry knows no schema 9: check which registry the producer uses");
        assert!(lines.iter().all(|line| line.chars().count() <= 90), "{table}");
    }

    #[test]
    fn in_a_pipe_each_letter_is_one_line() {
        let long = Letter { explanation: "x\n".repeat(300), ..letter(1) };
        assert_eq!(table(&[long], None).lines().count(), 2);
    }

    #[test]
    fn a_record_cannot_write_to_the_screen() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\n\u{9b}c\n"), "a\\u{1b}[2Jb\\r\n\\u{9b}c\n");
        let evil = Letter { order_id: Some("\u{1b}]0;hi\u{7}".to_owned()), ..letter(1) };
        assert!(!table(&[evil], None).contains('\u{1b}'));
    }
}
