//! Chapters that are not over yet: what comes due in some seconds, what was declined too long ago, what was cancelled just now.
//!
//! Told by orders whose last event occurs now, so that deadlines fire, and services answer, while somebody looks on.

use super::tale::{DAY, HOUR, MINUTE, Tale};

/// In how many seconds from now what comes due soon is due: between these.
const SOON: (i64, i64) = (3, 7);

impl Tale {
    /// Some seconds from the end of the tale, which is told up to now.
    fn soon(&mut self) -> i64 {
        let (least, most) = SOON;
        let seconds = self.dice.between(least, most);
        self.in_seconds(seconds)
    }

    /// The shopper places the order now, and is to pay it soon.
    pub(super) fn place_due_soon(&mut self) {
        let due = self.soon();
        self.place_due(Some(due));
    }

    /// The stock is held, and the payment comes in time or never.
    pub(super) fn due_soon(&mut self, is_paid: bool) {
        self.reserve_now();
        if is_paid {
            self.hold_now();
        }
    }

    /// More than a day has passed since the only attempt to pay was declined.
    pub(super) fn declined_long_ago(&mut self) {
        let authorization = self.name("auth");
        self.reserve();
        self.attempt(&authorization);
        self.decline(&authorization);
        self.pass(DAY + HOUR, DAY + 6 * HOUR);
    }

    /// Money and stock are held, the one for a day, the other for some seconds.
    pub(super) fn lapses_soon(&mut self, money: bool) {
        let soon = self.soon();
        let authorization = self.hold_now();
        let reservation = self.reserve_now();
        let lapses = if money { authorization } else { reservation };
        self.expires(&lapses, soon);
    }

    /// Cancelled, with money and stock to give back: either the answers are heard before the question, or a capture comes too late.
    pub(super) fn cancelled_just_now(&mut self, answered_first: bool) {
        let total = self.cart.total_minor();
        let authorization = self.authorize(total);
        let reservation = self.reserve();
        self.pass(MINUTE, HOUR);
        self.ask_to_cancel("customer");
        self.pass(1, 20);
        if answered_first {
            self.void(&authorization);
            self.say_stock("RELEASED", &reservation, Vec::new());
            self.is_heard_last("CANCEL_REQUESTED");
        } else {
            self.capture(Some(&authorization), total);
        }
    }

    /// Holds the money, in this very second.
    fn hold_now(&mut self) -> String {
        let authorization = self.name("auth");
        let total = self.cart.total_minor();
        self.hold_money(&authorization, total);
        authorization
    }

    /// Holds the stock, in this very second.
    fn reserve_now(&mut self) -> String {
        let reservation = self.name("res");
        let lines = self.cart.lines();
        self.say_stock("RESERVED", &reservation, lines);
        reservation
    }
}
