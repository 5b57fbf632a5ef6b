//! Chapters about money: attempts to hold it, taking it, giving it back, disputing it, doubting it.
//!
//! Each says what a payment provider would say, in its order and with its usual pauses.

use super::tale::{DAY, HOUR, MINUTE, Tale};
use crate::event::Text;

const DECLINES: [&str; 4] = ["insufficient_funds", "do_not_honor", "expired_card", "suspected_fraud"];

impl Tale {
    /// A hold on this much money, with what comes before it: an attempt under way, sometimes a challenge for the shopper.
    pub fn authorize(&mut self, amount_minor: i64) -> String {
        let authorization = self.name("auth");
        self.attempt(&authorization);
        self.hold_money(&authorization, amount_minor);
        authorization
    }

    /// An attempt that is under way.
    pub fn attempt(&mut self, authorization: &str) {
        self.pass(1, 30);
        if self.dice.chance(0.55) {
            self.payment("PENDING", |event| event.authorization_id = Some(authorization.to_owned()));
            self.pass(1, 8);
        }
        if self.dice.chance(0.12) {
            self.challenge(authorization);
        }
    }

    /// The shopper has to prove who they are.
    pub fn challenge(&mut self, authorization: &str) {
        self.payment("ACTION_REQUIRED", |event| {
            event.authorization_id = Some(authorization.to_owned());
            event.reason = Some(Text::Borrowed("3-D Secure"));
        });
        self.pass(20, 4 * MINUTE);
    }

    /// The hold itself.
    pub fn hold_money(&mut self, authorization: &str, amount_minor: i64) {
        let currency = self.cart.currency;
        let expires_at = self.dice.chance(0.3).then(|| self.in_seconds(30 * DAY));
        self.payment("AUTHORIZED", |event| {
            event.authorization_id = Some(authorization.to_owned());
            event.amount_minor = Some(amount_minor);
            event.currency = Some(Text::Borrowed(currency));
            event.expires_at = expires_at;
        });
    }

    /// An attempt that failed.
    pub fn decline(&mut self, authorization: &str) {
        let reason = *self.dice.pick(&DECLINES);
        self.payment("DECLINED", |event| {
            event.authorization_id = Some(authorization.to_owned());
            event.reason = Some(Text::Borrowed(reason));
        });
    }

    /// The hold is given back.
    pub fn void(&mut self, authorization: &str) {
        self.payment("VOIDED", |event| event.authorization_id = Some(authorization.to_owned()));
    }

    /// The hold lapses.
    pub fn lapse(&mut self, authorization: &str) {
        self.payment("AUTHORIZATION_EXPIRED", |event| event.authorization_id = Some(authorization.to_owned()));
    }

    /// Money is taken, of a hold or without one.
    pub fn capture(&mut self, authorization: Option<&str>, amount_minor: i64) -> String {
        let capture = self.name("cap");
        self.take_money(&capture, authorization, amount_minor, self.cart.currency);
        capture
    }

    /// Money is taken under this name.
    pub fn take_money(
        &mut self,
        capture: &str,
        authorization: Option<&str>,
        amount_minor: i64,
        currency: &'static str,
    ) {
        self.payment("CAPTURED", |event| {
            event.capture_id = Some(capture.to_owned());
            event.authorization_id = authorization.map(str::to_owned);
            event.amount_minor = Some(amount_minor);
            event.currency = Some(Text::Borrowed(currency));
        });
    }

    /// The provider takes a capture back some hours later.
    pub fn fail_capture(&mut self, capture: &str) {
        self.pass(HOUR, 20 * HOUR);
        self.payment("CAPTURE_FAILED", |event| {
            event.capture_id = Some(capture.to_owned());
            event.reason = Some(Text::Borrowed("bank refused settlement"));
        });
    }

    /// Money is given back; most of the time the refund names its capture.
    pub fn refund(&mut self, capture: &str, amount_minor: i64, reason: &'static str) -> String {
        let refund = self.name("ref");
        let currency = self.cart.currency;
        let named = self.dice.chance(0.7).then(|| capture.to_owned());
        self.payment("REFUNDED", |event| {
            event.refund_id = Some(refund.clone());
            event.capture_id = named;
            event.amount_minor = Some(amount_minor);
            event.currency = Some(Text::Borrowed(currency));
            event.reason = Some(Text::Borrowed(reason));
        });
        refund
    }

    /// A refund bounces.
    pub fn fail_refund(&mut self, refund: &str) {
        self.pass(DAY, 3 * DAY);
        self.payment("REFUND_FAILED", |event| {
            event.refund_id = Some(refund.to_owned());
            event.reason = Some(Text::Borrowed("account closed"));
        });
    }

    /// A chargeback begins, weeks after the purchase.
    pub fn dispute(&mut self, capture: &str, amount_minor: i64) -> String {
        self.pass(5 * DAY, 25 * DAY);
        let dispute = self.name("dis");
        let currency = self.cart.currency;
        self.payment("DISPUTE_OPENED", |event| {
            event.dispute_id = Some(dispute.clone());
            event.capture_id = Some(capture.to_owned());
            event.amount_minor = Some(amount_minor);
            event.currency = Some(Text::Borrowed(currency));
            event.reason = Some(Text::Borrowed("goods not received"));
        });
        dispute
    }

    /// A chargeback is decided.
    pub fn decide(&mut self, dispute: &str, for_us: bool) {
        self.pass(3 * DAY, 30 * DAY);
        let kind = if for_us { "DISPUTE_WON" } else { "DISPUTE_LOST" };
        self.payment(kind, |event| event.dispute_id = Some(dispute.to_owned()));
    }

    /// Somebody looks at the order before anything leaves.
    pub fn review(&mut self, well: bool) {
        let review = self.name("rev");
        self.pass(10, 5 * MINUTE);
        self.payment("REVIEW_OPENED", |event| event.review_id = Some(review.clone()));
        self.pass(10 * MINUTE, 6 * HOUR);
        let kind = if well { "REVIEW_APPROVED" } else { "REVIEW_REJECTED" };
        self.payment(kind, |event| event.review_id = Some(review));
    }
}
