//! Chapters that take something back: cancellations with their answers, races with the parcel, returns, refunds, disputes.
//!
//! The answers (VOIDED, REFUNDED, RELEASED, CANCELLED) are what other services send when they carried out what the order owes.

use super::delivering::Parcel;
use super::plot::Plot;
use super::tale::{DAY, HOUR, MINUTE, Tale};
use crate::event::Text;

const GOODWILL: [&str; 3] = ["late delivery", "scratched in transit", "price adjustment"];

impl Tale {
    /// Somebody asks to cancel.
    pub(super) fn ask_to_cancel(&mut self, by: &'static str) {
        let reason = if by == "merchant" { "price was wrong" } else { "changed my mind" };
        self.order("CANCEL_REQUESTED", |event| {
            event.requested_by = Some(Text::Borrowed(by));
            event.reason = Some(Text::Borrowed(reason));
        });
    }

    /// The money of a cancelled order goes back, if that is the story's to tell.
    pub(super) fn give_back(&mut self, authorization: &str, capture: Option<(&str, i64)>) {
        self.pass(5, 3 * MINUTE);
        if !self.tells_answers() {
            return;
        }
        match capture {
            Some((capture, amount)) => drop(self.refund(capture, amount, "order cancelled")),
            None => self.void(authorization),
        }
    }

    /// What a cancelled order owes is carried out: the money goes back, the stock is free again.
    pub(super) fn undo(&mut self, authorization: &str, capture: Option<(&str, i64)>, reservation: &str) {
        self.give_back(authorization, capture);
        if !self.tells_answers() {
            return;
        }
        self.pass(1, MINUTE);
        let lines = self.lines_or_whole_order();
        self.say_stock("RELEASED", reservation, lines);
    }

    pub(super) fn cancelled(&mut self, plot: Plot) {
        let total = self.cart.total_minor();
        let authorization = self.authorize(total);
        let reservation = self.reserve();
        self.pass(MINUTE, 5 * HOUR);
        let capture = (plot == Plot::CancelledPaid).then(|| self.capture(Some(&authorization), total));
        let packed: Option<Parcel> = (plot == Plot::CancelledWhilePacked).then(|| self.pack(Vec::new()));
        self.pass(MINUTE, 3 * HOUR);
        self.ask_to_cancel(if plot == Plot::CancelledByMerchant { "merchant" } else { "customer" });
        self.undo(&authorization, capture.as_deref().map(|capture| (capture, total)), &reservation);
        if let Some(parcel) = packed.filter(|_| self.tells_answers()) {
            self.track("CANCELLED", &parcel);
        }
    }

    pub(super) fn cancelled_in_a_race(&mut self, plot: Plot) {
        let total = self.cart.total_minor();
        let authorization = self.authorize(total);
        self.reserve();
        let capture = self.capture(Some(&authorization), total);
        match plot {
            Plot::CancelledTooLate => {
                let parcel = self.send_all();
                self.ask_to_cancel("customer");
                self.arrive(&parcel);
            }
            Plot::SentAfterCancel => {
                let parcel = self.pack(Vec::new());
                self.ask_to_cancel("customer");
                self.pass(5, 10 * MINUTE);
                self.dispatch(&parcel);
                self.pass(DAY, 4 * DAY);
                self.track("RETURNED_TO_SENDER", &parcel);
                self.give_back(&authorization, Some((&capture, total)));
            }
            _ => {
                self.pass(MINUTE, HOUR);
                self.ask_to_cancel("customer");
            }
        }
    }

    pub(super) fn refunded(&mut self, bounces: bool) {
        let capture = self.ordinary();
        self.pass(DAY, 6 * DAY);
        let part = (self.cart.total_minor() / 5).max(1);
        let reason = *self.dice.pick(&GOODWILL);
        let refund = self.refund(&capture, part, reason);
        if bounces {
            self.fail_refund(&refund);
            self.pass(HOUR, DAY);
            self.refund(&capture, part, reason);
        }
    }

    pub(super) fn returned(&mut self, plot: Plot) {
        let capture = self.ordinary();
        let lines =
            if plot == Plot::PartlyReturned { vec![self.cart.some_line(&mut self.dice)] } else { self.cart.lines() };
        if plot == Plot::ReturnAnnounced {
            self.pass(DAY, 9 * DAY);
            let id = self.name("rma");
            return self.parcel("RETURN_REQUESTED", |event| event.return_id = Some(id));
        }
        let id = self.send_back(&lines);
        self.close_return(&id, plot != Plot::ReturnRefused);
        if plot != Plot::ReturnRefused {
            self.pass(MINUTE, DAY);
            let worth = self.cart.worth_minor(&lines);
            self.refund(&capture, worth, "goods returned");
            let shelf = self.name("res");
            self.restock(&shelf, lines);
        }
    }

    pub(super) fn disputed(&mut self, plot: Plot) {
        let capture = self.ordinary();
        let dispute = self.dispute(&capture, self.cart.total_minor());
        if plot != Plot::DisputeOpen {
            self.decide(&dispute, plot == Plot::DisputeWon);
        }
    }
}
