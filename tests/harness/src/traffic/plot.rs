//! What can become of an order: the plots, how often each is told, and which chapters it is made of.
//!
//! Most orders are ordinary; the others together use every kind of DOMAIN sections 3-5. Pressing ones are told as of now, for
//! deadlines that are yet to come (`pressing`).

use super::dice::Dice;
use super::tale::{DAY, HOUR, MINUTE, Tale};

macro_rules! plots {
    ($( $weight:literal $pressing:literal $plot:ident $words:literal, )+) => {
        /// A plot.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Plot {
            $( #[doc = $words] $plot, )+
        }

        impl Plot {
            /// Every plot with how many of a thousand orders it is told for.
            pub const WEIGHTS: &[(Self, u32)] = &[$( (Self::$plot, $weight) ),+];

            /// Every plot with how many of a hundred pressing orders it is told for.
            pub const PRESSING: &[(Self, u32)] = &[$( (Self::$plot, $pressing) ),+];

            /// What happens, in a few words.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $( Self::$plot => $words, )+ }
            }
        }
    };
}

plots! {
    520 0 Ordinary "bought, sent and delivered",
    55 0 SecondCard "declined, then paid with another card",
    25 0 SameCardAgain "declined, then paid with the same card",
    14 0 NeverPaid "declined for good",
    12 0 GivenUpAtChallenge "left at 3-D Secure",
    10 0 LapsedHold "the hold on the money lapsed and was renewed",
    8 0 AdjustedHold "the hold on the money was adjusted",
    45 0 PaidAtOnce "paid at once, without a hold",
    60 0 SplitParcels "sent and captured in two parcels",
    10 0 SplitHalfway "two parcels, one still to come",
    22 0 Backordered "out of stock, then back in",
    10 10 OutOfStock "out of stock for good",
    12 0 Shorted "one line missing at picking, refunded",
    8 0 StockHoldLapsed "the stock's hold lapsed and was renewed",
    35 12 CancelledUnpaid "cancelled by the customer before anything was taken",
    14 10 CancelledPaid "cancelled by the customer, money given back",
    9 4 CancelledByMerchant "cancelled by the shop",
    8 6 CancelledWhilePacked "cancelled with a parcel packed",
    8 0 CancelledTooLate "a cancellation after the parcel left",
    4 0 SentAfterCancel "sent although it was cancelled",
    5 0 CancelledHalfway "cancelled, and the answers are still to come",
    10 0 Fraud "rejected by the fraud review",
    24 0 Reviewed "reviewed and found well",
    12 0 Held "held by a person",
    10 0 Amended "one piece added",
    16 0 Goodwill "part of the money given back",
    26 0 Returned "all of it returned and refunded",
    14 0 PartlyReturned "one line returned and refunded",
    6 0 ReturnRefused "returned, and refused",
    4 0 ReturnAnnounced "a return that is announced only",
    5 0 DisputeWon "charged back, won",
    7 0 DisputeLost "charged back, lost",
    3 0 DisputeOpen "charged back, undecided",
    6 0 Lost "lost by the carrier",
    4 0 LostAndFound "lost by the carrier, and found",
    6 0 BackToSender "back undelivered, and refunded",
    6 0 NewLabel "the first label was cancelled",
    6 0 CaptureBounced "the capture failed and was repeated",
    4 0 RefundBounced "the refund failed and was repeated",
    3 0 PaidTwice "captured twice",
    2 0 ForeignMoney "captured in another currency",
    0 14 PaymentDuePasses "not paid by the time it was due",
    0 12 PaidInTime "paid just in time",
    0 10 RetryRunsOut "declined, and nobody tried again",
    0 6 HoldLapses "the hold on the money lapses",
    0 6 StockLapses "the stock's hold lapses",
    0 5 AnsweredFirst "cancelled, and the answers are heard first",
    0 5 PaidAfterCancel "cancelled, and paid after all",
}

impl Plot {
    /// Rolls a plot.
    pub fn roll(dice: &mut Dice) -> Self {
        dice.weighted(Self::WEIGHTS)
    }

    /// Rolls a plot for an order that lives in the present: its end is now, its deadlines are near, and its shop tells of it.
    pub fn roll_pressing(tale: &mut Tale) -> Self {
        tale.press();
        tale.dice.weighted(Self::PRESSING)
    }

    /// Tells the plot.
    pub fn tell(self, tale: &mut Tale) {
        if matches!(self, Self::SplitParcels | Self::SplitHalfway | Self::Shorted) {
            tale.cart.fill_two_parcels();
        }
        if matches!(self, Self::SecondCard | Self::SameCardAgain | Self::NeverPaid) {
            // Within a day of now, or whoever hears of the decline first gives the order up before hearing of the payment.
            tale.hurry(20 * HOUR);
        }
        if matches!(self, Self::PaymentDuePasses | Self::PaidInTime) {
            tale.place_due_soon()
        } else {
            tale.place()
        }
        match self {
            Self::Ordinary => drop(tale.ordinary()),
            Self::SecondCard | Self::SameCardAgain | Self::NeverPaid => tale.declined(self),
            Self::GivenUpAtChallenge | Self::LapsedHold | Self::AdjustedHold => tale.held_money(self),
            Self::PaidAtOnce | Self::PaidTwice | Self::ForeignMoney | Self::CaptureBounced => tale.charged(self),
            Self::SplitParcels | Self::SplitHalfway => tale.split(self == Self::SplitHalfway),
            Self::Backordered | Self::OutOfStock | Self::Shorted | Self::StockHoldLapsed => tale.short_of_stock(self),
            Self::CancelledUnpaid | Self::CancelledPaid | Self::CancelledByMerchant | Self::CancelledWhilePacked => {
                tale.cancelled(self);
            }
            Self::CancelledTooLate | Self::SentAfterCancel | Self::CancelledHalfway => tale.cancelled_in_a_race(self),
            Self::Fraud | Self::Reviewed | Self::Held | Self::Amended => tale.looked_at(self),
            Self::Goodwill | Self::RefundBounced => tale.refunded(self == Self::RefundBounced),
            Self::Returned | Self::PartlyReturned | Self::ReturnRefused | Self::ReturnAnnounced => tale.returned(self),
            Self::DisputeWon | Self::DisputeLost | Self::DisputeOpen => tale.disputed(self),
            Self::PaymentDuePasses | Self::PaidInTime => tale.due_soon(self == Self::PaidInTime),
            Self::RetryRunsOut => tale.declined_long_ago(),
            Self::HoldLapses | Self::StockLapses => tale.lapses_soon(self == Self::HoldLapses),
            Self::AnsweredFirst | Self::PaidAfterCancel => tale.cancelled_just_now(self == Self::AnsweredFirst),
            Self::Lost | Self::LostAndFound | Self::BackToSender | Self::NewLabel => tale.strayed(self),
        }
    }
}

impl Tale {
    /// Money and stock are held, in either order. Returns the authorization and the reservation.
    fn check_out(&mut self) -> (String, String) {
        let total = self.cart.total_minor();
        if self.dice.chance(0.75) {
            let authorization = self.authorize(total);
            (authorization, self.reserve())
        } else {
            let reservation = self.reserve();
            (self.authorize(total), reservation)
        }
    }

    /// The money is taken as the parcel leaves, and the parcel arrives. Returns the capture.
    fn fulfil(&mut self, authorization: &str) -> String {
        let total = self.cart.total_minor();
        if self.dice.chance(0.5) {
            self.pass(MINUTE, 2 * HOUR);
            let capture = self.capture(Some(authorization), total);
            self.deliver_all();
            return capture;
        }
        let parcel = self.send_all();
        let named = self.dice.chance(0.8).then_some(authorization);
        let capture = self.capture(named, total);
        self.arrive(&parcel);
        capture
    }

    /// Everything as it should be. Returns the capture.
    pub(super) fn ordinary(&mut self) -> String {
        let (authorization, _) = self.check_out();
        self.fulfil(&authorization)
    }

    fn declined(&mut self, plot: Plot) {
        let total = self.cart.total_minor();
        let first = self.name("auth");
        self.attempt(&first);
        self.decline(&first);
        self.reserve();
        self.pass(MINUTE, 40 * MINUTE);
        let paid = match plot {
            Plot::SameCardAgain => {
                self.hold_money(&first, total);
                first
            }
            Plot::NeverPaid => return self.decline(&first),
            _ => self.authorize(total),
        };
        self.fulfil(&paid);
    }

    fn held_money(&mut self, plot: Plot) {
        let total = self.cart.total_minor();
        if plot == Plot::GivenUpAtChallenge {
            let authorization = self.name("auth");
            self.reserve();
            self.attempt(&authorization);
            return self.challenge(&authorization);
        }
        let first = if plot == Plot::AdjustedHold { self.authorize(total / 2) } else { self.authorize(total) };
        self.reserve();
        self.pass(DAY, 6 * DAY);
        if plot == Plot::AdjustedHold {
            self.hold_money(&first, total);
            self.fulfil(&first);
        } else {
            self.lapse(&first);
            let second = self.authorize(total);
            self.fulfil(&second);
        }
    }

    fn charged(&mut self, plot: Plot) {
        let (total, currency) = (self.cart.total_minor(), self.cart.currency);
        self.reserve();
        self.pass(1, 30);
        let capture = self.name("cap");
        let foreign = if currency == "EUR" { "USD" } else { "EUR" };
        self.take_money(&capture, None, total, if plot == Plot::ForeignMoney { foreign } else { currency });
        if plot == Plot::CaptureBounced {
            self.fail_capture(&capture);
        }
        if plot != Plot::PaidAtOnce {
            self.pass(MINUTE, HOUR);
            self.capture(None, total);
        }
        self.deliver_all();
    }

    fn split(&mut self, halfway: bool) {
        let (authorization, _) = self.check_out();
        let [first, second] = self.cart.split(&mut self.dice);
        let parts = [self.cart.worth_minor(&first) + self.cart.delivery_minor, self.cart.worth_minor(&second)];
        let parcel = self.pack(first);
        self.dispatch(&parcel);
        self.capture(Some(&authorization), parts[0]);
        let other = self.pack(second);
        self.arrive(&parcel);
        if !halfway {
            self.dispatch(&other);
            self.capture(Some(&authorization), parts[1]);
            self.arrive(&other);
        }
    }

    fn short_of_stock(&mut self, plot: Plot) {
        let total = self.cart.total_minor();
        let authorization = self.authorize(total);
        match plot {
            Plot::OutOfStock => {
                self.reject_all();
                // Nobody has to ask: the deadline of a rejection cancels the order, and the money is owed back.
                return self.give_back(&authorization, None);
            }
            Plot::Backordered => drop(self.backorder()),
            Plot::Shorted => {
                // Of an order that nobody placed, nobody would know what is missing beside what is not.
                let lines = self.cart.lines();
                let reservation = self.reserve_lines(lines);
                let missing = self.run_short(&reservation);
                let capture = self.capture(Some(&authorization), total);
                let worth = self.cart.worth_minor(&[missing]);
                self.pass(MINUTE, HOUR);
                self.refund(&capture, worth, "missing at picking");
                return self.deliver_all();
            }
            _ => {
                let first = self.reserve();
                self.pass(30 * MINUTE, DAY);
                self.say_stock("RESERVATION_EXPIRED", &first, Vec::new());
                self.reserve();
            }
        }
        self.fulfil(&authorization);
    }

    fn looked_at(&mut self, plot: Plot) {
        let (authorization, reservation) = self.check_out();
        match plot {
            Plot::Fraud => {
                self.review(false);
                return self.undo(&authorization, None, &reservation);
            }
            Plot::Reviewed => self.review(true),
            Plot::Held => self.hold(),
            _ => {
                self.amend();
                let (total, line) = (self.cart.total_minor(), self.cart.lines().swap_remove(0));
                self.hold_money(&authorization, total);
                let more = self.name("res");
                self.say_stock("RESERVED", &more, vec![crate::event::Line { quantity: 1, ..line }]);
            }
        }
        self.fulfil(&authorization);
    }

    fn strayed(&mut self, plot: Plot) {
        if plot == Plot::NewLabel {
            let (authorization, _) = self.check_out();
            let mistaken = self.pack(self.cart.lines());
            self.track("CANCELLED", &mistaken);
            self.fulfil(&authorization);
            return;
        }
        let (authorization, _) = self.check_out();
        let total = self.cart.total_minor();
        let parcel = self.send_all();
        let capture = self.capture(Some(&authorization), total);
        self.pass(2 * DAY, 9 * DAY);
        if plot == Plot::BackToSender {
            self.trouble(&parcel);
            self.pass(DAY, 5 * DAY);
            self.track("RETURNED_TO_SENDER", &parcel);
            self.refund(&capture, total, "back undelivered");
            return;
        }
        self.track("LOST", &parcel);
        if plot == Plot::LostAndFound {
            self.arrive(&parcel);
        }
    }
}
