//! A stage under load: traffic that comes meanwhile, and conditions on what the workers make of it.

use std::time::Duration;

use orderstream_harness::flow;
use orderstream_harness::traffic::{Shape, Traffic};
use orderstream_harness::worker::Worker;
use sqlx::Row;
use tokio::task::JoinHandle;

use crate::patience::{self, PATIENCE};
use crate::stage::{Stage, now_micros};

/// Traffic on its way.
pub struct Flow(flow::Flow);

impl Flow {
    /// Ends it, in the middle of many orders, and waits until Kafka has what was sent.
    pub async fn end(self) {
        self.0.end().await.expect("kafka takes the records");
    }
}

impl Stage {
    /// Sends the usual traffic of so many orders, without malformed records, and waits until Kafka has it all.
    pub async fn send(&self, orders: u64, seed: u64) {
        self.load(orders, seed, u32::MAX).await.await.expect("nobody panics");
    }

    /// Sends it with some malformed records in it.
    pub async fn send_flawed(&self, orders: u64, seed: u64) {
        let shape = Shape { malformed: 0.05, ..Shape::usual(orders, seed, now_micros()) };
        self.begin(shape, u32::MAX).await.0.all().await.expect("kafka takes the records");
    }

    /// Sends it meanwhile, at most so many records a second.
    pub async fn load(&self, orders: u64, seed: u64, rate: u32) -> JoinHandle<()> {
        let Flow(flow) = self.start(orders, seed, rate).await;
        tokio::spawn(async { flow.all().await.expect("kafka takes the records") })
    }

    /// Traffic without an end, so many records a second.
    pub async fn flow(&self, seed: u64, rate: u32) -> Flow {
        self.start(u64::MAX, seed, rate).await
    }

    async fn start(&self, orders: u64, seed: u64, rate: u32) -> Flow {
        self.begin(Shape { malformed: 0.0, ..Shape::usual(orders, seed, now_micros()) }, rate).await
    }

    async fn begin(&self, shape: Shape, rate: u32) -> Flow {
        let shape = Shape { in_flight: 200, ..shape };
        Flow(flow::Flow::start(self.producer().await, Traffic::new(shape), rate))
    }

    /// How many journal rows there are: how many parts of batches were committed.
    pub async fn journal_rows(&self) -> i64 {
        self.number("select coalesce(sum(last_seq), 0)::bigint from lanes").await
    }

    /// One number from the database.
    pub async fn number(&self, query: &'static str) -> i64 {
        let mut connection = self.database.connect().await.expect("postgres answers");
        let row = sqlx::query(query).fetch_one(&mut connection).await.expect("the query is right");
        row.try_get(0).expect("one bigint")
    }

    /// Waits until time has nothing more to do: all that is due has fired.
    pub async fn nothing_is_due(&self) {
        let due = "select count(*) from orders where next_deadline < now()";
        self.until("all that is due to fire", async || Ok(self.number(due).await == 0)).await;
    }

    /// Waits until the database has so many journal rows, while these workers must run.
    pub async fn journal_reaches(&self, rows: i64, workers: &mut [&mut Worker]) {
        self.until(&format!("{rows} journal rows"), async || Ok(self.journal_rows().await >= rows)).await;
        for worker in workers {
            worker.must_run().expect("nobody stopped it");
        }
    }

    /// Waits for a condition; when it does not come true, says where the logs are.
    pub async fn until(&self, what: &str, condition: impl AsyncFnMut() -> anyhow::Result<bool>) {
        self.until_within(PATIENCE, what, condition).await;
    }

    /// The same, for so long at most.
    pub async fn until_within(
        &self,
        at_most: Duration,
        what: &str,
        condition: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) {
        self.or_say(patience::until_within(at_most, what, condition).await);
    }

    /// Waits until a worker has ended by itself, which must be with this code and a log that says all of this.
    pub async fn ends(&self, worker: &mut Worker, code: i32, words: &[&str]) {
        let status = self.or_say(worker.wait(PATIENCE).await);
        let log = worker.log().expect("a log");
        assert_eq!(status.code(), Some(code), "{log}");
        words.iter().for_each(|word| assert!(log.contains(word), "`{word}` is not in the log:\n{log}"));
    }

    fn or_say<T>(&self, result: anyhow::Result<T>) -> T {
        result.unwrap_or_else(|error| {
            panic!("{error:#}\nlogs are in {}", self.config_path().with_file_name("").display())
        })
    }
}

/// Adds up the samples of a worker's metrics that begin so: a name, or a name and the first of its labels. Waits until the worker
/// answers; a metric or a label that it does not know is a mistake of the test, and not 0.
pub async fn metric(worker: &Worker, sample: &str) -> f64 {
    let (mut text, what) = (String::new(), format!("the metrics of worker `{}`", worker.name()));
    let answered = patience::until(&what, async || {
        let answer = reqwest::get(format!("http://{}/metrics", worker.metrics())).await?.error_for_status()?;
        text = answer.text().await?;
        Ok(true)
    });
    answered.await.expect("a worker that runs answers");
    let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
    assert!(text.contains(&format!("\n# TYPE {name} ")), "there is no metric `{name}`:\n{text}");
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    let of_it = samples.filter(|rest| match rest.strip_prefix('{') {
        Some(rest) => rest.starts_with(labels),
        None => labels.is_empty() && rest.starts_with(' '),
    });
    let values: Vec<f64> = of_it.filter_map(|rest| rest.rsplit(' ').next()?.parse().ok()).collect();
    // Series whose labels have known values are there from the start.
    assert!(labels.is_empty() || !values.is_empty(), "`{name}` has no such labels as `{labels}`:\n{text}");
    values.iter().sum()
}

/// How many lanes a worker says it has.
pub async fn lanes_of(worker: &Worker) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a number of lanes")]
    let lanes = metric(worker, "orderstream_lanes_owned").await as i32;
    lanes
}
