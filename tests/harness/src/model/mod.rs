//! A model of the protocol: take-over, fence, batch, journal, relay and position, over a modelled Kafka and a modelled Postgres.
//!
//! A few processes, lanes and records, and a bounded number of faults between any two steps: processes killed, frozen beyond the
//! session timeout, cut off from Postgres with a COMMIT under way; requests to Kafka repeated, delayed, unanswered; rebalances;
//! offsets lost. Small worlds are seen whole ([`explore`]), larger ones in random walks ([`walk`]).
//!
//! | part | what it is |
//! |---|---|
//! | [`state`], [`canon`] | the world between two steps; which states are one |
//! | [`kafka`], [`postgres`] | the modelled servers |
//! | [`step`], [`act`], [`relay`] | what can happen, what processes do, what relays do |
//! | [`promise`], [`heal`] | what must hold in every state; from every state, a way to go on |
//! | [`explore`], [`walk`], [`tell`] | all states, random walks, and a way told in sentences |
//! | [`bounds`], [`worlds`] | how large a world is, what is switched off in it, and which worlds are looked at |
//!
//! # What decides
//!
//! The decisions are the product's own functions, not copies of them: `publish::plan` (`duty`, `next`, `missing`, `in_sequence`,
//! `heed`, `failure`), `publish::position::judge` on the very text of a mark, `publish::producer::trust`, `persist::lanes::standing`,
//! `persist::settle::settle`. What is SQL in the product (claim, fence, note) is modelled, statement by statement.
//!
//! # What is promised
//!
//! In every state: each input record is in at most one journal row, in order, without a gap, and the checkpoint says so; the
//! committed records of the output hold the journal's rows 1, 2, 3 … once each, in order (after a loss of the group's offsets a
//! stretch may be repeated, once a loss, and none left out); the position is the last row published, and never ahead of the
//! database; no process stops for a fault that it is made for, and the fence refuses no owner. From every state: a schedule without
//! further faults gets everything applied and visible, and does not wait for the coordinator to time a transaction out; but for a
//! process that took its id back after its successor had ended it, and died: of that one nobody can know.
//!
//! # What is assumed of Kafka
//!
//! * A transaction is visible as a whole or not at all, records and offsets together, once the coordinator has decided (KIP-98). That
//!   the markers follow one by one is left out: until the last one, readers of stable offsets wait, and the id takes no new one.
//! * `InitProducerId` aborts what is open under the id and refuses the former producer from then on (KIP-98, KIP-360); so does the
//!   coordinator when a transaction takes too long.
//! * The older protocol, which librdkafka speaks, has no epoch for each transaction: a late `EndTxn` or `TxnOffsetCommit` hits
//!   whatever is open under the same epoch (KIP-890, motivation). A late batch of records is known by its number (KIP-98), and
//!   a partition takes records only into a transaction that its coordinator knows to be open (KIP-890, part 1).
//! * Offsets of a transaction are refused unless the sender is a member of the group's present generation (KIP-447). Which
//!   partitions the member has is not looked at, and metadata without a generation is taken from anybody: both verified on 4.3.1.
//! * The generation stays the present one while the group gathers for the next.
//! * Reading offsets waits for those in open transactions (KIP-447, `require_stable`).
//! * Only a group without members loses its offsets: by expiry (KIP-211), or by an operator (KIP-496, KIP-396).
//!
//! # What is assumed of Postgres
//!
//! * A row's lock is held to the end of its transaction, and a WHERE is evaluated again after the wait for it (documentation of
//!   17, section 13.2.1, read committed); verified by tests of the product.
//! * A COMMIT that was sent takes effect or does not, whoever is there to hear of it; a transaction whose client is gone before
//!   that is rolled back, and so is one whose backend is terminated.
//! * It loses nothing that it confirmed. A database that goes back is the business of `orderstream recover`, not of this model.
//!
//! Left out as well: the content of orders, deadlines (a lane's horizon holds them back, and publishes nothing by itself), batches
//! over several lanes, limits of sizes, and the counters that stop a process which is fenced too often.

pub mod act;
pub mod bounds;
pub mod canon;
pub mod explore;
pub mod heal;
pub mod kafka;
pub mod postgres;
pub mod promise;
pub mod relay;
pub mod state;
pub mod step;
pub mod tell;
#[cfg(test)]
mod tests;
pub mod walk;
pub mod worlds;
