//! The pure core: what an order's facts are, how they merge, and everything that follows from them.
//!
//! An [`event::Event`] says facts, [`facts::Facts`] keeps them in registers, [`view::derive`] reads the registers, and
//! [`deadline`] lets time add facts of its own. Imports nothing but std, serde and our ids: no I/O, no clock, no async,
//! no logging. The time is an argument.
//!
//! Invariant: any permutation and any repetition of the same events ends in the same facts, hence in the same view
//! (DOMAIN section 1). Nothing here panics on input: amounts, quantities and the number of facts are bounded.
//!
//! | DOMAIN | file |
//! |---|---|
//! | 1 the merge rule | [`facts::register`], [`facts`] |
//! | 2-5 what events say | [`event`] |
//! | 3-5 how one entity's registers are read | [`facts::payment`], [`facts::reservation`], [`facts::shipment`] |
//! | 6 lines, sums, regions | `lines`, `stock`, `goods`, `balance`, `sums`, [`region`]; `reading` holds them all |
//! | 7 status, flags, attention | [`cancel`], [`status`], [`attention`] |
//! | 8 what is owed and asked for, deadlines | [`obligation`], [`command`], [`deadline`] |
//! | 9 what is compared and emitted | [`view`], [`decision`]; [`fold`] does it without a server |
//! | all of it, told to a person | [`explain`] of one order, [`ways`] between the statuses |

#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod names;

pub mod attention;
mod balance;
pub mod cancel;
pub mod command;
pub mod deadline;
pub mod decision;
pub mod event;
pub mod explain;
pub mod facts;
pub mod fold;
mod goods;
mod lines;
pub mod obligation;
pub mod policy;
mod reading;
pub mod region;
pub mod status;
mod stock;
mod sums;
pub mod view;
pub mod ways;

#[cfg(test)]
pub(crate) mod tests;

pub use deadline::{Deadline, DeadlineName, Fired, Firing, deadlines, fire_due, next_due};
pub use event::{Body, Event, Source};
pub use facts::Facts;
pub use facts::register::Merged;
pub use fold::Fold;
pub use names::UnknownName;
pub use policy::{Policy, Shell};
pub use status::Status;
pub use view::{View, derive};
