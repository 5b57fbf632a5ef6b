//! The pure part of orderstream - framing, decode, the order core - for a fuzzer, without its servers.
//!
//! The sources are those of the product, included by path: what would pull in Kafka, Postgres and HTTP stays out, so that an
//! instrumented build takes a minute. Only the registry is another one: nobody is asked. Invariant: nothing here repeats what the
//! product does; [`targets`] says what must hold of it.

#![allow(dead_code, unused_imports)]

pub mod allocations;
pub mod targets;

#[path = "../../../src/ids.rs"]
pub mod ids;

#[path = "../../../src/order/mod.rs"]
pub mod order;

#[path = "../../../src/consume"]
pub mod consume {
    pub mod record;
}

#[path = "../../../src/decode"]
pub mod decode {
    pub mod avro;
    mod check;
    mod decoder;
    mod flatten;
    pub mod format;
    pub mod framing;
    mod guard;
    pub mod inventory;
    pub mod json;
    pub mod order;
    pub mod payment;
    pub mod refusal;
    #[path = "../../tests/fuzz/src/registry.rs"]
    pub mod registry;
    mod resolution;
    mod schemas;
    pub mod shipping;
    #[path = "../../tests/fuzz/src/stocked.rs"]
    pub mod stocked;
    mod wire;

    pub use check::{MAX_ID_BYTES, MAX_TEXT_BYTES, Origin};
    pub use decoder::{Decoded, Decoder};
    pub use format::{Format, Formats};
    pub use refusal::{Reason, Refusal};
    pub use registry::{Registry, RegistryError};
    pub use schemas::Lookup;
}
