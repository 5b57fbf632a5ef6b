//! What was released is kept: schemas that old and new readers and writers share, migrations that are never edited, and later ones that
//! take nothing away.
//!
//! Compared with tests/released, as a history may be shallow. Invariant: each check is shown to refuse what it is there to refuse.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use openssl::sha::sha256;
use orderstream::decode::{self, Access};
use orderstream::publish::schemas::{TopicSchema, register};
use orderstream_harness::registry::Registry;
use serde_json::{Value as Json, json};

use crate::events::captured;
use crate::stage::{Stage, local_stack};

/// What the name of a migration begins with that only adds.
const ADDITIVE: &str = "additive_";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of all releases, the oldest first.
fn releases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("tests/released")).expect("what was released");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert!(!folders.is_empty(), "nothing was ever released?");
    folders
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_release_that_is_rolled_from_is_the_latest_that_is_kept() {
    let named = read(&repository().join("deploy/local/previous_release"));
    let commit = named.lines().find(|line| !line.starts_with('#')).expect("a commit");
    let latest = releases().pop().expect("one at least");
    let latest = latest.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(commit.get(..7), latest.rsplit('-').next(), "`{latest}` is not of {commit}");
}

/// Registers the first schema under a subject of this test's own as `schema register` does, and puts the others behind it; the first
/// refusal, if there is one.
async fn taken(name: &str, schemas: &[String]) -> Result<(), String> {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos();
    let (url, subject) = (local_stack().registry, format!("it-{now}-released-{name}-value"));
    let (first, later) = schemas.split_first().expect("one at least");
    let text: &'static str = Box::leak(first.clone().into_boxed_str());
    let ours = decode::Registry::new(Access::to(&url, Duration::from_secs(10))).expect("a usable URL");
    let schema = TopicSchema { subject: subject.clone(), record: "as released", text };
    register(&ours, &schema).await.expect("the first one has nothing to go together with");
    let registry = Registry::at(&url).expect("a registry");
    for schema in later {
        registry.register(&subject, schema).await.map_err(|error| format!("{error:#}"))?;
    }
    Ok(())
}

/// A schema with its fields changed.
fn changed(schema: &str, change: impl FnOnce(&mut Vec<Json>)) -> String {
    let mut schema: Json = serde_json::from_str(schema).expect("a schema is JSON");
    change(schema["fields"].as_array_mut().expect("a record has fields"));
    schema.to_string()
}

#[tokio::test]
async fn every_schema_goes_together_with_all_that_were_released_and_a_breaking_change_is_refused() {
    let names = std::fs::read_dir(repository().join("schemas")).expect("schemas");
    let names: Vec<String> =
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    for release in releases() {
        for schema in std::fs::read_dir(release.join("schemas")).expect("released schemas") {
            let name = schema.expect("an entry").file_name().to_string_lossy().into_owned();
            assert!(names.contains(&name), "`{name}` was released in `{}` and is gone", release.display());
        }
    }
    for name in names {
        let with_it = releases().into_iter().map(|release| release.join("schemas").join(&name));
        let released: Vec<String> = with_it.filter(|path| path.exists()).map(|path| read(&path)).collect();
        let ours = read(&repository().join("schemas").join(&name));
        let first = if released.is_empty() { vec![ours.clone()] } else { released };
        let asked = async |last: &str| taken(&name, &[first.as_slice(), &[last.to_owned()]].concat()).await;
        asked(&ours).await.unwrap_or_else(|why| panic!("`{name}` breaks what was released: {why}"));

        let more = |default: Option<Json>| {
            changed(&ours, |fields| {
                let mut field = json!({ "name": "of_a_later_release", "type": ["null", "string"] });
                if let Some(default) = default {
                    field["default"] = default;
                }
                fields.push(field);
            })
        };
        asked(&more(Some(Json::Null))).await.unwrap_or_else(|why| panic!("`{name}` with a field more: {why}"));
        let first_gone = changed(&ours, |fields| drop(fields.remove(0)));
        let retyped = changed(&ours, |fields| fields[0]["type"] = json!("double"));
        for (breaking, what) in [(more(None), "no default"), (first_gone, "a field gone"), (retyped, "another type")] {
            let why = asked(&breaking).await.expect_err(&format!("`{name}` with {what} was taken"));
            assert!(why.contains("refuses the schema") && why.contains("409"), "`{name}`, {what}: {why}");
        }
    }
}

/// Each line of a file of checksums: the sum and the path.
fn checksums(release: &Path) -> Vec<(String, String)> {
    let text = read(&release.join("migrations.sha256"));
    let line = |line: &str| line.split_once("  ").map(|(sum, path)| (sum.to_owned(), path.to_owned()));
    text.lines().map(|text| line(text).unwrap_or_else(|| panic!("`{text}` is no checksum"))).collect()
}

#[test]
fn a_migration_that_was_released_is_never_edited_and_a_later_one_only_adds() {
    let mut known = Vec::new();
    for release in releases() {
        for (sum, path) in checksums(&release) {
            let bytes = std::fs::read(repository().join(&path)).unwrap_or_else(|error| panic!("`{path}`: {error}"));
            let ours: String = sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(ours, sum, "`{path}` was released and has been changed since: write a new migration");
            known.push(path);
        }
    }
    for entry in std::fs::read_dir(repository().join("migrations")).expect("migrations") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let path = format!("migrations/{name}");
        if known.contains(&path) {
            continue;
        }
        let (number, words) = name.split_once('_').expect("a number and a name");
        assert!(known.iter().all(|known| known.as_str() < path.as_str()), "`{name}` comes before released ones");
        assert!(words.starts_with(ADDITIVE), "`{name}`: call it `{number}_{ADDITIVE}…`; see deploy/upgrades.md");
        let taken_away = what_is_not_added(&read(&repository().join(&path)));
        assert!(taken_away.is_empty(), "`{name}` does not only add: {taken_away:?}; see deploy/upgrades.md");
    }
}

/// The statements of a migration that an older release could notice. What is not known to be harmless is told.
fn what_is_not_added(sql: &str) -> Vec<String> {
    let text = bare(sql).to_lowercase();
    let statements = text.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|statement| !statement.is_empty() && !only_adds(statement)).collect()
}

/// SQL without its comments and without what its texts say.
fn bare(sql: &str) -> String {
    let (mut bare, mut rest) = (String::with_capacity(sql.len()), sql);
    while let Some(at) = rest.find(['\'', '-']) {
        bare.push_str(&rest[..at]);
        let (skipped, then) = match &rest[at..] {
            comment if comment.starts_with("--") => (comment.find('\n'), " "),
            text if text.starts_with('\'') => (text[1..].find('\'').map(|end| end + 2), "''"),
            _ => (Some(1), "-"),
        };
        bare.push_str(then);
        rest = skipped.map_or("", |skipped| &rest[at + skipped..]);
    }
    bare + rest
}

fn only_adds(statement: &str) -> bool {
    let harmless = ["create table ", "create index ", "comment on ", "grant "];
    if harmless.iter().any(|begin| statement.starts_with(begin)) {
        // Whoever does not know of it may delete what is referred to.
        return !statement.contains(" references ");
    }
    // Columns that whoever does not know them need not fill.
    let Some(of_table) = statement.strip_prefix("alter table ") else { return false };
    let Some((_, actions)) = of_table.split_once(' ') else { return false };
    let adds = |action: &str| {
        let fills_itself = !action.contains(" not null") || action.contains(" default ");
        action.trim().starts_with("add column ") && fills_itself && !constrains(action)
    };
    actions.split(", add ").enumerate().all(|(place, action)| match place {
        0 => adds(action),
        _ => adds(&format!("add {action}")),
    })
}

/// Whether rows that an older release writes could be refused.
fn constrains(action: &str) -> bool {
    [" unique", " references ", " check ", " check(", " primary key", " drop ", " alter ", " rename "]
        .iter()
        .any(|word| action.contains(word))
}

#[test]
fn what_an_older_release_could_notice_is_told_from_what_only_adds() {
    for sql in [
        "create table notes (id bigint not null, constraint notes_pkey primary key (id));",
        "-- An order's; why.\nalter table orders add column note text;\ncomment on column orders.note is 'Whose? -- ours; drop table orders';",
        "alter table lanes add column note smallint not null default 0, add column more text;",
        "create index orders_by_note on orders (order_id) where version > 1;",
    ] {
        assert_eq!(what_is_not_added(sql), [""; 0], "{sql}");
    }
    for sql in [
        "alter table orders drop column facts;",
        "alter table orders rename column facts to truth;",
        "alter table orders add column note text not null;",
        "alter table orders add column note text, drop column facts;",
        "alter table orders add column note text unique;",
        "create table notes (order_id text references orders (order_id));",
        "alter table orders add constraint short check (version < 5);",
        "alter table orders alter column lines type json using lines::json;",
        "create unique index one_note on orders (order_id);",
        "drop index orders_by_deadline;",
        "update orders set version = 0;",
        "alter type status add value 'lent';",
    ] {
        assert_eq!(what_is_not_added(sql).len(), 1, "{sql}");
    }
    // What was released before this rule held is no example of it, but for some.
    let taken_away = |name: &str| what_is_not_added(&read(&repository().join("migrations").join(name)));
    assert_eq!(taken_away("0003_former_owners.sql"), [""; 0]);
    assert!(!taken_away("0005_facts_as_written.sql").is_empty());
}

#[tokio::test]
async fn a_worker_works_on_under_migrations_of_a_newer_release_that_only_add() {
    let stage = Stage::new("newer_database", 2).await;
    stage
        .execute(
            "alter table orders add column of_a_later_release text;
             insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (99991231, 'additive of another time', true, '', 0)",
        )
        .await;
    // It can be rolled back to: its own migration step has nothing to do, and its checks pass.
    assert_eq!(stage.run_command(&["migrate"]), "the database is at this version already\n");
    let checked = stage.run_command(&["check", "-o", "json"]);
    assert!(checked.contains("99991231 is a newer release's and only adds"), "{checked}");
    let worker = stage.worker("older");
    let mut producer = stage.producer().await;
    producer.send_json(&captured("ord-1", "cap-1")).expect("sent");
    producer.flush().expect("acknowledged");
    stage.all_published().await;
    assert!(worker.log().expect("a log").contains("migrations of a newer release, which only add"));
    stage.run_command(&["verify"]);
    stage.finish([worker]).await;
}
