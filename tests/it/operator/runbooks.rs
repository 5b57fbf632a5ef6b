//! The pages of `deploy/runbooks`: what they quote is what the program says, and each of them answers the same five questions.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use sqlx::Executor;

use crate::stage::Stage;

/// What every page says, in this order.
const SECTIONS: [&str; 5] = ["## What you see", "## What it means", "## At stake", "## What to do", "## Over when"];

#[test]
fn the_runbooks_quote_what_the_program_says_and_answer_the_same_questions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/runbooks");
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let index = std::fs::read_to_string(folder.join("README.md")).expect("an index");
    let mut wrong = String::new();
    let mut quotes = 0;
    for page in std::fs::read_dir(&folder).expect("the runbooks") {
        let path = page.expect("a page").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        if !index.contains(&format!("({name})")) {
            _ = writeln!(wrong, "{name} is not in the index");
        }
        for section in SECTIONS {
            if text.matches(section).count() != text.matches(SECTIONS[0]).count() {
                _ = writeln!(wrong, "{name}: as many `{section}` as `{}`", SECTIONS[0]);
            }
        }
        for line in text.lines().filter_map(|line| line.strip_prefix("> ")) {
            quotes += 1;
            let fragments = line.split('…').map(|fragment| fragment.trim_matches(|c| " `*".contains(c)));
            for fragment in fragments.filter(|fragment| fragment.len() > 6 && !sources.contains(*fragment)) {
                _ = writeln!(wrong, "{name}: nothing in src says `{fragment}`");
            }
        }
    }
    assert!(quotes > 15, "{quotes} quotes");
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn every_statement_that_a_runbook_gives_can_be_typed_as_it_stands() {
    let stage = Stage::bare("runbooks").await;
    stage.run_command(&["migrate"]);
    let mut connection = stage.database.connect().await.expect("the database is there");
    let mut statements = BTreeSet::new();
    for page in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/runbooks")).expect("the runbooks")
    {
        let text = std::fs::read_to_string(page.expect("a page").path()).expect("text");
        let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        statements.extend(quoted.filter(|one| one.starts_with("select ")).map(str::to_owned));
    }
    assert!(statements.len() >= 7, "{statements:?}");
    for statement in &statements {
        // Of a session that does not exist.
        let statement = statement.replace("(PID)", "(0)");
        if let Err(error) = connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone()))).await {
            panic!("`{statement}`: {error}");
        }
    }
    let unknown = connection.execute(sqlx::raw_sql("select lane from lane")).await;
    assert!(unknown.is_err(), "a statement that is wrong is refused");
}

/// All of the program's text, with strings that are broken over lines put together.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all += &sources(&path);
        } else {
            all += &std::fs::read_to_string(&path).expect("a source is text");
        }
    }
    all
}
