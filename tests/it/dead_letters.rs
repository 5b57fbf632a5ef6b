//! `orderstream dead-letters` on real dead letters: what it says of them, what it changes, and what it refuses to do.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use orderstream_harness::topics::Input;
use orderstream_harness::traffic::NEWER_KIND;
use serde_json::{Value as Json, json};
use sqlx::Executor;

use super::asking::{FAR_AHEAD, five_letters, letters};
use super::events::captured;
use super::letters::Sender;
use super::patience;
use super::stage::Stage;

/// Wrong command line.
const USAGE: i32 = 64;
/// Wrong input.
const DATA: i32 = 65;
/// A server is not there.
const UNAVAILABLE: i32 = 69;
/// Somebody else is at it.
const TRY_AGAIN: i32 = 75;
/// Wrong configuration.
const CONFIG: i32 = 78;
/// Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Everything that a command may change.
async fn everything(stage: &Stage) -> BTreeSet<String> {
    let rows: Vec<(String,)> = stage
        .rows(
            "select 'letter ' || d::text from dead_letters d union all select 'action ' || a::text from dead_letter_actions a
             union all select 'mark ' || m::text from marks m",
        )
        .await;
    rows.into_iter().map(|(row,)| row).collect()
}

fn numbers(answer: &Json) -> Vec<i64> {
    answer["shown"].as_array().expect("letters").iter().filter_map(|letter| letter["id"].as_i64()).collect()
}

#[tokio::test]
async fn letters_are_listed_by_every_filter_and_shown_with_everything_that_is_known() {
    let mut stage = Stage::new("letters_listed", 1).await;
    let sender = five_letters(&stage).await;
    let [payment, shipping] = [Input::Payment, Input::Shipping]
        .map(|input| stage.deployment.topics.input(input).expect("a topic").to_owned());

    let all = letters(&stage, "list");
    assert_eq!(all.code, 0, "{all:?}");
    for words in ["5 dead letters\n", "occurred_in_future", "unknown_kind", "ord-5", "registry knows no schema"] {
        assert!(all.out.contains(words), "{words}: {}", all.out);
    }
    let listed = |filters: &str| numbers(&letters(&stage, &format!("list -o json {filters}")).json(0));
    assert_eq!(listed(""), [5, 4, 3, 2, 1]);
    for (filters, found) in [
        ("--reason unknown_kind --reason missing_field", &[3, 2][..]),
        ("--topic payment", &[2, 1]),
        ("--topic shipping --topic inventory", &[4, 3]),
        (&format!("--topic {shipping}"), &[3]),
        ("--order ord-4", &[4]),
        ("--since 1h", &[5, 4, 3, 2, 1]),
        ("--until 1h", &[]),
        ("--since 2020-01-01T00:00:00Z --until 2021-01-01T00:00:00Z", &[]),
        ("--state applied", &[]),
        ("--state all --reason bad_framing", &[5]),
        ("--topic payment --reason unknown_kind", &[]),
    ] {
        assert_eq!(listed(filters), found, "{filters}");
    }
    let page = letters(&stage, "list --limit 2");
    assert!(page.out.contains("\n3 more are not shown: raise --limit"), "{}", page.out);
    let stray = letters(&stage, "list --topic paymnets");
    assert!(stray.out == "no dead letter matches\n" && stray.err.contains(&payment), "{stray:?}");

    assert_shown(&stage, &sender);
    // Everything that can be said without the registry is said.
    stage.reconfigure(|config| {
        config.set("registry.url", "http://127.0.0.1:1").set("registry.timeout", "1s");
    });
    let alone = letters(&stage, "show 1");
    assert_eq!(alone.code, 0, "{alone:?}");
    assert!(
        alone.out.contains("contents: the schema registry at `http://127.0.0.1:1` gave no useful answer"),
        "{alone:?}"
    );
    assert!(alone.out.contains("more than 24 h ahead of") && alone.out.contains("\n  000000  00 00 00"), "{alone:?}");
    stage.reconfigure(|config| {
        config.set("registry.url", super::stage::local_stack().registry.as_str());
    });
    stage.strike().await;
}

/// `show` in its three forms, for each kind of letter.
fn assert_shown(stage: &Stage, sender: &Sender) {
    let shown = |id: i64| letters(stage, &format!("show {id} -o json")).json(0);
    let ahead = shown(1);
    assert_eq!(ahead["contents"]["event"]["occurred_at"], FAR_AHEAD);
    assert_eq!(ahead["contents"]["event"]["topic"], "payment");
    assert_eq!(ahead["verdict"]["field"], "occurred_at");
    assert_eq!((&ahead["attempts"], &ahead["state"], &ahead["actions"]), (&json!(1), &json!("open"), &json!([])));
    assert_eq!(shown(2)["verdict"]["field"], "capture_id");
    let newer = shown(3);
    assert_eq!((&newer["contents"]["event"]["kind"], &newer["verdict"]["field"]), (&json!(NEWER_KIND), &json!("kind")));
    let unknown = shown(4);
    assert_eq!((&unknown["contents"], &unknown["schema_id"]), (&Json::Null, &json!(0x7fff_fff0)));
    assert_eq!(unknown["verdict"]["reason"], "unknown_schema");
    let null = shown(5);
    assert_eq!((&null["value_hex"], &null["headers"][1]), (&Json::Null, &json!({"name": "none", "hex": null})));

    let page = letters(stage, "show 1").out;
    for words in ["occurred_in_future, open since", "2100-01-01T00:00:00Z, refused", "to do", "history: nothing"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let evil = letters(stage, "show 5").out;
    assert!(evil.contains("trace\\u{1b}[2J: 1b 5d") && !evil.contains('\u{1b}'), "{evil}");

    let mut event = captured("ord-1", "cap-1");
    event["occurred_at"] = FAR_AHEAD.into();
    let path = stage.config_path();
    let raw = stage.program.output(&path, &["dead-letters", "show", "1", "--raw"]).expect("it starts");
    assert_eq!(raw.stdout, sender.producer.encode(&event).expect("an event"), "the very bytes");
    let none = letters(stage, "show 5 --raw");
    assert!(none.code == DATA && none.err.contains("it is null"), "{none:?}");
}

#[tokio::test]
async fn nothing_is_changed_without_yes_and_everything_is_written_down_with_it() {
    let stage = Stage::new("letters_discarded", 1).await;
    five_letters(&stage).await;
    let before = everything(&stage).await;
    for arguments in ["replay", "replay --reason bad_framing -o json", "discard --all", "discard 1 2 --note test"] {
        let said = letters(&stage, arguments);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("nothing was changed: add --yes") || said.out.contains("\"would\""), "{said:?}");
    }
    assert_eq!(everything(&stage).await, before);

    let done = letters(&stage, "discard 1 3 --yes --note INC-4711 --as ann");
    assert_eq!((done.code, done.out.as_str()), (0, "2 dead letters discarded; their orders are looked at again\n"));
    let states: Vec<(i64, String, bool)> =
        stage.rows("select id, state::text, resolved_at is not null from dead_letters order by id").await;
    let expected = [(1, "discarded"), (2, "open"), (3, "discarded"), (4, "open"), (5, "open")];
    assert_eq!(states, expected.map(|(id, state)| (id, state.to_owned(), state == "discarded")));
    let actions: Vec<(i64, String, String, String)> =
        stage.rows("select letter_id, action::text, actor, note from dead_letter_actions order by id").await;
    assert_eq!(actions, [1, 3].map(|id| (id, "discard".to_owned(), "ann".to_owned(), "INC-4711".to_owned())));
    // Only ord-1 exists; a deadline of it may have waited for the letter.
    let marks: Vec<(String, i32, String)> = stage.rows("select order_id, lane, why from marks").await;
    assert_eq!(marks, [("ord-1".to_owned(), 0, "discarded dead letter".to_owned())]);
    let shown = letters(&stage, "show 1").out;
    assert!(shown.contains("discarded 20") && shown.contains("discard  by ann: INC-4711"), "{shown}");

    let again = letters(&stage, "discard 1 3 --yes --note again");
    assert!(again.code == 0 && again.out.contains("nothing to do"), "{again:?}");
    assert!(again.err.contains("dead letter 1 is discarded already"), "{again:?}");
    assert_eq!(letters(&stage, "list -o json").json(0)["letters"], 3);
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_somebody_holds_locked_are_waited_for_and_else_counted() {
    let stage = Stage::new("letters_locked", 1).await;
    five_letters(&stage).await;
    let mut worker = stage.database.connect().await.expect("a session");
    worker.execute("begin; select from dead_letters where id in (2, 4) for update").await.expect("locked");
    let tired = letters(&stage, "discard 1 2 --yes --note INC-1 -o json");
    assert_eq!(tired.json(TRY_AGAIN), json!({"discarded": 1, "passed_over": 1}));
    assert!(tired.err.contains("1 dead letter was passed over") && tired.err.contains("run the same command again"));

    let (program, config) = (stage.program.clone(), stage.config_path());
    let discard = tokio::task::spawn_blocking(move || {
        program.output(&config, &["dead-letters", "discard", "--all", "--yes", "--note", "INC-1"]).expect("it starts")
    });
    let left = "select count(*) from dead_letters where state = 'open'";
    patience::until("the others to be discarded", async || Ok(stage.number(left).await == 2)).await.expect("discarded");
    worker.execute("commit").await.expect("unlocked");
    let output = discard.await.expect("no panic");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with("4 dead letters discarded"), "{output:?}");
    assert_eq!(stage.number(left).await, 0);
    stage.strike().await;
}

#[tokio::test]
async fn marks_stay_when_nobody_waits_and_are_neither_set_twice_nor_in_the_way() {
    let mut stage = Stage::new("letters_marked", 1).await;
    five_letters(&stage).await;
    let marked = letters(&stage, "replay --reason bad_framing --yes --no-wait --note because");
    assert_eq!((marked.code, marked.out.as_str()), (0, "1 dead letter marked: 1 not worked off yet\n"), "{marked:?}");
    let again = letters(&stage, "replay --reason bad_framing --yes");
    assert!(
        again.code == 0 && again.out.contains("nothing to do") && again.err.contains("1 more that matches is marked"),
        "{again:?}"
    );
    let named = letters(&stage, "replay 5 --yes");
    assert!(named.err.contains("dead letter 5 is marked for replay already"), "{named:?}");
    assert_eq!(numbers(&letters(&stage, "list --state replay -o json").json(0)), [5]);
    let actions: Vec<(i64, String, String)> =
        stage.rows("select letter_id, action::text, note from dead_letter_actions").await;
    assert_eq!(actions, [(5, "replay".to_owned(), "because".to_owned())]);
    // What nobody takes can be given up all the same.
    let given_up = letters(&stage, "discard 5 --yes --note never");
    assert_eq!(given_up.code, 0, "{given_up:?}");

    // A topic that no worker of this configuration reads.
    let order = stage.deployment.topics.input(Input::Order).expect("a topic").to_owned();
    stage.execute("update dead_letters set state = 'open' where id = 5").await;
    stage.reconfigure(|config| {
        config.unset("topics.order");
    });
    let stray = letters(&stage, "replay --yes");
    assert!(stray.code == CONFIG && stray.err.contains(&order) && stray.err.contains("no worker"), "{stray:?}");
    let role = letters(&stage, "replay --topic order");
    assert!(role.code == USAGE && role.err.contains("no order topic"), "{role:?}");
    assert_eq!(letters(&stage, "replay --topic payment").code, 0);
    assert!(letters(&stage, "show 5").out.contains("is no input of this configuration"));
    stage.reconfigure(|config| {
        config.set("topics.order", order.as_str());
    });
    stage.strike().await;
}

/// Sends the signal that Ctrl-C sends.
fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(status.success());
}

#[tokio::test]
async fn without_a_worker_it_is_said_who_is_missing_and_ctrl_c_leaves_the_marks() {
    let stage = Stage::new("letters_alone", 1).await;
    five_letters(&stage).await;
    let log = stage.config_path().with_file_name("replay.err");
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderstream"));
    // The configuration file alone decides.
    let ours =
        std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("ORDERSTREAM__"));
    ours.for_each(|name| _ = command.env_remove(name));
    let mut child = command
        .args(["dead-letters", "replay", "--yes", "--config"])
        .arg(stage.config_path())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .expect("it starts");
    patience::until("the command to say who is missing", async || {
        let said = std::fs::read_to_string(&log)?;
        anyhow::ensure!(child.try_wait()?.is_none(), "it has ended: {said}");
        Ok(said.contains("no worker has lane 0; start one with `orderstream run`"))
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}"));
    interrupt(&child);
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(INTERRUPTED), "{ended:?}");
    assert!(
        String::from_utf8_lossy(&ended.stdout).contains("5 dead letters marked: 5 not worked off yet"),
        "{ended:?}"
    );
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("5 dead letters stay marked") && said.contains("list --state replay"), "{said}");
    assert_eq!(numbers(&letters(&stage, "list --state replay -o json").json(0)).len(), 5);
    stage.strike().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason_and_changes_nothing() {
    let stage = Stage::new("letters_refused", 1).await;
    five_letters(&stage).await;
    let before = everything(&stage).await;
    for (arguments, code, words) in [
        ("list --reason bad_luck", USAGE, "`bad_luck` is not a reason code: use one of no_key, key_mismatch"),
        ("list --since 1h --until 2h", USAGE, "nothing lies between them"),
        ("list --since yesterday", USAGE, "RFC 3339"),
        ("list --state opne", USAGE, "open"),
        ("list --limit 0", USAGE, "--limit"),
        ("show", USAGE, "<ID>"),
        ("show seven", USAGE, "seven"),
        ("show 999", DATA, "there is no dead letter 999: find its number with `orderstream dead-letters list"),
        ("show 1 --raw -o json", USAGE, "--raw"),
        ("replay 1 --reason bad_avro --yes", USAGE, "cannot be used with"),
        ("replay 1 999 --yes", DATA, "there is no dead letter 999"),
        ("replay --rate fast --yes", USAGE, "--rate"),
        ("discard --yes --note x", USAGE, "use a filter, or say --all"),
        ("discard 1 --yes", USAGE, "--note"),
        ("discard --all --order ord-1 --yes --note x", USAGE, "cannot be used with"),
        ("discard 1 --yes --note= ", USAGE, "--note"),
    ] {
        let said = letters(&stage, arguments);
        assert_eq!(said.code, code, "{arguments}: {said:?}");
        assert!(said.err.contains(words), "{arguments} does not say `{words}`: {said:?}");
        assert_eq!(said.out, "", "{arguments}");
    }
    assert_eq!(everything(&stage).await, before);
    stage.strike().await;
}

#[tokio::test]
async fn a_database_that_is_away_or_not_migrated_is_said_so() {
    let mut stage = Stage::bare("letters_no_tables").await;
    let unmigrated = letters(&stage, "list");
    assert!(unmigrated.code == CONFIG && unmigrated.err.contains("orderstream migrate"), "{unmigrated:?}");
    stage.reconfigure(|config| {
        config.set("database.url", "postgres://nobody@127.0.0.1:1/nothing");
    });
    for arguments in ["list", "show 1", "replay --yes", "discard --all --yes --note x"] {
        let away = letters(&stage, arguments);
        assert_eq!(away.code, UNAVAILABLE, "{away:?}");
        assert!(away.err.contains("postgres") && away.out.is_empty(), "{away:?}");
    }
    let database = stage.database.url().to_owned();
    stage.reconfigure(|config| {
        config.set("database.url", database.as_str());
    });
    stage.strike().await;
}
