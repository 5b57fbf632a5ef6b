//! What we owe to others once an order is to be cancelled: voids, refunds, released stock, cancelled shipments.
//!
//! Derived like everything else; a command asks for each (DOMAIN sections 8, 9). Invariant: an obligation ends when the
//! facts say so, not when we asked; the list is sorted by kind and id.

use serde::{Deserialize, Serialize};

use crate::ids::{AmountMinor, AuthorizationId, CaptureId, LineId, ReservationId, ShipmentId};
use crate::order::event::money::{Currency, Money};
use crate::order::names::named;

use super::balance;
use super::reading::Reading;
use super::region::is_in_progress;

/// One thing that is owed. Ordered by kind and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "Flat", try_from = "Flat")]
pub enum Obligation {
    /// A shipment is not to leave.
    CancelShipment(ShipmentId),
    /// What is left of a capture is to be given back.
    RefundPayment(CaptureId, Money),
    /// Reserved stock is to be given back.
    ReleaseInventory(ReservationId, Vec<Pieces>),
    /// What is left of an authorization is to be given back.
    VoidPayment(AuthorizationId, Money),
}

/// So many pieces of one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pieces {
    /// Which line.
    pub line_id: LineId,
    /// How many.
    pub quantity: i64,
}

named! {
    /// The kinds of obligations, and of the commands that ask for them.
    pub enum ObligationKind, "obligation" {
        /// [`Obligation::CancelShipment`].
        CancelShipment = "CANCEL_SHIPMENT",
        /// [`Obligation::RefundPayment`].
        RefundPayment = "REFUND_PAYMENT",
        /// [`Obligation::ReleaseInventory`].
        ReleaseInventory = "RELEASE_INVENTORY",
        /// [`Obligation::VoidPayment`].
        VoidPayment = "VOID_PAYMENT",
    }
}

/// Everything that is owed, sorted by kind and id: nothing without cancel intent, no money while something is out.
pub(super) fn owed(reading: &Reading<'_>) -> Vec<Obligation> {
    if !reading.is_cancelled() {
        return Vec::new();
    }
    let mut owed = shipments_to_cancel(reading);
    let is_out = reading.is_out();
    if !is_out {
        let captures = balance::of_captures(reading.facts);
        let left = captures.iter().filter(|balance| balance.is_positive());
        owed.extend(left.map(|balance| Obligation::RefundPayment(balance.id.clone(), balance.left)));
    }
    owed.extend(inventory_to_release(reading));
    if !is_out {
        let left = reading.authorizations.iter().filter(|balance| balance.is_positive());
        owed.extend(left.map(|balance| Obligation::VoidPayment(balance.id.clone(), balance.left)));
    }
    owed
}

fn shipments_to_cancel(reading: &Reading<'_>) -> Vec<Obligation> {
    let shipments = reading.facts.shipments.iter();
    let begun = shipments.filter(|(_, shipment)| is_in_progress(shipment));
    begun.map(|(id, _)| Obligation::CancelShipment(id.clone())).collect()
}

/// The most lines that are owed back at once. No record could carry more, so the caller refuses what led to it by its size.
const MAX_OWED_LINES: usize = 1_000_000;

/// What each reservation holds, less what of the line was shipped: that is taken from the reservations in turn.
fn inventory_to_release(reading: &Reading<'_>) -> Vec<Obligation> {
    let mut shipped: Vec<i64> = reading.goods.iter().map(|goods| goods.shipped).collect();
    let mut owed = Vec::new();
    let mut count = 0;
    for held in &reading.stock.held {
        let mut lines = Vec::new();
        for (row, reserved) in held.reserved(&reading.lines) {
            let gone = reserved.min(shipped[row]);
            shipped[row] -= gone;
            if reserved > gone {
                let line_id = reading.lines[row].id.clone();
                lines.push(Pieces { line_id, quantity: reserved - gone });
            }
        }
        count += lines.len();
        if count > MAX_OWED_LINES {
            break;
        }
        if !lines.is_empty() {
            owed.push(Obligation::ReleaseInventory(held.reservation.clone(), lines));
        }
    }
    owed
}

impl Obligation {
    /// What is owed.
    #[must_use]
    pub fn kind(&self) -> ObligationKind {
        match self {
            Self::CancelShipment(_) => ObligationKind::CancelShipment,
            Self::RefundPayment(..) => ObligationKind::RefundPayment,
            Self::ReleaseInventory(..) => ObligationKind::ReleaseInventory,
            Self::VoidPayment(..) => ObligationKind::VoidPayment,
        }
    }

    /// The id of the entity that it is about.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::CancelShipment(id) => id.as_str(),
            Self::RefundPayment(id, _) => id.as_str(),
            Self::ReleaseInventory(id, _) => id.as_str(),
            Self::VoidPayment(id, _) => id.as_str(),
        }
    }

    /// How much money is owed, if it is money.
    #[must_use]
    pub fn money(&self) -> Option<&Money> {
        match self {
            Self::RefundPayment(_, money) | Self::VoidPayment(_, money) => Some(money),
            Self::CancelShipment(_) | Self::ReleaseInventory(..) => None,
        }
    }

    /// The lines that are owed, if it is stock.
    #[must_use]
    pub fn lines(&self) -> &[Pieces] {
        match self {
            Self::ReleaseInventory(_, lines) => lines,
            Self::CancelShipment(_) | Self::RefundPayment(..) | Self::VoidPayment(..) => &[],
        }
    }
}

/// The form in which an obligation is written: flat, what it has not left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    kind: ObligationKind,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount_minor: Option<AmountMinor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Pieces>,
}

impl From<Obligation> for Flat {
    fn from(obligation: Obligation) -> Self {
        let money = obligation.money();
        Self {
            kind: obligation.kind(),
            id: obligation.id().to_owned(),
            amount_minor: money.map(|money| money.amount),
            currency: money.map(|money| money.currency),
            lines: obligation.lines().to_vec(),
        }
    }
}

impl TryFrom<Flat> for Obligation {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, Self::Error> {
        let money = flat.amount_minor.zip(flat.currency);
        let money = money.map(|(amount, currency)| Money { amount, currency });
        let priced = || money.ok_or_else(|| format!("{} `{}` needs amount_minor and currency", flat.kind, flat.id));
        Ok(match flat.kind {
            ObligationKind::CancelShipment => Self::CancelShipment(flat.id.into()),
            ObligationKind::RefundPayment => Self::RefundPayment(flat.id.as_str().into(), priced()?),
            ObligationKind::ReleaseInventory => Self::ReleaseInventory(flat.id.into(), flat.lines),
            ObligationKind::VoidPayment => Self::VoidPayment(flat.id.as_str().into(), priced()?),
        })
    }
}
