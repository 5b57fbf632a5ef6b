//! Chapters about parcels: made, picked, sent, delayed, lost, found, delivered, and what comes back.
//!
//! A parcel's lines are named with its label, or nowhere (the whole order); later events of it mostly name none.

use super::tale::{DAY, HOUR, MINUTE, Tale};
use crate::event::{Line, Text};

const CARRIERS: [&str; 6] = ["DHL", "UPS", "DPD", "GLS", "PostNord", "FedEx"];
const TROUBLES: [&str; 3] = ["nobody at home", "address incomplete", "held at customs"];

/// A parcel on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    shipment: String,
    carrier: &'static str,
    tracking_number: String,
}

impl Tale {
    /// A parcel with these lines gets its label and is picked.
    pub fn pack(&mut self, lines: Vec<Line>) -> Parcel {
        self.pass(30 * MINUTE, 12 * HOUR);
        let parcel = Parcel {
            shipment: self.name("shp"),
            carrier: self.dice.pick::<&str>(&CARRIERS),
            tracking_number: format!("JD{:014}", self.dice.below(100_000_000_000_000)),
        };
        self.parcel("LABEL_CREATED", |event| {
            event.lines = lines;
            parcel.label(event);
        });
        if self.dice.chance(0.9) {
            self.pass(10 * MINUTE, 5 * HOUR);
            self.track("PICKED", &parcel);
        }
        parcel
    }

    /// The parcel leaves the building. Sometimes only the carrier's first scan tells.
    pub fn dispatch(&mut self, parcel: &Parcel) {
        self.pass(10 * MINUTE, 4 * HOUR);
        if self.dice.chance(0.97) {
            self.track("DISPATCHED", parcel);
            self.pass(HOUR, 14 * HOUR);
        }
        self.track("IN_TRANSIT", parcel);
    }

    /// The parcel arrives, with the usual troubles on the way.
    pub fn arrive(&mut self, parcel: &Parcel) {
        self.pass(8 * HOUR, 3 * DAY);
        if self.dice.chance(0.05) {
            self.track("DELAYED", parcel);
            self.pass(5 * HOUR, 2 * DAY);
        }
        let last_mile = self.dice.weighted(&[("OUT_FOR_DELIVERY", 8), ("READY_FOR_PICKUP", 1), ("", 1)]);
        if !last_mile.is_empty() {
            self.track(last_mile, parcel);
            self.pass(30 * MINUTE, 9 * HOUR);
        }
        if self.dice.chance(0.06) {
            self.trouble(parcel);
            self.pass(14 * HOUR, 2 * DAY);
        }
        self.track("DELIVERED", parcel);
    }

    /// Delivery was tried and did not work.
    pub fn trouble(&mut self, parcel: &Parcel) {
        let reason = *self.dice.pick(&TROUBLES);
        self.parcel("DELIVERY_FAILED", |event| {
            parcel.label(event);
            event.reason = Some(Text::Borrowed(reason));
        });
    }

    /// Something is said of a parcel.
    pub fn track(&mut self, kind: &'static str, parcel: &Parcel) {
        self.parcel(kind, |event| parcel.label(event));
    }

    /// The whole cart goes out and arrives.
    pub fn deliver_all(&mut self) {
        let parcel = self.send_all();
        self.arrive(&parcel);
    }

    /// The whole cart goes out in one parcel.
    pub fn send_all(&mut self) -> Parcel {
        let lines = if self.dice.chance(0.5) { self.cart.lines() } else { Vec::new() };
        let parcel = self.pack(lines);
        self.dispatch(&parcel);
        parcel
    }

    /// The shopper announces a return of these lines, and sends them.
    pub fn send_back(&mut self, lines: &[Line]) -> String {
        self.pass(DAY, 12 * DAY);
        let id = self.name("rma");
        for (kind, pause) in [("RETURN_REQUESTED", DAY), ("RETURN_RECEIVED", HOUR)] {
            self.parcel(kind, |event| {
                event.return_id = Some(id.clone());
                event.lines = lines.to_vec();
            });
            self.pass(pause, 5 * pause);
        }
        id
    }

    /// A return is judged.
    pub fn close_return(&mut self, id: &str, accepted: bool) {
        self.parcel("RETURN_CLOSED", |event| {
            event.return_id = Some(id.to_owned());
            event.accepted = Some(accepted);
            event.reason = (!accepted).then_some(Text::Borrowed("worn"));
        });
    }
}

impl Parcel {
    fn label(&self, event: &mut crate::event::FlatEvent) {
        event.shipment_id = Some(self.shipment.clone());
        event.carrier = Some(Text::Borrowed(self.carrier));
        event.tracking_number = Some(self.tracking_number.clone());
    }
}
