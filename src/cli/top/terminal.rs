//! The screen that renews itself: a thread that asks, and this one that draws and listens to keys.
//!
//! Invariant: the terminal is given back as it was, whichever way this ends: a key, Ctrl-C, a signal, an error or a panic.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};

use super::draw::{View, draw};
use super::fetch::Workers;
use super::model::{Asked, screen};
use crate::cli::exit::Exit;
use crate::cli::in_runtime;

/// How soon a key is answered.
const KEYS_EVERY: Duration = Duration::from_millis(50);
/// How long the screen may take to end when it is told to. Where the terminal is gone, it never does: looking for keys does not return.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// How far a page goes.
const PAGE: usize = 10;

/// What happens beside the keys.
enum News {
    Answers(Vec<Asked>),
    /// A signal ends the process.
    Ended(Exit),
}

/// Shows the screen until somebody has seen enough.
///
/// # Errors
/// The terminal does not do what it is asked for.
pub(super) fn show(workers: Workers, interval: Duration, view: View) -> io::Result<Exit> {
    let (sender, news) = channel();
    std::thread::Builder::new().name("ask".to_owned()).spawn(move || in_runtime(ask(workers, interval, sender)))?;
    // From here on a panic gives the terminal back too: the hook is ratatui's.
    let mut terminal = ratatui::try_init()?;
    let ended = run(&mut terminal, &news, view);
    let restored = terminal.show_cursor().and(ratatui::try_restore());
    // Dropped, it would show the cursor once more, and panic where there is no terminal any more to complain on.
    std::mem::forget(terminal);
    match ended.and_then(|exit| restored.map(|()| exit)) {
        // It was one at the start: somebody closed it, and nothing is wrong.
        Err(_) if !io::stdout().is_terminal() => Ok(Exit::Ok),
        ended => ended,
    }
}

/// Asks the workers again and again, until nobody listens.
async fn ask(mut workers: Workers, interval: Duration, news: Sender<News>) {
    let ended = news.clone();
    let asking = async {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if news.send(News::Answers(workers.ask().await)).is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        exit = told_to_end() => {
            _ = ended.send(News::Ended(exit));
            tokio::time::sleep(ENDS_WITHIN).await;
            // A screen that ended took this thread with it.
            std::process::exit(exit.code().into());
        }
    }
}

/// Resolves when the process is told to end, with how it does; never, where the system lets nobody listen.
async fn told_to_end() -> Exit {
    let of = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => _ = signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = of(SignalKind::terminate()) => Exit::Ok,
        () = of(SignalKind::hangup()) => Exit::Ok,
        () = of(SignalKind::interrupt()) => Exit::Interrupted,
    }
}

fn run(terminal: &mut DefaultTerminal, news: &Receiver<News>, mut view: View) -> io::Result<Exit> {
    let mut asked = Vec::new();
    loop {
        let shown = screen(&asked, view.sort, view.is_reversed);
        view.scrolled = view.scrolled.min(shown.lanes.len().saturating_sub(1));
        terminal.draw(|frame| draw(frame, &shown, view))?;
        // Nothing is drawn anew before something is new.
        loop {
            match news.try_recv() {
                Ok(News::Answers(answers)) => {
                    asked = answers;
                    break;
                }
                Ok(News::Ended(exit)) => return Ok(exit),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(Exit::Software),
            }
            if event::poll(KEYS_EVERY)? {
                match event::read()? {
                    Event::Key(key) => match answer(key, &mut view) {
                        Some(exit) => return Ok(exit),
                        None => break,
                    },
                    Event::Resize(..) => break,
                    _ => {}
                }
            }
        }
    }
}

/// What a key does: changes the view, or ends it all.
fn answer(key: KeyEvent, view: &mut View) -> Option<Exit> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Some(Exit::Interrupted),
        KeyCode::Char('q') | KeyCode::Esc => return Some(Exit::Ok),
        KeyCode::Char('s') => (view.sort, view.scrolled) = (view.sort.following(), 0),
        KeyCode::Char('r') => (view.is_reversed, view.scrolled) = (!view.is_reversed, 0),
        KeyCode::Down | KeyCode::Char('j') => view.scrolled += 1,
        KeyCode::Up | KeyCode::Char('k') => view.scrolled = view.scrolled.saturating_sub(1),
        KeyCode::PageDown => view.scrolled += PAGE,
        KeyCode::PageUp => view.scrolled = view.scrolled.saturating_sub(PAGE),
        KeyCode::Home => view.scrolled = 0,
        _ => {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::model::Sort;
    use super::*;

    #[test]
    fn keys_do_what_the_help_line_says() {
        let mut view = View::default();
        let mut press =
            |code: KeyCode| (answer(KeyEvent::from(code), &mut view), view.sort, view.is_reversed, view.scrolled);
        assert_eq!(press(KeyCode::PageDown), (None, Sort::Seconds, false, PAGE));
        assert_eq!(press(KeyCode::Up), (None, Sort::Seconds, false, PAGE - 1));
        assert_eq!(press(KeyCode::Char('s')), (None, Sort::Records, false, 0));
        assert_eq!(press(KeyCode::Up), (None, Sort::Records, false, 0));
        assert_eq!(press(KeyCode::Char('r')), (None, Sort::Records, true, 0));
        assert_eq!(press(KeyCode::Char('x')), (None, Sort::Records, true, 0));
        assert_eq!(press(KeyCode::Char('q')).0, Some(Exit::Ok));
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(answer(ctrl_c, &mut view), Some(Exit::Interrupted));
    }
}
