//! Real servers as child processes: Kafka brokers, Postgres and a schema registry that belong to one test or one run of chaos.
//!
//! | part | what it is |
//! |---|---|
//! | [`Cluster`], [`Broker`], [`Plan`], [`Listener`] | one broker, or three with replication |
//! | [`Postgres`], [`Shutdown`] | a database server |
//! | [`Registry`] | Apicurio, which keeps its schemas over a restart |
//! | [`Process`] | what they have in common: kill, stop, freeze, thaw |
//!
//! They listen on ports of 127.0.0.1 that stay theirs over a restart. Invariant: none outlives the value that owns it, nor this
//! process, however that ends; nothing is ever signalled but by the id of a child.

mod broker;
mod cluster;
pub(crate) mod orphans;
mod plan;
mod ports;
mod postgres;
mod process;
mod registry;
mod tools;

pub use broker::Broker;
pub use cluster::Cluster;
pub use plan::{Advertise, Listener, Plan, Protocol};
pub use ports::free_port;
pub use postgres::{Postgres, Settings, Shutdown, give_to_server};
pub use process::{Process, is_frozen};
pub use registry::Registry;
