//! The screen on a terminal: workers, troubles and lanes on the left, everything else on the right, one line of help below.
//!
//! Pure: a screen and what the person chose, onto a frame. Invariant: no size of the terminal makes this panic; what has no room is
//! cut off at the bottom, lanes can be scrolled.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, Wrap};

use super::cells::{self, Part};
use super::model::{Screen, Sort};

/// From this width on there are two columns.
const WIDE: u16 = 150;
/// How many workers and troubles have a line at most.
const WORKERS_MAX: usize = 8;
const TROUBLES_MAX: usize = 6;

/// What the person chose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    pub sort: Sort,
    pub is_reversed: bool,
    /// How many lanes are above the first that is shown.
    pub scrolled: usize,
    /// Whether colours are wanted.
    pub colours: bool,
}

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen, view: View) {
    let [body, help] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(help_line(view), help);
    let workers = cells::workers(screen);
    let heights = [height(screen.troubles.len(), TROUBLES_MAX), height(workers.rows.len() + 1, WORKERS_MAX + 1)];
    let [troubles, above, below] =
        Layout::vertical([Constraint::Length(heights[0]), Constraint::Length(heights[1]), Constraint::Fill(1)])
            .areas(body);
    draw_troubles(frame, troubles, screen, view);
    draw_part(frame, above, &workers, view, 0);
    let lanes = cells::lanes(screen);
    let scrolled = view.scrolled.min(lanes.rows.len().saturating_sub(1));
    let others = cells::others(screen);
    if body.width >= WIDE {
        let wanted = width(&lanes);
        let [left, right] = Layout::horizontal([Constraint::Length(wanted), Constraint::Fill(1)]).areas(below);
        draw_part(frame, left, &lanes, view, scrolled);
        draw_below_each_other(frame, right, &others, view);
    } else {
        let room = below.height / 2;
        let lanes_height = height(lanes.rows.len() + 1, usize::from(room.max(4)));
        let [upper, lower] = Layout::vertical([Constraint::Length(lanes_height), Constraint::Fill(1)]).areas(below);
        draw_part(frame, upper, &lanes, view, scrolled);
        draw_below_each_other(frame, lower, &others, view);
    }
}

/// The lines of a block with a frame above it, none for nothing.
fn height(lines: usize, most: usize) -> u16 {
    if lines == 0 { 0 } else { u16::try_from(lines.min(most) + 1).unwrap_or(u16::MAX) }
}

/// How wide a table is with a blank at either end.
fn width(part: &Part) -> u16 {
    let widths = part.widths();
    u16::try_from(widths.iter().sum::<usize>() + 2 * widths.len() + 1).unwrap_or(u16::MAX)
}

fn block(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).border_style(Style::new().dim()).title(format!(" {title} ").bold())
}

fn draw_troubles(frame: &mut Frame<'_>, area: Rect, screen: &Screen, view: View) {
    if screen.troubles.is_empty() {
        return;
    }
    let lines: Vec<Line<'_>> = screen.troubles.iter().map(|trouble| Line::from(trouble.as_str())).collect();
    let text = Paragraph::new(lines).style(bad(view)).wrap(Wrap { trim: true });
    frame.render_widget(text.block(block("what should not be so")), area);
}

fn draw_part(frame: &mut Frame<'_>, area: Rect, part: &Part, view: View, skipped: usize) {
    let columns = part.fitting(usize::from(area.width));
    let cell = |column: usize, cell: &str| {
        let text = Text::from(cell.to_owned());
        Cell::from(if part.is_right(column) { text.right_aligned() } else { text })
    };
    let cells = |cells: Vec<&str>| {
        cells.iter().take(columns).enumerate().map(|(column, text)| cell(column, text)).collect::<Vec<_>>()
    };
    let rows = part.rows.iter().skip(skipped).map(|row| {
        let style = if row.is_bad { bad(view) } else { Style::new() };
        Row::new(cells(row.cells.iter().map(String::as_str).collect())).style(style)
    });
    let widths = part.widths().into_iter().take(columns).enumerate().map(|(column, width)| {
        // Words at the end take what is left, so that no number is cut for them.
        let is_last = column > 0 && column + 1 == part.headings.len() && !part.is_right(column);
        if is_last { Constraint::Fill(1) } else { Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX)) }
    });
    let title = match skipped {
        0 => part.title.to_owned(),
        skipped => format!("{}, {skipped} above", part.title),
    };
    let header = Row::new(cells(part.headings.clone())).style(Style::new().dim());
    let table = Table::new(rows, widths).header(header).column_spacing(2).block(block(&title));
    frame.render_widget(table, area);
}

/// As many tables as there is room for, beginning with the first.
fn draw_below_each_other(frame: &mut Frame<'_>, area: Rect, parts: &[Part], view: View) {
    let mut left = area;
    for part in parts {
        let wanted = height(part.rows.len() + 1, usize::MAX - 1).min(left.height);
        if wanted < 3 {
            return;
        }
        let [this, rest] = Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(left);
        draw_part(frame, this, part, view, 0);
        left = rest;
    }
}

fn help_line(view: View) -> Paragraph<'static> {
    let sort = match view.sort {
        Sort::Seconds => "lag time",
        Sort::Records => "lag in records",
        Sort::Rate => "events/s",
        Sort::Unpublished => "unpublished rows",
        Sort::Owner => "owner",
        Sort::Lane => "lane",
    };
    let order = if view.is_reversed { ", reversed" } else { "" };
    let text = format!(" q quit   s sort lanes (by {sort}{order})   r reverse   ↑ ↓ PgUp PgDn Home scroll lanes");
    Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED))
}

fn bad(view: View) -> Style {
    if view.colours { Style::new().fg(Color::Red) } else { Style::new().bold() }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::tests::two_workers;
    use super::*;

    fn drawn(screen: &Screen, view: View, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, screen, view)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| line(y).trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn a_wide_terminal_shows_everything_at_once() {
        let text = drawn(&two_workers(), View::default(), (170, 50));
        for says in [
            "what should not be so",
            "w3:3 does not answer: nobody listens",
            "none seen",
            "event to status, since it occurred",
            "CONFIRMED",
            "VOID_PAYMENT",
            "unknown_schema",
            "overpaid",
            "registry",
            "q quit   s sort lanes (by lag time)",
        ] {
            assert!(text.contains(says), "{says}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_usual_terminal_shows_troubles_workers_lanes_and_topics() {
        let text = drawn(&two_workers(), View::default(), (80, 24));
        for says in [
            "does not answer",
            "w1:1    0.1.0        1       100   0.50",
            "none seen",
            "1 min 15 s       100",
            "q quit",
        ] {
            assert!(text.contains(says), "{says}\nis not in\n{text}");
        }
    }

    #[test]
    fn no_size_and_no_scrolling_makes_it_panic() {
        for width in [1, 7, 40, 149, 150, 300] {
            for height in [1, 2, 3, 5, 11, 60] {
                for scrolled in [0, 1, 1_000] {
                    let view = View { scrolled, colours: true, ..View::default() };
                    drawn(&two_workers(), view, (width, height));
                    drawn(&Screen::default(), view, (width, height));
                }
            }
        }
    }

    #[test]
    fn lanes_are_scrolled_and_the_last_stays() {
        let view = View { scrolled: 2, sort: Sort::Lane, ..View::default() };
        let text = drawn(&two_workers(), view, (170, 50));
        assert!(text.contains("lanes, 2 above") && !text.contains("none seen"), "{text}");
        assert!(drawn(&two_workers(), View { scrolled: 99, ..view }, (170, 50)).contains("lanes, 2 above"));
    }
}
