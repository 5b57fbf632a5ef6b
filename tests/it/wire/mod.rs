//! Requests and answers of the Kafka protocol that are late, repeated or lost: nothing of a former life touches a later transaction.
//!
//! A broker of its own whose advertised address is a wire (`proxy::kafka`) to it; workers go through the wire, the checker does not.
//! Invariant: each schedule says by the wire's record that it happened, and what the broker answered to what came late.

mod danger;
mod former_life;
mod going_on;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use orderstream_harness::proxy::kafka::{Action, Api, Request, Rule, Wire};
use orderstream_harness::servers::{Cluster, Listener, Plan};
use orderstream_harness::stack::Stack;
use orderstream_harness::worker::Worker;

use crate::stage::{GOODBYE, Stage, local_stack};
use crate::under_load::{Flow, lanes_of, metric};

const LANES: i32 = 4;

/// What a transaction of the relay asks for, in the order in which it does.
const OF_A_TRANSACTION: [Api; 5] =
    [Api::AddPartitionsToTxn, Api::Produce, Api::AddOffsetsToTxn, Api::TxnOffsetCommit, Api::EndTxn];

/// What a broker answers to a producer whose transactional id was taken over: `INVALID_PRODUCER_EPOCH`, `PRODUCER_FENCED`; and to
/// one that writes to a partition that no open transaction of its has: `INVALID_TXN_STATE`.
const FENCED: [i16; 3] = [47, 90, 48];

/// A broker behind a wire, for all tests that run at the same time.
struct Wired {
    wire: Wire,
    cluster: Option<Cluster>,
    directory: PathBuf,
}

impl Wired {
    /// The one that others use now, or a new one.
    async fn broker() -> Arc<Self> {
        static PRESENT: tokio::sync::Mutex<Weak<Wired>> = tokio::sync::Mutex::const_new(Weak::new());
        let mut present = PRESENT.lock().await;
        if let Some(wired) = present.upgrade() {
            return wired;
        }
        let wired = Arc::new(Self::start().await);
        *present = Arc::downgrade(&wired);
        wired
    }

    async fn start() -> Self {
        let directory =
            std::env::temp_dir().join(format!("it_wire_{}_{}", std::process::id(), crate::stage::now_micros()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let made = Arc::new(OnceLock::new());
        let place = made.clone();
        let mut plan = Plan::single();
        plan.listeners.push(Listener::plain("WIRED").advertising(move |_, broker| {
            let wire = Wire::to(&broker.to_string())?;
            let address = wire.address().to_string();
            place.set(wire).expect("there is one broker");
            Ok(address)
        }));
        let cluster = Cluster::start(&directory, plan).await.expect("a broker");
        let wire = Arc::into_inner(made).and_then(OnceLock::into_inner).expect("the plan is gone, and made a wire");
        Self { wire, cluster: Some(cluster), directory }
    }

    /// A stage whose workers go through the wire.
    async fn stage(&self, test: &str) -> Stage {
        let brokers = self.cluster.as_ref().expect("it runs").bootstrap("CLIENTS").expect("a listener");
        let stack = Stack { brokers, ..local_stack() };
        let mut stage = Stage::on(&stack, test, LANES).await.with_short_sessions();
        stage.config.set("kafka.brokers", self.wire.address().to_string());
        // So long that nobody ends a transaction because of its age, which would refuse what comes late as well.
        stage.config.set("kafka.transaction_timeout", "10m");
        stage.configure();
        stage
    }

    /// Does this to the next request of a kind that a worker of the stage sends in a transaction; an `EndTxn` is one that commits.
    fn next(&self, stage: &Stage, api: Api, action: Action) -> Rule {
        let group = stage.deployment.group.clone();
        let catches = move |request: &Request| {
            request.api == api && request.transactional_id.starts_with(&group) && request.commits != Some(false)
        };
        self.wire.rule(1, catches, action)
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        drop(self.cluster.take());
        // After a failure somebody may look; else what is left of it is of no use.
        if !std::thread::panicking() {
            _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Waits until a rule has caught something.
async fn caught(stage: &Stage, rule: &Rule) -> Request {
    stage.until(&format!("a request for {rule:?}"), async || Ok(!rule.caught().is_empty())).await;
    rule.caught().remove(0)
}

/// Waits until the broker has answered what a rule caught, or its copy.
async fn answered(stage: &Stage, rule: &Rule) -> i16 {
    stage.until(&format!("an answer for {rule:?}"), async || Ok(!rule.errors().is_empty())).await;
    rule.errors()[0]
}

/// Waits until a worker has committed one more transaction.
async fn publishes(stage: &Stage, worker: &Worker) {
    let before = published(worker).await;
    stage.until("a transaction more", async || Ok(published(worker).await > before)).await;
}

async fn published(worker: &Worker) -> f64 {
    metric(worker, "orderstream_records_published_total").await
}

/// Lets something that was held arrive in the middle of a later transaction of a worker that goes on: behind its records, and for
/// late offsets behind its offsets too. Says what the broker answered, and the producer's epoch of that later transaction.
async fn arrives_in_the_midst(wired: &Wired, stage: &Stage, late: &Rule) -> (i16, i16) {
    let api = late.caught()[0].api;
    let midst = if api == Api::TxnOffsetCommit { Api::EndTxn } else { Api::TxnOffsetCommit };
    let later = wired.next(stage, midst, Action::Hold);
    let epoch = caught(stage, &later).await.epoch;
    late.release();
    let answer = answered(stage, late).await;
    later.release();
    (answer, epoch)
}

/// Waits until all is published, and checks everything from outside.
async fn all_is_well(stage: Stage, workers: Vec<Worker>) {
    stage.all_published().await;
    for mut worker in workers {
        worker.must_run().expect("nobody stopped it");
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    let verdict = stage.check().await;
    assert!(verdict.totals.orders > 0, "{}", verdict.text());
    stage.strike().await;
}
