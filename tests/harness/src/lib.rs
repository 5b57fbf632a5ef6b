//! The harness of orderstream: traffic to feed it, a checker that trusts it in nothing, and the stage for its tests.
//!
//! | part | what it is |
//! |---|---|
//! | [`traffic`], [`event`], [`avro`], [`schemas`] | records from a seed, as bytes: pure |
//! | [`hostile`] | records that somebody made who means no good, and what must become of each: pure |
//! | [`produce`], [`simulate`] | records into Kafka |
//! | [`flow`] | the same without an end, until somebody ends it |
//! | [`services`] | who answers commands, at once, late, twice or never |
//! | [`check`] | compares input topics, database and output topics from outside |
//! | [`demo`] | two workers, a SIGKILL, and a report about it |
//! | [`chaos`] | real servers, links and workers broken on schedule, and a verdict |
//! | [`mod@bench`] | how fast the product is, beside what the database alone could do and beside a plain service |
//! | [`rolling`] | workers replaced one after the other, by the same release or another, and what that costs |
//! | [`trial`] | two workers, two SIGKILLs, deadlines, commands, replays, and a verdict |
//! | [`crash`] | workers that end at every crash point, others that go on, and a verdict |
//! | [`mutants`] | the product with one mechanism switched off, and who notices |
//! | [`model`] | the protocol as a small state machine, explored with the product's own decisions |
//! | [`stack`], [`topics`], [`registry`], [`database`], [`stage`] | the servers, and what is made in them |
//! | [`servers`] | brokers, Postgres and a registry of one's own, to be broken |
//! | [`deployment`], [`config_file`], [`worker`], [`watch`], [`wait`] | workers, and waiting for what they do |
//! | [`proxy`] | links to servers that can be hurt: delayed, lossy, slow, held up, torn, reset, cut |
//! | [`http_front`], [`registry_front`] | a registry that something else answers for, and one that does not know some schemas yet |
//! | [`commit_thief`] | Postgres through a line that holds requests back and steals answers |
//! | [`certificates`], [`tls_front`], [`kafka_admin`] | servers that know whom they let in |
//! | [`otlp_receiver`] | a receiver of spans |
//! | [`topic_log`], [`output`], [`positions`] | what stands in Kafka |
//! | [`svg`] | drawings as text: what timelines and plots have in common |
//! | [`usage`] | what a process took of the machine |
//!
//! Of the product it uses the order core, the checks of flat events, the journal's format and the configuration; it decodes,
//! reads and counts by itself. Only [`mod@bench`] also runs the product's decoder, encoder and producer: to measure them.

pub mod avro;
pub mod avro_reader;
pub mod background;
pub mod bench;
pub mod certificates;
pub mod chaos;
pub mod check;
pub mod cli;
pub mod commit_thief;
pub mod config_file;
pub mod crash;
pub mod database;
pub mod demo;
pub mod deployment;
pub mod event;
pub mod flow;
pub mod hostile;
pub mod http_front;
pub mod kafka_admin;
pub mod model;
pub mod mutants;
pub mod otlp_receiver;
pub mod output;
pub mod positions;
pub mod produce;
pub mod progress;
pub mod proxy;
pub mod registry;
pub mod registry_front;
pub mod rolling;
pub mod schemas;
pub mod servers;
pub mod services;
pub mod simulate;
pub mod stack;
pub mod stage;
pub mod svg;
pub mod tls_front;
pub mod topic_log;
pub mod topics;
pub mod traffic;
pub mod trial;
pub mod usage;
pub mod wait;
pub mod watch;
pub mod worker;
