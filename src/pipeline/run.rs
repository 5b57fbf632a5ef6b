//! A worker from its first look at the servers to its last word to the group.
//!
//! ```text
//! poll thread ──records──▶ writers (tasks) ──chunks──▶ relay thread
//!      └── tenures open and close, in order with the records ──┘
//! ```
//!
//! Invariant: the poll thread ends first, inside its last revoke; then the writers, then the relay. Nobody outlives whom it feeds.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use super::census;
use super::decide::Rules;
use super::handover::{self, LaneOwner, Tenures};
use super::journal_reader::JournalReader;
use super::lookout::Lookout;
use super::process::{self, Process};
use super::start::{self, Found, Refusal};
use super::topic_watch::TopicWatch;
use super::upkeep::{self, Upkeep};
use super::watchdog;
use super::writer::Writer;
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::consume::access::Access;
use crate::consume::client::{self, MAX_POLL_INTERVAL};
use crate::consume::poll::Poller;
use crate::consume::rebalance::Handover;
use crate::consume::room::Room;
use crate::consume::tenure::End;
use crate::consume::watermarks::Watermarks;
use crate::crash::{self, Point};
use crate::decode::{self, Decoder, Registry};
use crate::heartbeat;
use crate::heartbeat::pulse::{Limits, Pulse};
use crate::heartbeat::writer::Beating;
use crate::ids::Lane;
use crate::persist;
use crate::publish::cloud_events::CloudEvents;
use crate::publish::encode::Encoder;
use crate::publish::inbox::{Setup, ToRelay};
use crate::publish::producer;
use crate::publish::relay::Relay;
use crate::shutdown::Shutdown;
use crate::telemetry::exporter::Exporter;
use crate::telemetry::tracer::Tracer;

/// How long the last spans may take to be pushed when all else is done; less where a shutdown has less time left.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Runs a worker until it is asked to stop or cannot go on.
pub async fn run(config: Arc<Config>, shutdown: Shutdown) -> Exit {
    match work(&config, &shutdown).await {
        Ok(()) => shutdown.exit(),
        Err(None) => shutdown.exit(),
        Err(Some(refusal)) => {
            shutdown.stop(refusal.exit, refusal.text);
            shutdown.exit()
        }
    }
}

async fn work(config: &Arc<Config>, shutdown: &Shutdown) -> Result<(), Option<Refusal>> {
    let (pulse, tenures) = (Arc::new(Pulse::new(limits(config))), Tenures::default());
    let lanes = {
        let (pulse, tenures) = (pulse.clone(), tenures.clone());
        move || lanes(&tenures, &pulse)
    };
    // Written until everything below has ended, however it does.
    let beating = Beating::start(config, pulse.clone(), shutdown.clone(), lanes);
    let _beating = beating.map_err(|error| no_thread("heartbeat", &error))?;
    let instance = config.kafka.instance.clone().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let misconfigured = |text: String| Some(Refusal { exit: Exit::Config, text });
    let database =
        persist::Settings::of(&config.database, &instance).map_err(|error| misconfigured(error.to_string()))?;
    let registry =
        Registry::new(decode::Access::from(&config.registry)).map_err(|error| misconfigured(error.to_string()))?;
    let observer = start::observer(config, &instance)?;
    let found = start::look(config, &database, &registry, &observer, shutdown).await?;
    crash::at(Point::StartSettled);
    let transactional_id = format!("{}-{instance}", config.kafka.group);
    let producer = producer::Settings::new(&config.kafka, &instance, config.worker.emitted_record_max_bytes);
    let opened = start::producer(config, &producer, &transactional_id, shutdown).await?;
    crash::at(Point::ProducerOpened);
    tracing::info!(transactional_id, lanes = found.identity.lane_count, database = %found.database_id, "ready to join the group");

    let exporter = Exporter::start(&config.telemetry, &instance).map_err(misconfigured)?;
    let (spans, exporter) = exporter.unzip();
    let (relay_inbox, relay_outlet) = crossbeam_channel::unbounded();
    let decoder = Decoder::new(registry, config.registry.cache_capacity, config.worker.record_max_bytes)
        .reading(config.topics.formats());
    let process = Arc::new(Process::new(
        process::Parts {
            database: database.clone(),
            rules: rules(config, &found),
            decoder,
            relay: relay_inbox.clone(),
            spans: spans.clone(),
            transactional_id: transactional_id.clone(),
            shutdown: shutdown.clone(),
            pulse: pulse.clone(),
            clock: found.clock,
        },
        &config.worker,
        config.registry.unknown_id_grace,
    ));
    let setup = Setup {
        producer,
        transactional_id: transactional_id.clone(),
        observer: start::observer(config, &instance)?,
        topics: start::input_topics(config),
        status_topic: config.topics.status.clone(),
        dead_letter_topic: config.topics.dead_letter.clone(),
        database: found.database_id,
        journal: Box::new(JournalReader::new(database.clone(), tokio::runtime::Handle::current())),
        spans,
        shutdown: shutdown.clone(),
        pulse: pulse.clone(),
    };
    let relay = spawn("relay", move || Relay::new(setup, relay_outlet, opened).run())?;
    let (mut channels, mut writers) = (Vec::new(), Vec::new());
    for number in 0..config.worker.writers {
        let (channel, inbox) = unbounded_channel();
        channels.push(channel);
        writers.push(tokio::spawn(Writer::new(process.clone(), number, inbox).run()));
    }
    let watermarks =
        Watermarks::open(&config.kafka, &instance).map_err(|error| misconfigured(client::unusable(&error)))?;
    let lookout = Lookout {
        process: process.clone(),
        writers: channels.clone(),
        tenures: tenures.clone(),
        watermarks: Arc::new(Mutex::new(watermarks)),
    };
    let owner = LaneOwner::new(handover::Parts {
        process: process.clone(),
        writers: channels,
        transactional_id,
        identity: found.identity.clone(),
        observer,
        drain_timeout: config.worker.drain_timeout,
        tenures: tenures.clone(),
    });
    let handover = Handover::new(start::input_topics(config), Box::new(owner), Access::of(&config.kafka));
    let partitions = usize::try_from(found.identity.lane_count).unwrap_or_default() * handover.topics().len();
    let consumer = client::join(&config.kafka, &instance, partitions, handover)
        .map_err(|error| misconfigured(client::unusable(&error)))?;
    let room = Room { records: config.worker.lane_queue_records, bytes: config.worker.lane_queue_bytes };
    let poller = {
        let process = process.clone();
        spawn("poll", move || {
            Poller::new(consumer, room, &process.rejoin, &process.shutdown).with_pulse(&process.pulse).run();
        })?
    };
    pulse.set_started();
    let census = tokio::spawn(census::keep(database.clone()));
    let lookout = tokio::spawn(lookout.keep());
    let topic_watch = TopicWatch { config: config.clone(), process: process.clone(), identity: found.identity };
    let topic_watch = tokio::spawn(topic_watch.keep());
    let upkeep = Upkeep { config: config.clone(), database, database_id: found.database_id };
    let upkeep = tokio::spawn(upkeep::keep(upkeep));
    let watchdog = tokio::spawn(watchdog::watch(process.clone(), tenures));

    shutdown.requested().await;
    let until = Instant::now() + config.worker.shutdown_timeout;
    crash::at(Point::ShutdownRequested);
    // Holds a way to the writers, who end when nobody can send any more.
    lookout.abort();
    let _ = lookout.await;
    join(poller).await;
    crash::at(Point::ShutdownLeft);
    for writer in writers {
        let _ = writer.await;
    }
    crash::at(Point::ShutdownWritten);
    let _ = relay_inbox.send(ToRelay::Stop);
    join(relay).await;
    crash::at(Point::ShutdownRelayed);
    if let Some(exporter) = exporter {
        exporter.finish(for_last_spans(until.saturating_duration_since(Instant::now()))).await;
    }
    census.abort();
    upkeep.abort();
    topic_watch.abort();
    watchdog.abort();
    Ok(())
}

/// How long the last spans may take where a shutdown has so much time left: half of it stays for what ends behind them.
fn for_last_spans(left: Duration) -> Duration {
    (left / 2).min(LAST_SPANS)
}

fn rules(config: &Config, found: &Found) -> Rules {
    Rules {
        policy: config.order_policy(),
        topics: start::input_topics(config),
        status_topic: config.topics.status.as_str().into(),
        command_topic: config.topics.command.as_deref().map(Arc::from),
        dead_letter_topic: config.topics.dead_letter.as_deref().map(Arc::from),
        encoder: Encoder::new(found.status_schema, found.command_schema),
        tracer: Tracer::of(config, found.database_id),
        cloud_events: config.topics.cloud_events_source.as_deref().map(CloudEvents::from_source),
        emitted_record_max_bytes: config.worker.emitted_record_max_bytes,
        emit_max_bytes: config.worker.emit_max_bytes,
        facts_per_order: config.worker.facts_per_order,
    }
}

fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, Option<Refusal>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| no_thread(name, &error))
}

fn no_thread(name: &str, error: &std::io::Error) -> Option<Refusal> {
    Some(Refusal { exit: Exit::Unavailable, text: format!("the system gives no thread for `{name}`: {error}") })
}

/// How long each part may take to come round before it counts as hanging.
fn limits(config: &Config) -> Limits {
    Limits {
        poll: MAX_POLL_INTERVAL,
        // A transaction that times out, the one that ends it, and the pause between.
        relay: config.kafka.transaction_timeout * 2 + watchdog::PATIENCE,
        tasks: watchdog::PATIENCE,
    }
}

/// The lanes as the heartbeat tells them.
fn lanes(tenures: &Tenures, pulse: &Pulse) -> Vec<heartbeat::Lane> {
    let lane = |(lane, ended): (Lane, Option<End>)| heartbeat::Lane {
        lane: lane.0,
        waits_ms: u64::try_from(pulse.waits(lane).as_millis()).unwrap_or(u64::MAX),
        ended: ended.map(|end| end.as_str().to_owned()),
    };
    tenures.lanes().into_iter().map(lane).collect()
}

/// Waits for a thread without blocking the runtime that it may still need.
async fn join(thread: std::thread::JoinHandle<()>) {
    let _ = tokio::task::spawn_blocking(move || thread.join()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::capture::Capture;
    use crate::consume::inlet::{Opening, ToWriter};
    use crate::consume::tenure::Tenure;
    use crate::ids::{Epoch, SchemaId, Seq, TenureId, Timestamp};
    use crate::persist::deployment::Identity;
    use crate::persist::{DatabaseClock, connection, silent};
    use crate::pipeline::commit::Session;

    #[test]
    fn the_last_spans_take_two_seconds_at_most_and_never_all_that_a_shutdown_has_left() {
        let given = [Duration::from_secs(60), Duration::from_secs(4), Duration::from_secs(1), Duration::ZERO];
        assert_eq!(given.map(|left| for_last_spans(left).as_millis()), [2_000, 2_000, 500, 0]);
    }

    #[tokio::test]
    async fn a_writer_that_cannot_note_what_is_published_holds_the_relay_back() {
        let config = silent::config();
        let database = persist::Settings::of(&config.database, "test").expect("a URL");
        let connection = connection::connect(&database, "writer-0").await.expect("it lets us in");
        let identity = Identity {
            kafka_cluster_id: "cluster".to_owned(),
            group: config.kafka.group.clone(),
            topics: Vec::new(),
            lane_count: 1,
        };
        let found = Found {
            database_id: uuid::Uuid::nil(),
            clock: DatabaseClock::at(Timestamp(0)),
            identity,
            status_schema: SchemaId(1),
            command_schema: None,
        };
        let registry = Registry::new(decode::Access::from(&config.registry)).expect("a URL");
        let parts = process::Parts {
            database,
            rules: rules(&config, &found),
            decoder: Decoder::new(registry, 1, 1),
            relay: crossbeam_channel::unbounded().0,
            spans: None,
            transactional_id: "orders-test".to_owned(),
            shutdown: Shutdown::new(),
            pulse: Arc::new(Pulse::new(limits(&config))),
            clock: found.clock,
        };
        let mut process = Process::new(parts, &config.worker, Duration::ZERO);
        (process.answer_timeout, process.idle_flush) = (Duration::from_millis(20), Duration::from_millis(1));
        let (channel, inbox) = unbounded_channel();
        let mut writer = Writer::new(Arc::new(process), 0, inbox);
        writer.session = Some(Session { connection });
        let claim = (Epoch(1), TenureId::random());
        let tenure = Arc::new(Tenure::open(Lane(0), claim, Arc::new(Capture::of_nobody()), Seq(0)));
        let opening = Opening { tenure: tenure.clone(), last_seq: Seq(1), checkpoints: Vec::new() };
        channel.send(ToWriter::Open(opening)).expect("the writer listens");
        let running = tokio::spawn(writer.run());
        let doubted = tokio::time::timeout(Duration::from_secs(30), async {
            while !tenure.is_in_doubt() {
                // Once the lane is open, this is news to it.
                tenure.set_published(tenure.published().next());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        doubted.await.expect("the relay is held back");
        running.abort();
    }
}
