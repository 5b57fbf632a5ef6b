//! `orderstream check`: everything is looked at, also behind something that is wrong, and each thing that is wrong has its remedy.

use orderstream_harness::proxy::Link;
use orderstream_harness::topics;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use serde_json::Value as Json;

use super::stage::{GOODBYE, Stage};

const CONFIG: i32 = 78;
const UNAVAILABLE: i32 = 69;

/// What a check said that ended with this code: part, name and verdict of each row, and the row.
struct Checked(Vec<Json>);

impl Checked {
    fn on(stage: &Stage, code: i32) -> Self {
        let output = stage.program.output(&stage.config_path(), &["check", "-o", "json"]).expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let mut answer: Json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        Self(answer["checks"].as_array_mut().map(std::mem::take).expect("a list"))
    }

    /// The rows of a part that came to this, each as `check: found: remedy`.
    fn came_to(&self, part: &str, verdict: &str) -> Vec<String> {
        let rows = self.0.iter().filter(|row| row["part"] == part && row["verdict"] == verdict);
        let text = |row: &Json, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        rows.map(|row| ["check", "found", "remedy"].map(|name| text(row, name)).join(": ")).collect()
    }

    fn says(&self, part: &str, verdict: &str, words: &[&str]) {
        let rows = self.came_to(part, verdict);
        for word in words {
            assert!(
                rows.iter().any(|row| row.contains(word)),
                "no {part} row is {verdict} with `{word}`: {:#?}",
                self.0
            );
        }
    }
}

#[tokio::test]
async fn everything_is_looked_at_before_and_after_it_is_set_up() {
    let mut stage = Stage::bare("check").await;
    let names = stage.deployment.topics.clone();
    let bare = Checked::on(&stage, CONFIG);
    let absent = |topic: &str| format!("topic `{topic}` does not exist: create it");
    let absents: Vec<String> = names.inputs().map(|(_, name)| name).chain(names.outputs()).map(absent).collect();
    bare.says("kafka", "wrong", &absents.iter().map(String::as_str).collect::<Vec<_>>());
    bare.says("database", "wrong", &["migrations", "run `orderstream migrate`"]);
    bare.says("database", "not_checked", &["deployment: the database is not at this release's version"]);
    bare.says("registry", "wrong", &["our schema is not registered: run `orderstream schema register`"]);

    // A topic that takes too little, one that would forget what it was told, and one that wants what it cannot have.
    let settings = [
        (&names.status, "max.message.bytes", "20000"),
        (&names.payment, "cleanup.policy", "compact"),
        (&names.shipping, "min.insync.replicas", "2"),
    ];
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("a client");
    for (name, setting, value) in settings {
        let topic = NewTopic::new(name, 2, TopicReplication::Fixed(1)).set(setting, value);
        let made = admin.create_topics([&topic], &AdminOptions::new()).await.expect("kafka answers");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }
    let planned: Json = serde_json::from_str(&stage.run_command(&["topics", "create", "-o", "json"])).expect("JSON");
    let missing = |plan: &Json| plan.as_array().expect("a list").iter().filter(|one| one["state"] == "missing").count();
    assert_eq!(missing(&planned), absents.len() - settings.len(), "nothing was made: {planned}");
    stage.run_command(&["topics", "create", "--yes"]);
    let made: Json = serde_json::from_str(&stage.run_command(&["topics", "plan", "-o", "json"])).expect("JSON");
    assert_eq!(missing(&made), 0, "{made}");
    let compacted = made.as_array().expect("a list").iter().find(|one| one["topic"] == names.payment.as_str());
    let remarks = compacted.expect("it is needed")["remarks"].to_string();
    assert!(remarks.contains("cleanup.policy = compact and not delete"), "{remarks}");
    stage.run_command(&["migrate"]);
    stage.run_command(&["schema", "register"]);
    let odd = Checked::on(&stage, CONFIG);
    odd.says("kafka", "wrong", &["20000 bytes", "compaction drops all but the last of them: set it to delete"]);
    odd.says("kafka", "warning", &["min.insync.replicas = 2 of 1 replica: brokers take it for 1"]);
    odd.says("kafka", "warning", &["one replica"]);
    odd.says("database", "ok", &["deployment: no worker has run on it yet"]);
    assert_eq!(odd.came_to("registry", "wrong"), Vec::<String>::new());

    stage.config.set("topics.payment", names.inventory.as_str());
    stage.configure();
    let twice = Checked::on(&stage, CONFIG);
    twice.says("configuration", "wrong", &["give each its own topic"]);
    twice.says("kafka", "not_checked", &["the configuration is wrong"]);
    stage.strike().await;
}

#[tokio::test]
async fn a_deployment_at_work_is_fine_and_somebody_elses_database_or_a_newer_one_is_not() {
    let mut stage = Stage::new("check_at_work", 2).await;
    let worker = stage.worker("w");
    stage.until("lanes to be taken", async || Ok(worker.log()?.contains("lanes taken over"))).await;
    let sound = Checked::on(&stage, 0);
    sound.says("kafka", "ok", &["each with 2 partitions", "has 1 members", "can be taken over"]);
    sound.says("database", "ok", &["this group, these topics, 2 lanes", "at "]);
    sound.says("registry", "ok", &["go together"]);
    let listed: Json = serde_json::from_str(&stage.run_command(&["schema", "list", "-o", "json"])).expect("JSON");
    let registered = listed.as_array().expect("a list").iter().filter(|subject| subject["registered"] == true);
    assert!(registered.count() >= 5, "{listed}");
    stage.run_command(&["schema", "check"]);
    worker.stop(GOODBYE).await.expect("the check disturbed nobody");

    let group = stage.deployment.group.clone();
    stage.reconfigure(|config| {
        config.set("kafka.group", "somebody-elses");
    });
    let sentence = format!("this database belongs to the consumer group `{group}` and not to `somebody-elses`");
    Checked::on(&stage, CONFIG).says("database", "wrong", &[&sentence]);
    stage.reconfigure(|config| {
        config.set("kafka.group", group);
    });
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (99991231, 'of another time', true, '', 0)";
    stage.execute(newer).await;
    let words =
        ["has migration 99991231, which this release does not know", "run the release that made it, or a newer one"];
    Checked::on(&stage, CONFIG).says("database", "wrong", &words);
    stage.ends(&mut stage.worker("older"), CONFIG, &words).await;
    stage.strike().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_is_set_up_wrong_and_the_others_are_looked_at() {
    let mut stage = Stage::new("check_away", 1).await;
    let kafka = Link::to(&stage.deployment.stack.brokers).expect("a link");
    let (database, url) = Link::in_place_of(stage.database.url()).expect("a link");
    kafka.cut();
    database.cut();
    stage.config.set("kafka.brokers", kafka.address().to_string()).set("database.url", url);
    stage.configure();
    let away = Checked::on(&stage, UNAVAILABLE);
    away.says("kafka", "away", &["server", "start it, or correct kafka.brokers"]);
    away.says("kafka", "not_checked", &["input topics: kafka is not there"]);
    away.says("database", "away", &["server", "start it, or correct database.url"]);
    away.says("database", "not_checked", &["clock: the database is not there"]);
    away.says("registry", "ok", &["server"]);
    stage.strike().await;
}
