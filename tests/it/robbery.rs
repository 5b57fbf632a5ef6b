//! A worker that reaches Postgres by way of a thief and is held in a transaction: what becomes of a COMMIT without an answer.

use orderstream_harness::commit_thief::CommitThief;
use orderstream_harness::worker::Worker;

use crate::company;
use crate::holds::{Holds, Step};
use crate::stage::{GOODBYE, Stage};
use crate::under_load::{Flow, metric};

/// One worker, whose sessions are robbed, held at a step.
pub struct Robbery {
    /// Where it plays.
    pub stage: Stage,
    /// What holds it.
    pub holds: Holds,
    /// Who robs it.
    pub thief: CommitThief,
    /// Who is robbed.
    pub worker: Worker,
    held_at: Step,
}

impl Robbery {
    /// Of the only writer, with its first batch.
    pub async fn of(test: &str, step: Step) -> Self {
        let (stage, thief, mut holds) = scene(test, 1).await;
        stage.send(60, 52).await;
        holds.hold(step).await;
        let worker = stage.worker("robbed");
        let robbery = Self { stage, holds, thief, worker, held_at: step };
        robbery.stage.until("the writer to be held", async || Ok(robbery.holds.waiting(step).await > 0)).await;
        robbery
    }

    /// Of four writers with a lane each, one of them with a batch that has lanes of others in it. Returns these lanes, and what goes
    /// on coming.
    pub async fn in_company(test: &str, step: Step) -> (Self, Vec<i32>, Flow) {
        let (stage, thief, mut holds) = scene(test, 4).await;
        let flow = stage.flow(54, 400).await;
        let worker = stage.worker("robbed");
        let lanes = company::hold(&stage, &mut holds, step).await;
        (Self { stage, holds, thief, worker, held_at: step }, lanes, flow)
    }

    /// Lets the writer send its COMMIT, and keeps that from arriving.
    pub async fn hold_the_commit(&mut self) {
        self.thief.hold_requests();
        self.holds.let_go(self.held_at).await;
        let commit = || Ok(String::from_utf8_lossy(&self.thief.held()).contains("commit"));
        self.stage.until("the COMMIT to be sent", async || commit()).await;
    }

    /// Waits until a writer, on a new connection, asks what became of its transaction and has to wait for the answer.
    pub async fn wait_for_the_question(&self) {
        let waiting = "select count(*) from pg_stat_activity
                        where datname = current_database() and application_name like '%/writer-%'
                          and query like 'select lane, epoch, tenure, last_seq from lanes%' and wait_event_type = 'Lock'";
        self.stage.until("a writer to ask and wait", async || Ok(self.stage.number(waiting).await > 0)).await;
    }

    /// Ends the sessions whose COMMIT is under way, so that it fails.
    pub async fn have_the_commit_fail(&self) {
        let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                      where datname = current_database() and query = 'commit' and state = 'active'";
        assert!(self.stage.number(ended).await > 0);
    }

    /// Everything is applied and published once, and the robbed worker is still the same.
    pub async fn end(mut self) {
        self.stage.all_published().await;
        self.stage.send(60, 53).await;
        self.stage.all_published().await;
        self.worker.must_run().expect("nobody stopped it");
        let fenced = metric(&self.worker, "orderstream_fenced_transactions_total").await;
        assert_eq!(fenced, 0.0, "it lost nothing to anybody");
        self.worker.stop(GOODBYE).await.expect("exit code 0");
        self.stage.check().await;
        self.stage.strike().await;
    }
}

/// Four lanes, and so many writers, once there is a worker; what is held ends when it is let go, delivered or lost, and by no limit of
/// a session.
async fn scene(test: &str, writers: i32) -> (Stage, CommitThief, Holds) {
    let mut stage = Stage::new(test, 4).await.with_short_sessions();
    let thief = CommitThief::before(stage.database.url()).await.expect("a line");
    stage.config.set("worker.writers", writers).set("database.url", thief.url());
    stage.config.set("database.idle_in_transaction_timeout", "5m");
    stage.config.set("database.lock_timeout", "5m").set("database.statement_timeout", "5m");
    stage.configure();
    let holds = Holds::in_database(&stage.database).await;
    (stage, thief, holds)
}
