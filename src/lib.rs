//! orderstream: a headless stream processor that drives the order state machine of a commerce platform, exactly once.
//!
//! ```text
//! Kafka topics ─▶ consume ─▶ decode ─▶ order ─▶ persist ─▶ publish ─▶ Kafka topics
//!                  Record     Event    Decision   Batch     Chunk
//!                                   one Postgres transaction ┘       └ one Kafka transaction
//! ```
//!
//! This page is the architecture document. The folders sort in the order in which data flows; one type stands on each arrow.
//!
//! | arrow | type | made in | invariant |
//! |---|---|---|---|
//! | consume → decode | [`consume::record::Record`] | the poll thread | its offset rises within its partition |
//! | decode → order | [`order::Event`] | [`decode::Decoder`] | every field within its bounds, every needed field there |
//! | order → persist | [`order::decision::Change`] | [`order::decision::Order::apply`] | said exactly when the view differs from the last one said |
//! | persist → publish | [`publish::chunk::Chunk`] | the writers | committed, and in the journal |
//!
//! # What is promised
//!
//! 1. Each input record is applied exactly once, or is a dead letter: checkpoints move in the transaction that applies, from the
//!    expected offset only, behind a compare-and-set of the lane's claim ([`persist::lanes::fence`]).
//! 2. Each status event is visible exactly once to a read_committed consumer: it is published in a Kafka transaction together
//!    with the group's offsets, whose metadata says how far the lane's journal is published ([`publish::position`]), fenced by
//!    the group's generation as it stood when the lane was given to us ([`consume::capture`]).
//! 3. Versions of an order are published in order, for orders whose events come through one lane ([`publish::plan::next`]).
//! 4. Any permutation and any repetition of the same events ends in the same order ([`order::facts`]).
//! 5. A deadline fires only when everything that was in the lane's input at its due time has been applied
//!    ([`consume::horizon`]), and never over an unresolved dead letter of its order; it fires in an ordinary batch.
//! 6. What is owed is asked for once an attempt, in the same transaction that made it owed ([`order::command`]).
//! 7. A record that could not be applied is kept byte for byte until a person decides, and replaying it ends in the order that it
//!    would have made ([`persist::dead_letters`]).
//! 8. Killing the process at any instant is safe; nothing is cleaned up by leaving well, it only goes faster.
//!
//! Not promised: anything to consumers in read_uncommitted; order across orders; anything after offsets were reset by hand or
//! partitions were added to an output topic. What orderstream answers to that and to other errors of operators is in
//! `deploy/runbooks`: it stops, or goes on, and says which and why.
//!
//! # Where to start reading
//!
//! `pipeline/mod.rs`: one batch in one transaction, on one screen. Then [`order::view`] for what an order is, and
//! [`publish::relay`] for how it is said.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | lane | a partition number across all input topics; the unit of ownership and of order |
//! | claim | the database's record of who owns a lane: an epoch and a random id |
//! | capture | the group's metadata as it stood in the assign callback that gave us lanes |
//! | tenure | a lane under one claim and one capture; everything that is done for a lane is done under a tenure |
//! | fence | the compare-and-set of claim and last_seq with which every batch begins |
//! | checkpoint | the next offset to read of an input partition, moved with the effect of the records before it |
//! | journal | a row a lane and batch: what was applied, and what is to be published |
//! | seq | the number of a journal row within its lane |
//! | position | how far a lane's journal is published, in the metadata of the group's committed offsets |
//! | sighting | an instant, and where the lane's input partitions ended then or later |
//! | horizon | the last sighting that the lane has read past; deadlines fire up to there |
//! | visit | looking at an order without an event, because time has come for it or a person marked it |
//! | mark | a row by which a command asks the lane's owner to visit an order |
//! | obligation | what is owed to others while an order is cancelled; derived, ended by facts |
//! | pursuit | since when an obligation is owed and how often its command was sent; belongs to the row, not to the facts |
//! | register | where a fact lives; keeps the latest value, four keep the earliest |
//! | view | everything that is derived from an order's facts and told downstream |
//! | version floor | what versions leapt to at a recovery of the database: whatever is said next of an order is above |
//! | operation | what a person changed of a deployment while no worker ran |
//! | span | what tracing systems are told of one step of a trace: a record's processing, a record's publication |
//! | dead letter | an input record that cannot be applied, kept byte for byte with the reason |

pub mod causes;
pub mod cli;
pub mod config;
pub mod consume;
pub mod crash;
pub mod decode;
pub mod heartbeat;
pub mod ids;
pub mod metrics;
pub mod order;
pub mod panics;
pub mod persist;
pub mod pipeline;
pub mod publish;
pub mod retry;
pub mod shutdown;
pub mod telemetry;
pub mod trust;
