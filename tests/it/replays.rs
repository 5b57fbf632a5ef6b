//! Dead letters that are replayed while workers run: applied exactly once, or refused again and no worse than before.

use std::collections::{BTreeMap, BTreeSet};

use orderstream::persist::journal_format::{AppliedEntry, read_applied};
use orderstream_harness::output;
use orderstream_harness::produce::RawRecord;
use orderstream_harness::registry_front::Front;
use orderstream_harness::topics::Input;
use orderstream_harness::traffic::NEWER_KIND;
use serde_json::{Value as Json, json};

use super::asking::{Said, letters};
use super::events::{captured, now_micros, sound};
use super::letters::{Sender, raw};
use super::patience;
use super::stage::{GOODBYE, Stage};

/// Wrong input: some letters were refused again.
const DATA: i32 = 65;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// How many letters a worker is killed over.
const MANY: usize = 1_500;

/// Everything in the journal, lane by lane in its order.
async fn journal(stage: &Stage) -> Vec<AppliedEntry> {
    let rows: Vec<(Vec<u8>,)> = stage.rows("select applied from journal order by lane, seq").await;
    rows.iter().flat_map(|(applied,)| read_applied(applied).expect("readable")).collect()
}

/// What was done to a letter: action and note.
async fn actions(stage: &Stage) -> Vec<(i64, String, Option<String>)> {
    stage.rows("select letter_id, action::text, note from dead_letter_actions order by id").await
}

async fn states(stage: &Stage) -> BTreeMap<i64, (String, i32)> {
    let rows: Vec<(i64, String, i32)> = stage.rows("select id, state::text, attempts from dead_letters").await;
    rows.into_iter().map(|(id, state, attempts)| (id, (state, attempts))).collect()
}

/// Waits until a letter could be read.
async fn is_readable(stage: &Stage, id: i64) {
    patience::until(&format!("letter {id} to be an event"), async || {
        let shown = letters(stage, &format!("show {id} -o json")).json(0);
        Ok(shown["verdict"]["now"] == "an event")
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_time_has_cured_ends_as_if_it_had_never_been_refused() {
    let stage = Stage::new("replay_cured", 1).await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    // In a few seconds this is less than a day away.
    let soon = now_micros() + DAY + 5 * SECOND;
    let payment = |order: &str| {
        let mut event = captured(order, "cap-1");
        event["occurred_at"] = soon.into();
        event
    };
    sender.good(&stage, &sound(Input::Order, "late"));
    sender.good(&stage, &sound(Input::Order, "twin"));
    let value = sender.producer.encode(&payment("late")).expect("an event");
    sender.bad(&stage, Input::Payment, "occurred_in_future", raw("late", Some(value)));
    sender.assert_kept(&stage).await;
    is_readable(&stage, 1).await;
    // The twin's payment comes in the ordinary way, and much else meanwhile.
    sender.good(&stage, &payment("twin"));
    let flow = stage.flow(7, 300).await;
    let replayed = letters(&stage, "replay --yes --note mended --as ann -o json").json(0);
    assert_eq!((&replayed["marked"], &replayed["applied"], &replayed["waiting"]), (&json!(1), &json!(1), &json!(0)));
    let again = letters(&stage, "replay --yes");
    assert!(again.code == 0 && again.out.contains("nothing to do"), "{again:?}");
    flow.end().await;
    stage.all_published().await;
    // Among the traffic is what a deadline cancels.
    let overdue = "select count(*) from orders where next_deadline <= now()";
    patience::until("what is due to have fired", async || Ok(stage.number(overdue).await == 0)).await.expect("fired");

    let rows: Vec<(String,)> = stage
        .rows(
            "select replace(concat_ws(' ', version, status, payment, captured_minor, total_minor, lines, owed, facts),
                            'late', 'twin')
               from orders where order_id in ('late', 'twin')",
        )
        .await;
    assert_eq!(rows[0], rows[1], "the two orders");
    let entries = journal(&stage).await;
    let of_late = entries.iter().filter(|entry| entry.order_id.as_ref().is_some_and(|id| id.as_str() == "late"));
    let mut told: Vec<_> = of_late.map(|entry| (format!("{:?}", entry.outcome), entry.place.letter)).collect();
    told.sort();
    let expected = [("Applied", None), ("Applied", Some(1)), ("DeadLetter(OccurredInFuture)", None)];
    assert_eq!(told, expected.map(|(outcome, letter)| (outcome.to_owned(), letter)));
    assert_eq!(states(&stage).await, BTreeMap::from([(1, ("applied".to_owned(), 2))]));
    let [marked, applied] = ["mended", "applied"].map(|note| Some(note.to_owned()));
    assert_eq!(actions(&stage).await, [(1, "replay".to_owned(), marked), (1, "applied".to_owned(), applied)]);
    let page = letters(&stage, "show 1").out;
    assert!(page.contains("applied 20") && page.contains("replay   by ann: mended"), "{page}");
    stage.finish([worker]).await;
}

#[tokio::test]
async fn a_letter_that_is_refused_again_is_updated_and_told_once_on_the_topic() {
    let stage = Stage::new("replay_refused", 1).await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    let mut newer = sound(Input::Shipping, "ord-1");
    newer["kind"] = NEWER_KIND.into();
    let value = sender.producer.encode(&newer).expect("encoded");
    sender.bad(&stage, Input::Shipping, "unknown_kind", raw("ord-1", Some(value)));
    sender.bad(&stage, Input::Payment, "bad_framing", raw("ord-2", None));
    sender.assert_kept(&stage).await;
    for attempt in 2..=3 {
        let replayed = letters(&stage, "replay --yes");
        assert_eq!(replayed.code, DATA, "{replayed:?}");
        for words in [
            "2 dead letters marked: 2 refused again\n",
            "refused again as unknown_kind: 1 dead letter\n",
            NEWER_KIND,
            "open as before",
        ] {
            assert!(replayed.out.contains(words), "{words}: {replayed:?}");
        }
        let open = ("open".to_owned(), attempt);
        assert_eq!(states(&stage).await, BTreeMap::from([(1, open.clone()), (2, open)]));
    }
    let done: Vec<(i64, String)> = actions(&stage).await.into_iter().map(|(id, action, _)| (id, action)).collect();
    let of_one: Vec<&str> = done.iter().filter(|(id, _)| *id == 1).map(|(_, action)| action.as_str()).collect();
    assert_eq!(of_one, ["replay", "refused", "replay", "refused"]);
    // Each record stands on the topic once, as it was first refused.
    sender.assert_kept(&stage).await;
    stage.finish([worker]).await;
}

#[tokio::test]
async fn letters_of_a_schema_that_the_registry_learns_later_reach_their_orders() {
    let mut stage = Stage::new("replay_schema", 1).await;
    let front = Front::before(&stage.deployment.stack.registry).expect("a front");
    stage.config.set("registry.url", front.url());
    stage.configure();
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    let payment = |sender: &Sender, order: &str| sender.producer.encode(&captured(order, "cap-1")).expect("an event");
    let id = payment(&sender, "a")[1..5].try_into().map(u32::from_be_bytes).expect("four bytes");
    front.keep_back([id]);
    for order in ["a", "b", "c"] {
        sender.good(&stage, &sound(Input::Order, order));
        let value = payment(&sender, order);
        sender.bad(&stage, Input::Payment, "unknown_schema", raw(order, Some(value)));
    }
    sender.assert_kept(&stage).await;
    assert!(letters(&stage, "show 1").out.contains("contents: the registry knows no schema"));
    let too_early = letters(&stage, "replay --reason unknown_schema --yes");
    assert!(too_early.code == DATA && too_early.out.contains("3 refused again"), "{too_early:?}");

    // The worker remembers for a minute that the id is unknown; who replays does not have to wait for that.
    front.release();
    let replayed = letters(&stage, "replay --reason unknown_schema --yes");
    assert_eq!((replayed.code, replayed.out.as_str()), (0, "3 dead letters marked: 3 applied\n"), "{replayed:?}");
    let paid: Vec<(String, i64, String)> =
        stage.rows("select order_id, captured_minor, payment::text from orders order by order_id").await;
    assert_eq!(paid, ["a", "b", "c"].map(|order| (order.to_owned(), 500, "PAID".to_owned())));
    assert!(states(&stage).await.values().all(|state| *state == ("applied".to_owned(), 3)));
    stage.finish([worker]).await;
}

/// So many dead letters, each of an order of its own: captures that were too large for a worker that has left.
async fn refuse(stage: &Stage, orders: usize) {
    let refusing = stage.worker_with("refusing", |config| {
        config.set("worker.record_max_bytes", "1KiB");
    });
    let mut producer = stage.producer().await;
    let topic = stage.deployment.topics.input(Input::Payment).expect("a topic").to_owned();
    for number in 0..orders {
        let order = format!("ord-{number}");
        let value = producer.encode(&captured(&order, "cap-1")).expect("an event");
        let headers = vec![("ballast".to_owned(), Some(vec![b'x'; 1_100]))];
        let record = RawRecord { topic: topic.clone(), headers, ..raw(&order, Some(value)) };
        producer.send_raw(&record).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    refusing.stop(GOODBYE).await.expect("a good end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_during_a_large_replay_works_each_letter_off_exactly_once() {
    let mut stage = Stage::new("replay_killed", 4).await.with_short_sessions();
    // Small batches make many moments.
    stage.config.set("worker.batch_max_records", 50);
    stage.configure();
    refuse(&stage, MANY).await;
    assert_eq!(stage.number("select count(*) from dead_letters where reason = 'too_large'").await as usize, MANY);

    let mut worker = stage.worker("w-1");
    let (program, config) = (stage.program.clone(), stage.config_path());
    let replay = tokio::task::spawn_blocking(move || {
        let arguments = ["dead-letters", "replay", "--yes", "--rate", "300", "-o", "json"];
        program.output(&config, &arguments).expect("it starts")
    });
    for (kill, applied) in [(2, 100), (3, 700)] {
        patience::until("some letters to be applied", async || {
            worker.must_run()?;
            Ok(stage.number("select count(*) from dead_letters where state = 'applied'").await > applied)
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
        worker.kill().expect("it runs");
        worker = stage.worker(&format!("w-{kill}"));
    }
    let output = replay.await.expect("no panic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said =
        Said { code: output.status.code().expect("no signal"), out: text(&output.stdout), err: text(&output.stderr) };
    let report = said.json(0);
    let expected = json!({"marked": MANY, "applied": MANY, "duplicate": 0, "stale": 0, "refused": [], "discarded": 0,
                          "removed": 0, "waiting": 0});
    assert_eq!(report, expected, "{said:?}");
    stage.all_published().await;
    assert_each_once(&stage).await;
    stage.finish([worker]).await;
}

/// Each letter is applied once in the table, the history, the journal and on the status topic.
async fn assert_each_once(stage: &Stage) {
    let ids: BTreeSet<i64> = states(stage).await.into_keys().collect();
    assert_eq!(ids.len(), MANY);
    assert!(states(stage).await.values().all(|state| *state == ("applied".to_owned(), 2)));
    let mut applied: Vec<i64> =
        actions(stage).await.into_iter().filter(|(_, action, _)| action == "applied").map(|(id, ..)| id).collect();
    applied.sort_unstable();
    assert_eq!(applied, ids.iter().copied().collect::<Vec<_>>(), "the history");
    let mut entered: Vec<i64> = journal(stage).await.iter().filter_map(|entry| entry.place.letter).collect();
    entered.sort_unstable();
    assert_eq!(entered, applied, "the journal");
    let told = output::status_events(&stage.deployment).await.expect("the topic");
    let mut told: Vec<(String, i64)> =
        told.into_iter().map(|event| (event.envelope.order_id, event.envelope.order_version)).collect();
    told.sort();
    let mut orders: Vec<(String, i64)> = (0..MANY).map(|number| (format!("ord-{number}"), 1)).collect();
    orders.sort();
    assert_eq!(told, orders, "the topic");
}

#[tokio::test]
async fn a_letter_that_is_discarded_after_it_was_marked_is_left_alone() {
    let stage = Stage::new("replay_discarded", 1).await;
    refuse(&stage, 2).await;
    assert_eq!(letters(&stage, "replay --yes --no-wait").code, 0);
    assert_eq!(letters(&stage, "discard 1 --yes --note never").code, 0);
    let worker = stage.worker("w");
    // The second stands behind the first.
    patience::until("the other letter to be applied", async || Ok(states(&stage).await[&2].0 == "applied"))
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(states(&stage).await[&1], ("discarded".to_owned(), 1));
    let orders: Vec<(String,)> = stage.rows("select order_id from orders").await;
    assert_eq!(orders, [("ord-1".to_owned(),)]);
    let entered: Vec<i64> = journal(&stage).await.iter().filter_map(|entry| entry.place.letter).collect();
    assert_eq!(entered, [2]);
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

#[tokio::test]
async fn a_replay_that_is_watched_ends_when_the_worker_comes() {
    let stage = Stage::new("replay_waits", 1).await;
    refuse(&stage, 3).await;
    let (program, config) = (stage.program.clone(), stage.config_path());
    let replay = tokio::task::spawn_blocking(move || {
        program.output(&config, &["dead-letters", "replay", "--yes", "--rate", "0"]).expect("it starts")
    });
    let marked = "select count(*) from dead_letters where state = 'replay'";
    patience::until("the marks", async || Ok(stage.number(marked).await == 3)).await.expect("marked");
    let worker = stage.worker("w");
    let output = replay.await.expect("no panic");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3 dead letters marked: 3 applied\n", "{output:?}");
    assert!(output.status.success());
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}

/// What `fold` makes of the event that `show` takes apart is what the worker makes of the letter.
#[tokio::test]
async fn the_event_that_show_prints_is_one_that_fold_reads() {
    let stage = Stage::new("replay_fold", 1).await;
    refuse(&stage, 1).await;
    let shown = letters(&stage, "show 1 -o json").json(0);
    let path = stage.config_path().with_file_name("event.json");
    std::fs::write(&path, format!("[{}]", shown["contents"]["event"])).expect("written");
    let folded = std::process::Command::new(env!("CARGO_BIN_EXE_orderstream")).arg("fold").arg(&path).output();
    let folded = folded.expect("it starts");
    let view: Json = serde_json::from_slice(&folded.stdout).unwrap_or_else(|error| panic!("{error}: {folded:?}"));
    assert_eq!((&view["payment"], &view["captured_minor"]), (&json!("PAID"), &json!(500)));
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_row_somebody_spoiled_is_refused_alone() {
    let stage = Stage::new("replay_spoiled", 1).await;
    let worker = stage.worker("w");
    let mut sender = Sender::on(&stage).await;
    for order in ["spoiled", "torn"] {
        sender.bad(&stage, Input::Payment, "bad_framing", raw(order, None));
    }
    sender.assert_kept(&stage).await;
    let spoil = r#"update dead_letters set headers = '[["a", "not hex"]]', record_timestamp = 'infinity' where id = 1"#;
    stage.execute(spoil).await;
    assert_eq!(letters(&stage, "replay --yes").code, DATA);
    let refused = actions(&stage).await.into_iter().filter(|(_, action, _)| action == "refused");
    let notes: Vec<String> = refused.filter_map(|(_, _, note)| note).collect();
    assert!(notes.len() == 2 && notes[0].starts_with("apply_failed: its row in dead_letters was changed"), "{notes:?}");
    assert!(notes[1].starts_with("bad_framing: the value is null"), "{notes:?}");
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
