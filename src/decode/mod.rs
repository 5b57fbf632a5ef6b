//! Bytes to meaning: from a record of a topic to an event, or to the reason why it is none.
//!
//! Between consume and order. One file for each topic says what its kinds need; `wire` and `check` hold what the topics
//! share; `json` is the same for JSON: of files, of the journal, and of the topics that `format` says are written in it.
//! [`Decoder`] is the entry; what it needs of Avro and of the registry is in the other files. Invariant: an event that leaves
//! here is within every bound that the rest relies on; nothing here panics, whatever the bytes.

pub mod avro;
#[cfg(test)]
mod canned;
mod check;
mod decoder;
#[cfg(test)]
mod evolution;
mod flatten;
pub mod format;
pub mod framing;
mod guard;
pub mod inspect;
pub mod inventory;
pub mod json;
pub mod order;
pub mod payment;
pub mod reader;
pub mod refusal;
pub mod registry;
mod registry_access;
mod resolution;
mod schemas;
pub mod shipping;
mod wire;

pub use check::{MAX_ID_BYTES, MAX_TEXT_BYTES, Origin};
pub use decoder::{Decoded, Decoder};
pub use format::{Format, Formats};
pub use refusal::{Reason, Refusal};
pub use registry::{Registry, RegistryError};
pub use registry_access::Access;
pub use schemas::Lookup;
