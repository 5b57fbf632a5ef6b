//! What workers do for the database by themselves: old days of the journal go, and dead letters that are over, and nothing else.
//!
//! A worker looks at once when it starts, so a test starts one and waits for what it says. Days grow old by statement: the rows
//! of today are moved to a day long ago.

use orderstream_harness::topics;
use orderstream_harness::worker::Worker;
use rdkafka::admin::AdminOptions;
use sqlx::{Connection, Executor};

use crate::stage::{GOODBYE, Stage};
use crate::under_load::metric;

/// What a worker says of a day that it keeps.
const STAYS: &str = "a day of the journal is older than retention.journal and stays";
const DROPPED: &str = "orderstream_journal_partitions_dropped_total";

/// Makes all that the journal has 40 days old; the first two rows of each lane 41, for which there is no partition.
async fn grow_old(stage: &Stage) {
    stage
        .execute(
            "do $$ declare d date := current_date - 40; begin
                 execute format('create table journal_%s partition of journal for values from (%L) to (%L)',
                                to_char(d, 'YYYYMMDD'), d, d + 1);
                 update journal set day = case when seq <= 2 then d - 1 else d end;
             end $$",
        )
        .await;
}

/// How many rows the journal has of days long ago in partitions of their own, in the default partition, and of today.
async fn rows(stage: &Stage) -> (i64, i64, i64) {
    let rows: Vec<(i64, i64, i64)> = stage
        .rows(
            "select count(*) filter (where day < current_date - 30 and tableoid <> 'journal_default'::regclass),
                    count(*) filter (where day < current_date - 30 and tableoid = 'journal_default'::regclass),
                    count(*) filter (where day >= current_date) from journal",
        )
        .await;
    rows[0]
}

async fn says(stage: &Stage, worker: &mut Worker, words: &str) {
    let name = worker.name().to_owned();
    stage
        .until(&format!("`{name}` to say `{words}`"), async || {
            worker.must_run()?;
            Ok(worker.log()?.contains(words))
        })
        .await;
}

/// A deployment that has published everything and has no worker.
async fn at_rest(test: &str) -> Stage {
    let stage = Stage::new(test, 2).await.with_short_sessions();
    let worker = stage.worker("before");
    for seed in [71, 72, 73] {
        stage.send(40, seed).await;
        stage.all_published().await;
    }
    stage.nothing_is_due().await;
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.check().await;
    assert_eq!(stage.number("select count(*) from lanes where published_seq < last_seq or last_seq < 3").await, 0);
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_day_of_the_journal_is_dropped_when_kafka_says_that_it_is_published_and_not_before() {
    let stage = at_rest("retention").await;
    grow_old(&stage).await;
    let (old, strays, _) = rows(&stage).await;
    assert!(old > 0 && strays == 4, "{old} and {strays}");
    // Kafka forgets how far the lanes were published: whatever the database believes, nobody confirms it.
    let admin = topics::admin(&stage.deployment.stack.brokers).expect("kafka answers");
    let deleted = admin.delete_groups(&[&stage.deployment.group], &AdminOptions::new()).await.expect("kafka answers");
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    let mut keeps = stage.worker("keeps");
    says(&stage, &mut keeps, STAYS).await;
    assert_eq!(rows(&stage).await, (old, strays, 0));
    assert!(metric(&keeps, "orderstream_journal_oldest_age_seconds").await > 41.0 * 86_400.0);
    // Every lane publishes something, and its position is there again.
    stage.send(60, 74).await;
    stage.all_published().await;
    stage
        .until("the database to know what is published", async || {
            Ok(stage.number("select count(*) from lanes where published_seq < last_seq").await == 0)
        })
        .await;
    let drops = stage.worker("drops");
    stage.until("the old day to go", async || Ok(rows(&stage).await.0 == 0)).await;
    stage.until("the rows without a partition to go", async || Ok(rows(&stage).await.1 == 0)).await;
    assert!(rows(&stage).await.2 > 0, "today's rows stay");
    stage.until("the day to be counted", async || Ok(metric(&drops, DROPPED).await == 1.0)).await;
    assert_eq!(stage.number("select count(*) from pg_class where relname like 'journal_dropped_%'").await, 0);
    assert!(drops.log().expect("a log").contains("dropped a day of the journal"));
    // Everything goes on as before.
    stage.send(60, 75).await;
    stage.all_published().await;
    for worker in [keeps, drops] {
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    // What is left is still the whole truth about its part.
    stage.run_command(&["verify"]);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_the_journal_for_long_holds_up_neither_the_workers_nor_their_start() {
    let stage = at_rest("long_reader").await;
    grow_old(&stage).await;
    // The last of the coming days is missing as well, as it is once a day.
    stage.execute("do $$ begin execute 'drop table journal_' || to_char(current_date + 7, 'YYYYMMDD'); end $$").await;
    let mut reader = stage.database.connect().await.expect("postgres answers");
    reader.execute("begin; select count(*) from journal").await.expect("it reads");
    let mut worker = stage.worker("worker");
    says(&stage, &mut worker, "an old day of it is dropped later").await;
    says(&stage, &mut worker, "its coming days are made later").await;
    stage.send(60, 76).await;
    stage.all_published().await;
    assert!(rows(&stage).await.0 > 0, "nothing is dropped under a reader's hands");
    reader.close().await.expect("it ends");
    let next = stage.worker("next");
    stage.until("the old day to go", async || Ok(rows(&stage).await.0 == 0)).await;
    let tomorrow = "select count(to_regclass('journal_' || to_char(current_date + 7, 'YYYYMMDD')))";
    stage.until("the coming day to be made", async || Ok(stage.number(tomorrow).await == 1)).await;
    for worker in [worker, next] {
        worker.stop(GOODBYE).await.expect("exit code 0");
    }
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_detached_before_it_died_is_dropped_and_what_an_operator_detached_stays() {
    let stage = at_rest("detached").await;
    grow_old(&stage).await;
    stage
        .execute(
            "create table journal_dropped_20200101 (like journal);
             create table journal_kept_20200102 (like journal); create table journal_20200102 (like journal)",
        )
        .await;
    // Two that look at once do not get in each other's way.
    let workers = [stage.worker("one"), stage.worker("other")];
    stage.until("the old day to go", async || Ok(rows(&stage).await.0 == 0)).await;
    let left: Vec<(String,)> =
        stage.rows("select relname::text from pg_class where relname ~ '^journal.*_2020' order by 1").await;
    assert_eq!(left, [("journal_20200102".to_owned(),), ("journal_kept_20200102".to_owned(),)]);
    for worker in workers {
        let log = worker.log().expect("a log");
        worker.stop(GOODBYE).await.expect("exit code 0");
        assert!(!log.contains("looking after the journal"), "{log}");
    }
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_go_long_after_they_were_resolved_and_stay_while_they_are_not() {
    let stage = Stage::new("old_letters", 1).await;
    stage
        .execute(
            "insert into dead_letters (topic, partition, record_offset, record_timestamp, reason, explanation, state,
                                       first_seen_at, last_seen_at, resolved_at)
             select 'somewhere', 0, n, now() - interval '1 year', 'bad_avro', 'as it was', s.state::dead_letter_state,
                    now() - interval '1 year', now() - interval '1 year', s.resolved
               from (values ('applied', now() - interval '91 days'), ('discarded', now() - interval '91 days'),
                            ('applied', now() - interval '89 days'), ('discarded', now() - interval '89 days'),
                            ('open', null)) as s(state, resolved),
                    generate_series(1, 700) as i, lateral (select i * 10 + length(s.state)
                        + case when s.resolved > now() - interval '90 days' then 5000000 else 0 end as n) as o;
             insert into dead_letter_actions (letter_id, action, actor) select id, 'replay', 'somebody' from dead_letters",
        )
        .await;
    let worker = stage.worker("worker");
    let removed = "orderstream_dead_letters_removed_total";
    stage.until("1400 letters to go", async || Ok(metric(&worker, removed).await == 1_400.0)).await;
    let left: Vec<(String, i64, i64)> = stage
        .rows(
            "select d.state::text, count(*), count(a.id) from dead_letters d
               left join dead_letter_actions a on a.letter_id = d.id group by 1 order by 1",
        )
        .await;
    let left: Vec<(&str, i64, i64)> = left.iter().map(|(state, n, actions)| (state.as_str(), *n, *actions)).collect();
    assert_eq!(left, [("applied", 700, 700), ("discarded", 700, 700), ("open", 700, 700)]);
    assert_eq!(stage.number("select count(*) from dead_letter_actions").await, 2_100, "their history went with them");
    worker.stop(GOODBYE).await.expect("exit code 0");
    stage.strike().await;
}
