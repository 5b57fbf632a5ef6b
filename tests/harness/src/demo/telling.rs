//! Stories as lines for people: when, by whom, what, and where it left the order.
//!
//! Colours only on a terminal (`console` sees to it). What lasts less than a day is told by the second.

use std::fmt::Write;

use console::{Alignment, Style, pad_str, style};
use orderstream::order::Status;
use orderstream::order::obligation::ObligationKind;
use orderstream::persist::journal_format::{Outcome, Sent};

use super::story::{Heard, Letter, Story, What};
use super::words::words;

/// A day in microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// An order's story.
pub fn story(text: &mut String, story: &Story) {
    _ = writeln!(text, "  {}: {}", style(&story.order).bold(), story.plot.words());
    lines(text, &story.heard, None);
}

/// A dead letter: why it was refused, who had it tried again, and what became of its order.
pub fn letter(text: &mut String, letter: &Letter) {
    let Letter { id, topic, partition, record_offset, reason, explanation, .. } = letter;
    let title = style(format!("dead letter {id}")).bold();
    _ = writeln!(text, "  {title}: {topic}, partition {partition}, offset {record_offset}");
    _ = writeln!(text, "    {} refused as {}: {explanation}", time(letter.refused_at), style(reason).yellow());
    if let Some(by) = &letter.replayed_by {
        _ = writeln!(text, "    {} replayed by {by}", time(letter.applied_at));
    }
    _ = writeln!(text, "    {} applied at attempt {}", time(letter.applied_at), letter.attempts);
    if let Some(story) = &letter.story {
        _ = writeln!(text, "  its order, {}: {}", style(&story.order).bold(), story.plot.words());
        if let Some(due) = story.payment_due_at().filter(|due| (letter.refused_at..letter.applied_at).contains(due)) {
            let why = "nobody is given up while a record of theirs is not understood";
            _ = writeln!(text, "    payment was due at {}: {why}", time(due));
        }
        lines(text, &story.heard, Some(letter));
    }
}

/// The lines of a story; where a letter was refused meanwhile, with that.
fn lines(text: &mut String, heard: &[Heard], letter: Option<&Letter>) {
    let (first, last) = (heard.iter().map(|heard| heard.at).min(), heard.iter().map(|heard| heard.at).max());
    let is_short = first.zip(last).is_some_and(|(first, last)| last - first < DAY);
    let mut refused = letter;
    let mut before = None;
    for heard in heard {
        if let Some(letter) = refused.take_if(|letter| letter.refused_at < heard.taken_at) {
            let what = style(format!("a record that nobody understands (dead letter {})", letter.id)).yellow();
            _ = writeln!(text, "    {} {} {what}", when(letter.refused_at, is_short), who("letter"));
        }
        _ = writeln!(text, "    {}", line(heard, before, is_short));
        before = heard.status;
    }
    text.push('\n');
}

fn line(heard: &Heard, before: Option<Status>, is_short: bool) -> String {
    let (by, what) = match &heard.what {
        What::Said(event) => (event.topic.as_str(), words(event)),
        What::Replayed(event) => ("letter", format!("{} {}", words(event), style("(replayed)").yellow())),
        What::Fired(name) => ("deadline", style(fired(name)).magenta().to_string()),
        What::Asked(sent) => ("command", style(asked(sent)).cyan().to_string()),
        What::GivenUp => ("command", style("nobody answers: a person is asked to look").cyan().to_string()),
        What::Rederived => ("rules", "derived anew".to_owned()),
    };
    let note = match heard.outcome {
        Outcome::Duplicate => style("  heard before, changes nothing".to_owned()).dim().to_string(),
        Outcome::Stale => style("  overtaken, changes nothing".to_owned()).dim().to_string(),
        _ if heard.late => style("  heard late".to_owned()).dim().to_string(),
        _ => String::new(),
    };
    let arrow = match heard.status {
        Some(status) if Some(status) != before => format!("  → {}", colour(status).bold().apply_to(status)),
        _ => String::new(),
    };
    format!("{} {} {what}{note}{arrow}", when(heard.at, is_short), who(by))
}

fn who(by: &str) -> String {
    pad_str(by, 9, Alignment::Left, None).into_owned()
}

fn fired(name: &str) -> String {
    match name {
        "payment_due" => "not paid in time".to_owned(),
        "payment_retry" => "nobody tried to pay again".to_owned(),
        "rejection" => "out of stock for good".to_owned(),
        "authorization_expiry" => "the hold on the money lapsed".to_owned(),
        "reservation_expiry" => "the stock's hold lapsed".to_owned(),
        other => other.to_owned(),
    }
}

fn asked(sent: &Sent) -> String {
    let what = match sent.kind {
        ObligationKind::CancelShipment => "cancel shipment",
        ObligationKind::RefundPayment => "refund capture",
        ObligationKind::ReleaseInventory => "release reservation",
        ObligationKind::VoidPayment => "void authorization",
    };
    let again = if sent.attempt > 1 { format!(", attempt {}", sent.attempt) } else { String::new() };
    format!("please {what} {}{again}", sent.id)
}

fn when(micros: i64, is_short: bool) -> String {
    let text = if is_short { time(micros) } else { said(micros, "%d %b %H:%M") };
    style(text).dim().to_string()
}

fn time(micros: i64) -> String {
    said(micros, "%H:%M:%S")
}

fn said(micros: i64, format: &str) -> String {
    let at = jiff::Timestamp::from_microsecond(micros).map(|at| at.to_zoned(jiff::tz::TimeZone::UTC));
    at.map_or_else(|_| String::new(), |at| at.strftime(format).to_string())
}

/// Green went well, yellow is under way, red was undone.
#[must_use]
pub fn colour(status: Status) -> Style {
    match status {
        Status::Completed | Status::Delivered => Style::new().green(),
        Status::Cancelled | Status::Cancelling | Status::Returned | Status::PartiallyReturned => Style::new().red(),
        _ => Style::new().yellow(),
    }
}
