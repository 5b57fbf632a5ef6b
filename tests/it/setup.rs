//! What a worker makes sure of before it reads a record: wrong set-ups are refused with a sentence, absent servers waited for.

use std::net::TcpListener;

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::produce::Producer;
use orderstream_harness::proxy::Link;
use orderstream_harness::topics::{self, Input, Layout};
use orderstream_harness::worker::Worker;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};

use super::events::{captured, sound};
use super::patience;
use super::stage::{GOODBYE, Stage};
use super::under_load::metric;

/// Wrong configuration, or something else that a person has to set up.
const CONFIG: i32 = 78;
/// Something that is needed at the start is not to be had.
const UNAVAILABLE: i32 = 69;

/// Makes topics of these numbers of partitions, in the order payment, inventory, shipping, order, status, dead letters.
async fn make_topics(stage: &Stage, partitions: [i32; 6]) {
    let topics = &stage.deployment.topics;
    let names = topics.inputs().map(|(_, name)| name).chain(topics.outputs());
    let wanted: Vec<(&str, i32)> = names.zip(partitions).filter(|(_, partitions)| *partitions > 0).collect();
    topics::create_named(&stage.deployment.stack.brokers, &wanted, 1).await.expect("topics");
}

/// Waits until a worker has said something.
async fn says(worker: &mut Worker, word: &str) {
    patience::until(&format!("the worker to say `{word}`"), async || {
        worker.must_run()?;
        Ok(worker.log()?.contains(word))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log().unwrap_or_default()));
}

#[tokio::test]
async fn unequal_partition_counts_are_refused_with_both_numbers() {
    let stage = Stage::bare("unequal").await;
    make_topics(&stage, [2, 2, 3, 2, 2, 1]).await;
    let names = &stage.deployment.topics;
    let sentence = format!(
        "topic `{}` has 3 partitions but `{}` has 2: give all input topics the same number",
        names.shipping, names.payment
    );
    stage.ends(&mut stage.worker("w"), CONFIG, &[&sentence]).await;
    stage.strike().await;
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_refused_by_its_name() {
    for (missing, partitions) in [(2, [1, 1, 0, 1, 1, 1]), (4, [1, 1, 1, 1, 0, 1]), (5, [1, 1, 1, 1, 1, 0])] {
        let stage = Stage::bare("missing").await;
        make_topics(&stage, partitions).await;
        let topics = &stage.deployment.topics;
        let name = topics.inputs().map(|(_, name)| name).chain(topics.outputs()).nth(missing).expect("six topics");
        let sentence = format!("topic `{name}` does not exist: create it, or correct its name in [topics]");
        stage.ends(&mut stage.worker("w"), CONFIG, &[&sentence]).await;
        stage.strike().await;
    }
}

#[tokio::test]
async fn an_output_topic_that_takes_less_than_we_may_publish_is_refused_with_both_limits() {
    let stage = Stage::bare("small_topic").await;
    let status = &stage.deployment.topics.status;
    let small = NewTopic::new(status, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "20000");
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("a client");
    let made = admin.create_topics([&small], &AdminOptions::new()).await.expect("kafka answers");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    make_topics(&stage, [1, 1, 1, 1, 1, 1]).await;
    stage.run_command(&["migrate"]);
    stage.run_command(&["schema", "register"]);
    // Found later, it is a record that no transaction can carry, and its lane stands still.
    let words = [status.as_str(), "20000", "1000000", "worker.emitted_record_max_bytes"];
    stage.ends(&mut stage.worker("w"), CONFIG, &words).await;
    stage.strike().await;
}

#[tokio::test]
async fn what_was_not_prepared_is_refused_with_the_command_that_prepares_it() {
    let mut stage = Stage::bare("unprepared").await;
    make_topics(&stage, [1, 1, 1, 1, 1, 1]).await;
    stage.ends(&mut stage.worker("unmigrated"), CONFIG, &["run `orderstream migrate`"]).await;
    stage.run_command(&["migrate"]);
    stage.ends(&mut stage.worker("unregistered"), CONFIG, &["run `orderstream schema register`"]).await;
    stage.reconfigure(|config| {
        config.set("registry.register_on_start", true);
    });
    let mut worker = stage.worker("registers");
    says(&mut worker, "lanes taken over").await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn a_database_belongs_to_one_group_and_one_set_of_topics() {
    let mut stage = Stage::new("two_groups", 1).await;
    let mut worker = stage.worker("first");
    says(&mut worker, "lanes taken over").await;
    let group = stage.deployment.group.clone();
    let other = |config: &mut ConfigFile| {
        config.set("kafka.group", "somebody-elses");
    };
    // The first one still works: two groups would apply every record twice.
    let sentence = format!("this database belongs to the consumer group `{group}` and not to `somebody-elses`");
    stage.ends(&mut stage.worker_with("second", other), CONFIG, &[&sentence]).await;
    worker.must_run().expect("the first is not disturbed");
    worker.stop(GOODBYE).await.expect("a good end");
    stage.reconfigure(|config| {
        config.unset("topics.order");
    });
    let words = ["this database was filled from the input topics", "cannot be taken away", "set `topics.order` to"];
    stage.ends(&mut stage.worker("third"), CONFIG, &words).await;
    stage.strike().await;
}

#[tokio::test]
async fn a_server_that_forgets_what_it_confirmed_is_refused() {
    let stage = Stage::new("fsync", 1).await;
    // The stack's server is everybody's and durable: in this database it only says that it is not.
    stage
        .execute(
            "create function current_setting(text) returns text language sql stable as
                 $$ select case $1 when 'fsync' then 'off' else pg_catalog.current_setting($1) end $$;
             do $$ begin
                 execute format('alter database %I set search_path = public, pg_catalog', current_database());
             end $$;",
        )
        .await;
    stage.ends(&mut stage.worker("w"), CONFIG, &["postgres runs with fsync = `off`", "set fsync = on"]).await;
    stage.strike().await;
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_configuration_is_said_at_once() {
    let mut stage = Stage::bare("wrong_config").await;
    stage.config.set("worker.writers", 65).set("worker.batch_max_record", 5).set("worker.drain_timeout", "soon");
    stage.config.set("kafka.properties", toml::Table::from_iter([("enable.auto.commit".to_owned(), "true".into())]));
    stage.config.set("topics.payment", stage.deployment.topics.shipping.as_str());
    stage.configure();
    let words = [
        "5 problems in the configuration",
        "worker.writers = `65`: write a whole number from 1 to 64",
        "`batch_max_record` is not a setting of [worker]; did you mean `batch_max_records`?",
        "worker.drain_timeout = `soon`",
        "enable.auto.commit",
        "topics.payment and topics.shipping are both",
    ];
    stage.ends(&mut stage.worker("w"), CONFIG, &words).await;
    let check = stage.program.output(&stage.config_path(), &["config", "check"]).expect("it runs");
    let said = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(CONFIG));
    words.iter().for_each(|word| assert!(said.contains(word), "`{word}` is not in:\n{said}"));
    let check = stage.program.output(&stage.config_path(), &["config", "check", "-o", "json"]).expect("it runs");
    let told: serde_json::Value = serde_json::from_slice(&check.stdout).expect("JSON");
    assert_eq!((check.status.code(), &told["ok"]), (Some(CONFIG), &false.into()), "{told}");
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(5), "{told}");
    assert!(check.stderr.is_empty(), "a program is told once");
    stage.strike().await;
}

#[tokio::test]
async fn a_metrics_port_that_is_taken_is_named() {
    let stage = Stage::bare("port_taken").await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let config = stage.config_path();
    let logs = config.parent().expect("a file is in a folder");
    let mut worker = stage.program.start_at(&config, "w", logs, address).expect("it starts");
    let sentence = format!("metrics.listen = `{address}` cannot be listened on");
    stage.ends(&mut worker, UNAVAILABLE, &[&sentence]).await;
    let log = worker.log().expect("a log");
    assert!(!log.contains("trying again") && !log.contains("gave up"), "a port is no server that comes back:\n{log}");
    stage.strike().await;
}

#[tokio::test]
async fn a_registry_or_database_that_is_away_at_the_start_is_waited_for() {
    let mut stage = Stage::new("away_at_start", 1).await;
    let (registry, registry_url) = Link::in_place_of(&stage.deployment.stack.registry).expect("a link");
    let (database, database_url) = Link::in_place_of(stage.database.url()).expect("a link");
    stage.config.set("registry.url", registry_url).set("database.url", database_url);
    stage.configure();
    registry.cut();
    database.cut();
    let mut worker = stage.worker("w");
    says(&mut worker, "cause=\"database\"").await;
    database.mend();
    says(&mut worker, "cause=\"registry\"").await;
    registry.mend();
    let mut producer = stage.producer().await;
    producer.send_json(&captured("ord-1", "cap-1")).expect("an event");
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn a_registry_that_goes_away_holds_up_the_lane_that_needs_it_and_no_other() {
    let mut stage = Stage::with("registry_away", 2, |config| {
        // One writer for both lanes: they share everything but the wait.
        config.set("worker.writers", 1);
    })
    .await;
    let (registry, url) = Link::in_place_of(&stage.deployment.stack.registry).expect("a link");
    stage.config.set("registry.url", url);
    stage.configure();
    let mut worker = stage.worker("w");
    let mut producer = stage.producer().await;
    let [held, free] = orders_of_two_lanes(&stage, &mut producer).await;

    registry.cut();
    // The schema of inventory events was never asked for.
    producer.send_json(&sound(Input::Inventory, &held)).expect("an event");
    producer.flush().expect("kafka has it");
    says(&mut worker, "looking a schema up, trying again").await;
    for capture in 2..6 {
        producer.send_json(&captured(&free, &format!("cap-{capture}"))).expect("an event");
    }
    producer.flush().expect("kafka has it");
    stage.until("the other lane to go on", async || Ok(captured_minor(&stage, &free).await == 2_500)).await;
    // The wait is the registry's fault and no record's.
    assert_eq!(stage.number("select count(*) from dead_letters").await, 0);
    assert_eq!(stage.number("select count(*) from orders where inventory <> 'NONE'").await, 0);
    assert!(metric(&worker, "orderstream_retries_total{cause=\"registry\"}").await > 0.0);

    registry.mend();
    stage.all_published().await;
    assert_eq!(stage.number("select count(*) from orders where inventory <> 'NONE'").await, 1);
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

async fn captured_minor(stage: &Stage, order: &str) -> i64 {
    let rows: Vec<(String, i64)> = stage.rows("select order_id, captured_minor from orders").await;
    rows.into_iter().find(|(id, _)| id == order).map_or(0, |(_, captured)| captured)
}

/// Sends payments of some orders, and names one of each of the stage's two lanes.
async fn orders_of_two_lanes(stage: &Stage, producer: &mut Producer) -> [String; 2] {
    for number in 0..8 {
        producer.send_json(&captured(&format!("ord-{number}"), "cap-1")).expect("an event");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    let homes: Vec<(String, i32)> = stage.rows("select order_id, home_lane from orders order by order_id").await;
    [0, 1].map(|lane| homes.iter().find(|(_, home)| *home == lane).expect("eight keys fall into both").0.clone())
}

#[tokio::test]
async fn commands_and_dead_letters_and_the_order_topic_can_be_had_or_left_out() {
    let mut stage = Stage::bare("commands").await;
    let command = format!("{}-commands", stage.deployment.group);
    stage.reconfigure(|config| {
        config.set("topics.command", command).unset("topics.order").unset("topics.dead_letter");
    });
    let layout = Layout { partitions: 1, ..Layout::default() };
    topics::create(&stage.deployment.stack.brokers, &stage.deployment.topics, layout).await.expect("topics");
    stage.run_command(&["migrate"]);
    assert!(stage.run_command(&["schema", "register"]).contains("OrderCommand"));
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    producer.send_json(&captured("ord-1", "cap-1")).expect("an event");
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    stage.check().await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
