//! A batch that the database refuses for the sake of one record: halved until that one stands alone, which is then set aside.
//!
//! Pure. Invariant: a record is set aside only when it stood alone in a batch that was refused, so no good one is thrown out with
//! it; an order that was only to be looked at is left as it is, and loses its mark with what is left of its batch.

use super::batch::Batch;
use crate::decode::{Reason, Refusal};
use crate::ids::OrderId;
use crate::persist::Error;

/// What a record that the database refuses does to its batch.
#[derive(Debug)]
pub enum Quarantine {
    /// Nobody knows yet which record it is: look in each half.
    Halve,
    /// It stands alone and became a dead letter, or is an order that was only to be looked at and is left alone: try the
    /// part again as it now is.
    SetAside(Option<OrderId>),
    /// It is a dead letter already, or there is no record: the database refuses something of ours.
    Impossible,
}

/// Finds out, with a batch that the database refused with this error, what to do next.
pub fn quarantine(part: &mut Batch, error: &Error) -> Quarantine {
    if part.work() > 1 {
        return Quarantine::Halve;
    }
    let alone = part.lanes.iter_mut().flat_map(|lane| &mut lane.items).next();
    match alone {
        Some(item) if !matches!(&item.decoded, Err(refusal) if refusal.reason == Reason::ApplyFailed) => {
            item.decoded = Err(Refusal::new(Reason::ApplyFailed, error.to_string()));
            Quarantine::SetAside(None)
        }
        Some(_) => Quarantine::Impossible,
        None => {
            let visited = part.lanes.iter_mut().find_map(|lane| Some((lane.visits.pop()?, &mut lane.set_aside)));
            visited.map_or(Quarantine::Impossible, |(order_id, set_aside)| {
                set_aside.push(order_id.clone());
                Quarantine::SetAside(Some(order_id))
            })
        }
    }
}
