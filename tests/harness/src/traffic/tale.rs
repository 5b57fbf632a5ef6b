//! One order's life while it is being told: its clock, its ids, and the events so far.
//!
//! The chapters (`paying`, `stocking`, `delivering`, `undoing`) let time pass and say what happened. Invariant: time only
//! moves on, so events stand in the order in which they occurred; what order they arrive in is decided later, in `flow`.

use super::Answers;
use super::cart::Cart;
use super::dice::Dice;
use crate::event::{FlatEvent, Text};
use crate::topics::Input;

const SECOND: i64 = 1_000_000;
/// Minutes, hours and days in seconds, for the chapters.
pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// An order's life.
#[derive(Debug)]
pub struct Tale {
    /// What is bought.
    pub cart: Cart,
    /// The order's own chance.
    pub dice: Dice,
    order_id: String,
    /// What the ids of the order's entities end in.
    tail: String,
    correlation_id: Option<String>,
    /// Whether a service tells of the order itself.
    with_order_topic: bool,
    /// Microseconds since the order was placed.
    clock: i64,
    named: u32,
    events: Vec<FlatEvent>,
    answers: Answers,
    /// Whether it ends now, and what is due soon is due then.
    is_pressing: bool,
    /// It takes so many seconds at most, however long it was told.
    at_most: Option<i64>,
}

/// The id of the order `number` of a seed.
pub(super) fn order_id(seed: u64, number: u64) -> String {
    format!("ord-{}", tail(seed, number))
}

fn tail(seed: u64, number: u64) -> String {
    format!("{seed}-{number:06}")
}

impl Tale {
    /// Begins the tale of the order `number` of a seed.
    pub fn begin(seed: u64, number: u64, without_order_topic: f64, answers: Answers) -> Self {
        let mut dice = Dice::new(seed, number);
        let cart = Cart::fill(&mut dice);
        let tail = tail(seed, number);
        Self {
            cart,
            order_id: order_id(seed, number),
            correlation_id: dice.chance(0.8).then(|| format!("checkout-{tail}")),
            with_order_topic: !dice.chance(without_order_topic),
            clock: 0,
            named: 0,
            events: Vec::with_capacity(16),
            answers,
            is_pressing: false,
            at_most: None,
            dice,
            tail,
        }
    }

    /// Makes it one that ends now, with deadlines to come. Its shop tells of it, or nobody could cancel it.
    pub fn press(&mut self) {
        self.is_pressing = true;
        self.with_order_topic = true;
    }

    /// Sees to it that it takes so many seconds at most.
    pub fn hurry(&mut self, at_most_seconds: i64) {
        self.at_most = Some(at_most_seconds);
    }

    /// Whether what a cancelled order owes is answered in the tale.
    #[must_use]
    pub fn tells_answers(&self) -> bool {
        self.answers == Answers::Told
    }

    /// Lets time pass: some seconds between these bounds, and a broken number of microseconds.
    pub fn pass(&mut self, least_seconds: i64, most_seconds: i64) {
        self.clock += self.dice.between(least_seconds * SECOND, most_seconds * SECOND);
    }

    /// A new id that begins so.
    pub fn name(&mut self, prefix: &str) -> String {
        self.named += 1;
        format!("{prefix}-{}-{}", self.tail, self.named)
    }

    /// The instant that many seconds from now, on the tale's clock.
    #[must_use]
    pub fn in_seconds(&self, seconds: i64) -> i64 {
        self.clock + seconds * SECOND
    }

    /// The payment service says something.
    pub fn payment(&mut self, kind: &'static str, fill: impl FnOnce(&mut FlatEvent)) {
        self.say(Input::Payment, kind, "payments-gateway", fill);
    }

    /// The inventory service says something.
    pub fn stock(&mut self, kind: &'static str, fill: impl FnOnce(&mut FlatEvent)) {
        self.say(Input::Inventory, kind, "warehouse", fill);
    }

    /// The shipping service says something.
    pub fn parcel(&mut self, kind: &'static str, fill: impl FnOnce(&mut FlatEvent)) {
        self.say(Input::Shipping, kind, "shipping", fill);
    }

    /// The order service says something, if there is one.
    pub fn order(&mut self, kind: &'static str, fill: impl FnOnce(&mut FlatEvent)) {
        if self.with_order_topic {
            self.say(Input::Order, kind, "shop", fill);
        }
    }

    fn say(&mut self, topic: Input, kind: &'static str, producer: &'static str, fill: impl FnOnce(&mut FlatEvent)) {
        let mut event = FlatEvent {
            topic,
            event_id: format!("evt-{}-{:02}", self.tail, self.events.len() + 1),
            order_id: self.order_id.clone(),
            kind: Text::Borrowed(kind),
            occurred_at: self.clock,
            producer: Some(Text::Borrowed(producer)),
            correlation_id: self.correlation_id.clone(),
            causation_id: self.events.last().map(|event| event.event_id.clone()),
            ..FlatEvent::default()
        };
        fill(&mut event);
        self.events.push(event);
    }

    /// What holds money or stock under this name lapses at that instant of the tale's clock.
    pub fn expires(&mut self, name: &str, at: i64) {
        let is_it = |id: &Option<String>| id.as_deref() == Some(name);
        for event in &mut self.events {
            if is_it(&event.authorization_id) || is_it(&event.reservation_id) {
                event.expires_at = Some(at);
            }
        }
    }

    /// The event of this kind is heard after all others, though it occurred when it did.
    pub fn is_heard_last(&mut self, kind: &str) {
        if let Some(place) = self.events.iter().position(|event| event.kind == kind) {
            let event = self.events.remove(place);
            self.events.push(event);
        }
    }

    /// Ends the tale so that its last event occurs at `end`; every gap is `speed` times shorter than it was told, or more.
    ///
    /// What was to lapse or to be due in the meantime is put off till well after the end, unless the tale is a pressing one:
    /// events arrive in any order, and a deadline that is past when the first of them is heard would not wait for the others.
    pub fn end(mut self, end: i64, speed: i64) -> (Vec<FlatEvent>, Dice) {
        let told = self.clock;
        let speed = self.at_most.map_or(speed, |most| speed.max(told / (most * SECOND) + 1));
        let place = |at: i64| end - (told - at) / speed;
        let put_off = if self.is_pressing { i64::MIN } else { end + 2 * DAY * SECOND };
        let place_due = |at: i64| place(at).max(put_off);
        for event in &mut self.events {
            event.occurred_at = place(event.occurred_at);
            event.expires_at = event.expires_at.map(place_due);
            event.payment_due_at = event.payment_due_at.map(place_due);
        }
        (self.events, self.dice)
    }
}
