//! Where an integration test plays: a deployment of its own on the local stack, and workers that are the real program.
//!
//! Invariant: nothing here outlives its test. Workers are ended by their pid, the database and the topics are deleted; after a
//! failure the database stays, so that somebody can look.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use orderstream::ids::Timestamp;
use orderstream_harness::check::{self, Verdict};
use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::database::Database;
use orderstream_harness::deployment::Deployment;
use orderstream_harness::positions;
use orderstream_harness::produce::Producer;
use orderstream_harness::stack::Stack;
use orderstream_harness::topic_log::LogReader;
use orderstream_harness::topics::{self, Layout, Time};
use orderstream_harness::worker::{Program, Worker};
use sqlx::postgres::PgRow;
use sqlx::{Executor, FromRow};

use crate::patience::{self, PATIENCE};

/// How long a worker may take to stop.
pub const GOODBYE: Duration = Duration::from_secs(20);

/// A deployment of one test.
pub struct Stage {
    /// Servers, topics and group.
    pub deployment: Deployment,
    /// Its database.
    pub database: Database,
    /// What its workers are configured with; see [`Stage::configure`].
    pub config: ConfigFile,
    /// The program under test.
    pub program: Program,
    directory: PathBuf,
    /// Whether a worker was ever started.
    has_run: AtomicBool,
}

impl Stage {
    /// A deployment named after the test: topics made, database migrated, schemas registered, no worker running.
    pub async fn new(test: &str, partitions: i32) -> Self {
        Self::on(&local_stack(), test, partitions).await
    }

    /// The same on servers that are not the local stack's.
    pub async fn on(stack: &Stack, test: &str, partitions: i32) -> Self {
        let stage = Self::bare_on(stack, test).await;
        stage.set_up(partitions).await;
        stage
    }

    /// The same with a configuration that differs from the usual one, also in which topics there are.
    pub async fn with(test: &str, partitions: i32, change: impl FnOnce(&mut ConfigFile)) -> Self {
        let mut stage = Self::bare(test).await;
        stage.reconfigure(change);
        stage.set_up(partitions).await;
        stage
    }

    async fn set_up(&self, partitions: i32) {
        // The broker's times let the checker judge what a deadline must have waited for.
        let layout = Layout { partitions, replication: 1, time: Time::OfAppend };
        topics::create(&self.deployment.stack.brokers, &self.deployment.topics, layout).await.expect("topics");
        self.run_command(&["migrate"]);
        self.run_command(&["schema", "register"]);
    }

    /// A database and a configuration, nothing in them yet, no topics.
    pub async fn bare(test: &str) -> Self {
        Self::bare_on(&local_stack(), test).await
    }

    async fn bare_on(stack: &Stack, test: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("it_{}_{number}_{}", std::process::id(), test.chars().take(30).collect::<String>());
        let database = Database::create(stack, &name).await.expect("a database of the test's own");
        let deployment = Deployment::fresh(stack, &name, database.url()).expect("a deployment of the test's own");
        let mut config = ConfigFile::of(&deployment);
        // A test should not wait for what an operator would.
        config.set("registry.unknown_id_grace", "1s");
        config.set("kafka.session_timeout", "6s").set("kafka.heartbeat_interval", "1s");
        let directory = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&directory).expect("a directory for logs");
        // So that what a killed worker leaves goes with the test.
        config.set("worker.heartbeat_directory", directory.to_str().expect("a temporary directory has a plain name"));
        let program = Program::at(env!("CARGO_BIN_EXE_orderstream"));
        let has_run = AtomicBool::new(false);
        let stage = Self { deployment, database, config, program, directory, has_run };
        stage.configure();
        stage
    }

    /// Writes the configuration file anew, after a change of [`Stage::config`]; the next worker reads it.
    pub fn configure(&self) {
        self.config.write(&self.config_path()).expect("the configuration is valid");
    }

    /// Short sessions, so that a worker that vanished is missed soon.
    pub fn with_short_sessions(mut self) -> Self {
        self.config.set("kafka.session_timeout", "2s").set("kafka.heartbeat_interval", "500ms");
        self.configure();
        self
    }

    /// Changes the configuration: the next worker reads it, and the checker judges by it, and by what workers had before.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut ConfigFile)) {
        change(&mut self.config);
        self.configure();
        let after = Deployment::from_file(&self.config).expect("the configuration is valid");
        let before = std::mem::replace(&mut self.deployment, after.clone());
        if self.has_run.load(Ordering::Relaxed) {
            self.deployment = after.after(before, Timestamp(now_micros()));
        }
    }

    /// Where the configuration file is.
    pub fn config_path(&self) -> PathBuf {
        self.directory.join("orderstream.toml")
    }

    /// Where workers log to.
    pub fn logs(&self) -> PathBuf {
        self.directory.clone()
    }

    /// Runs a command to its end, which must be a good one. Returns what it printed.
    pub fn run_command(&self, arguments: &[&str]) -> String {
        self.program.run(&self.config_path(), arguments).expect("the command succeeds")
    }

    /// Starts a worker; its log is `<name>.log` in the test's directory.
    pub fn worker(&self, name: &str) -> Worker {
        self.has_run.store(true, Ordering::Relaxed);
        self.program.start(&self.config_path(), name, &self.directory).expect("a worker starts")
    }

    /// Starts a worker that is configured differently from the others.
    pub fn worker_with(&self, name: &str, change: impl FnOnce(&mut ConfigFile)) -> Worker {
        self.has_run.store(true, Ordering::Relaxed);
        let mut config = self.config.clone();
        change(&mut config);
        let path = self.directory.join(format!("{name}.toml"));
        config.write(&path).expect("the configuration is valid");
        self.program.start(&path, name, &self.directory).expect("a worker starts")
    }

    /// A producer for the input topics.
    pub async fn producer(&self) -> Producer {
        Producer::open(&self.deployment.stack, &self.deployment.topics).await.expect("a producer")
    }

    /// Waits until everything that went in is applied, what was due by then is worked off, and all of it is published.
    pub async fn all_published(&self) {
        self.all_published_within(PATIENCE).await;
    }

    /// The same, for so long at most.
    pub async fn all_published_within(&self, at_most: Duration) {
        patience::until_within(at_most, "all input to be applied and published", async || {
            Ok(positions::lag(&self.deployment)? == 0 && self.is_at_rest().await?)
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}\nlogs are in {}", self.directory.display()));
    }

    /// Whether nothing is overdue, and Kafka has every row of the journal.
    async fn is_at_rest(&self) -> anyhow::Result<bool> {
        let mut connection = self.database.connect().await?;
        let overdue = sqlx::query_scalar::<_, i64>("select count(*) from orders where next_deadline < now()");
        Ok(overdue.fetch_one(&mut connection).await? == 0 && self.is_published().await?)
    }

    /// Whether Kafka has every row of the journal.
    pub async fn is_published(&self) -> anyhow::Result<bool> {
        let mut connection = self.database.connect().await?;
        let written = sqlx::query_as::<_, (i32, i64)>("select lane, last_seq from lanes where last_seq > 0");
        let written = written.fetch_all(&mut connection).await?;
        let published = positions::published(&self.deployment)?;
        Ok(written.iter().all(|(lane, last)| published.get(lane).is_some_and(|seq| seq >= last)))
    }

    /// Whether a transaction is open on an output topic.
    pub fn has_open_transaction(&self) -> anyhow::Result<bool> {
        let log = LogReader::on(&self.deployment.stack.brokers)?;
        for topic in self.deployment.topics.outputs() {
            for partition in log.partitions(topic)? {
                if log.has_open_transaction(&partition)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Rows from the database.
    pub async fn rows<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(&self, query: &'static str) -> Vec<T> {
        let mut connection = self.database.connect().await.expect("postgres answers");
        sqlx::query_as(query).fetch_all(&mut connection).await.expect("the query is right")
    }

    /// Changes something in the database.
    pub async fn execute(&self, statement: &'static str) {
        let mut connection = self.database.connect().await.expect("postgres answers");
        connection.execute(statement).await.expect("the statement is right");
    }

    /// Checks everything from outside: nothing lost, nothing doubled, nothing mismatched.
    pub async fn check(&self) -> Verdict {
        let verdict = check::check(&self.deployment).await.expect("the checker can read everything");
        assert!(verdict.is_good(), "{}\nlogs are in {}", verdict.text(), self.directory.display());
        verdict
    }

    /// Ends the test in good order: the workers live and stop when they are asked to, and everything is checked.
    pub async fn finish<const N: usize>(self, workers: [Worker; N]) {
        for mut worker in workers {
            worker.must_run().expect("nobody stopped it");
            worker.stop(GOODBYE).await.expect("a good end");
        }
        self.check().await;
        self.strike().await;
    }

    /// Ends the test: what it made is deleted.
    pub async fn strike(self) {
        let deployment = &self.deployment;
        let names: Vec<&str> =
            deployment.topics.inputs().map(|(_, name)| name).chain(deployment.topics.outputs()).collect();
        topics::delete(&deployment.stack.brokers, &names).await.expect("topics are deleted");
        self.database.drop().await.expect("the database is dropped");
        std::fs::remove_dir_all(&self.directory).expect("the directory is removed");
    }
}

/// The servers of `make up`.
pub fn local_stack() -> Stack {
    Stack::from_env().expect("the local stack: run `make up`, then `. target/stack/env`")
}

/// The time now.
pub fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
