//! How far something is, shown while it runs: a bar on a terminal, a line every few seconds elsewhere.
//!
//! Invariant: nothing is written to a file or a pipe that would only make sense on a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Shows one number growing towards a total.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    total: u64,
    began: Instant,
    last_line: Instant,
}

impl Progress {
    /// Begins to show; `what` is being counted.
    #[must_use]
    pub fn towards(total: u64, what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{spinner:.cyan} {bar:36.cyan/238} {human_pos}/{human_len} {prefix} {msg:.dim} {elapsed:.dim}";
            let style = ProgressStyle::with_template(style).expect("the template is one of indicatif's");
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            bar.with_style(style.progress_chars("━╸─")).with_prefix(what)
        });
        let now = Instant::now();
        Self { what, bar, total, began: now, last_line: now }
    }

    /// Shows that so much is done, with a few words beside it.
    pub fn show(&mut self, done: u64, words: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(words.to_owned());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let comma = if words.is_empty() { "" } else { ", " };
            eprintln!(
                "{done} of {} {}{comma}{words}, {:.0} s",
                self.total,
                self.what,
                self.began.elapsed().as_secs_f64()
            );
        }
    }

    /// Writes a line above the bar, or just a line.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Ends the show; the bar goes away, what comes after says the result.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
