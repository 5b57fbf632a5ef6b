//! Chapters about stock and about the order itself: placing, reserving, running short, holding.
//!
//! A reservation names its lines four times out of five; otherwise it means the whole order, as DOMAIN section 4 allows.

use super::tale::{DAY, HOUR, MINUTE, Tale};
use crate::event::{Line, Text};

impl Tale {
    /// The shopper places the order.
    pub fn place(&mut self) {
        let due = self.dice.chance(0.2).then(|| self.in_seconds(45 * DAY));
        self.place_due(due);
    }

    /// The shopper places the order, and may have to pay it by then.
    pub fn place_due(&mut self, due: Option<i64>) {
        let (total, currency, lines) = (self.cart.total_minor(), self.cart.currency, self.cart.lines());
        self.order("PLACED", |event| {
            event.total_minor = Some(total);
            event.currency = Some(Text::Borrowed(currency));
            event.lines = lines;
            event.payment_due_at = due;
        });
    }

    /// The order is changed: one piece more of its first line.
    pub fn amend(&mut self) {
        self.pass(MINUTE, 20 * MINUTE);
        self.cart.items[0].pieces += 1;
        let (total, currency, lines) = (self.cart.total_minor(), self.cart.currency, self.cart.lines());
        self.order("AMENDED", |event| {
            event.total_minor = Some(total);
            event.currency = Some(Text::Borrowed(currency));
            event.lines = lines;
        });
    }

    /// The order may not go on; most of the time until a person says otherwise.
    pub fn hold(&mut self) {
        let hold = self.name("hold");
        self.order("HOLD_PLACED", |event| {
            event.hold_id = Some(hold.clone());
            event.reason = Some(Text::Borrowed("address to be confirmed"));
        });
        if self.dice.chance(0.85) {
            self.pass(HOUR, 10 * HOUR);
            self.order("HOLD_RELEASED", |event| event.hold_id = Some(hold));
        }
    }

    /// Stock is held for the whole cart.
    pub fn reserve(&mut self) -> String {
        let lines = self.lines_or_whole_order();
        self.reserve_lines(lines)
    }

    /// Stock is held for these lines; none means the whole order.
    pub fn reserve_lines(&mut self, lines: Vec<Line>) -> String {
        self.pass(1, 40);
        let reservation = self.name("res");
        self.say_stock("RESERVED", &reservation, lines);
        reservation
    }

    /// The cart's lines, or none, which means the whole order.
    pub fn lines_or_whole_order(&mut self) -> Vec<Line> {
        if self.dice.chance(0.8) { self.cart.lines() } else { Vec::new() }
    }

    /// Something is said of a reservation and these lines.
    pub fn say_stock(&mut self, kind: &'static str, reservation: &str, lines: Vec<Line>) {
        let expires_at = (kind == "RESERVED" && self.dice.chance(0.25)).then(|| self.in_seconds(30 * DAY));
        self.stock(kind, |event| {
            event.reservation_id = Some(reservation.to_owned());
            event.lines = lines;
            event.expires_at = expires_at;
        });
    }

    /// Nothing of it can be supplied.
    pub fn reject_all(&mut self) {
        self.pass(2, 50);
        let reservation = self.name("res");
        let lines = self.lines_or_whole_order();
        self.stock("REJECTED", |event| {
            event.reservation_id = Some(reservation);
            event.lines = lines;
            event.reason = Some(Text::Borrowed("discontinued"));
        });
    }

    /// The goods are promised and come in later.
    pub fn backorder(&mut self) -> String {
        self.pass(1, 40);
        let reservation = self.name("res");
        self.say_stock("BACKORDERED", &reservation, self.cart.lines());
        self.pass(DAY, 8 * DAY);
        self.say_stock("RESERVED", &reservation, self.cart.lines());
        reservation
    }

    /// Picking finds less of a line than was reserved, and not of the whole cart: that would be out of stock. Says which and how much.
    pub fn run_short(&mut self, reservation: &str) -> Line {
        self.pass(HOUR, 9 * HOUR);
        let mut missing = self.cart.some_line(&mut self.dice);
        missing.quantity = missing.quantity.min(self.cart.pieces() - 1);
        self.say_stock("SHORTED", reservation, vec![missing.clone()]);
        missing
    }

    /// Returned goods are back on the shelf.
    pub fn restock(&mut self, reservation: &str, lines: Vec<Line>) {
        self.pass(HOUR, DAY);
        let condition = self.dice.weighted(&[("SELLABLE", 8), ("DAMAGED", 1), ("QUARANTINE", 1)]);
        self.stock("RESTOCKED", |event| {
            event.reservation_id = Some(reservation.to_owned());
            event.lines = lines;
            event.condition = Some(Text::Borrowed(condition));
        });
    }
}
