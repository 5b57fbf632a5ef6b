//! The pages of `deploy/runbooks`: what they quote is what the program says and stands in their index, each of them answers the same
//! five questions, and what they say of an alert is what the alert says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use regex::Regex;
use sqlx::Executor;

use crate::stage::Stage;

/// What every page says, in this order.
const SECTIONS: [&str; 5] = ["## What you see", "## What it means", "## At stake", "## What to do", "## Over when"];

#[test]
fn the_runbooks_quote_what_the_program_says_and_answer_the_same_questions() {
    let sources = sources(&place("src"));
    let index = text_of("deploy/runbooks/README.md");
    let mut wrong = String::new();
    let mut quotes = 0;
    for (name, text) in runbooks() {
        if !index.contains(&format!("({name})")) {
            _ = writeln!(wrong, "{name} is not in the index");
        }
        for section in SECTIONS {
            if text.matches(section).count() != text.matches(SECTIONS[0]).count() {
                _ = writeln!(wrong, "{name}: as many `{section}` as `{}`", SECTIONS[0]);
            }
        }
        for line in quotes_of(&text) {
            quotes += 1;
            let fragments = line.split('…').map(|fragment| fragment.trim_matches(|c| " `*".contains(c)));
            for fragment in fragments.filter(|fragment| fragment.len() > 6 && !sources.contains(*fragment)) {
                _ = writeln!(wrong, "{name}: nothing in src says `{fragment}`");
            }
        }
    }
    assert!(quotes > 60, "{quotes} quotes");
    assert!(wrong.is_empty(), "{wrong}");
}

/// A row of the index: a part of what the log says, and the pages that quote it.
struct Row {
    says: String,
    pages: Vec<String>,
}

impl Row {
    /// The rows of the table `What the log says`.
    fn all(index: &str) -> Vec<Self> {
        let link = Regex::new(r"\]\(([a-z-]+\.md)\)").expect("a pattern");
        let table = index.split("## What the log says").nth(1).and_then(|rest| rest.split("\n## ").next());
        let lines = table.expect("the table").lines().filter(|line| line.starts_with("| ")).skip(1);
        let row = |line: &str| {
            let says = line.trim_start_matches("| ").split(" | ").next().expect("a first cell").to_owned();
            Self { says, pages: link.captures_iter(line).map(|found| found[1].to_owned()).collect() }
        };
        lines.map(row).collect()
    }
}

/// What the index lacks of these pages, and what it has beyond them.
fn gaps(index: &str, pages: &[(String, String)]) -> String {
    let rows = Row::all(index);
    let mut wrong = String::new();
    for (name, text) in pages {
        for quote in quotes_of(text) {
            if !rows.iter().any(|row| quote.contains(&row.says) && row.pages.contains(name)) {
                _ = writeln!(wrong, "no row of the index leads from `{quote}` to {name}");
            }
        }
    }
    for Row { says, pages: of_row } in rows {
        for page in &of_row {
            let text = pages.iter().find(|(name, _)| name == page).map_or("", |(_, text)| text);
            if !quotes_of(text).any(|quote| quote.contains(&says)) {
                _ = writeln!(wrong, "the index leads from `{says}` to {page}, which does not quote it");
            }
        }
    }
    wrong
}

#[test]
fn whatever_a_runbook_quotes_is_found_in_the_index_and_leads_to_that_runbook() {
    let index = text_of("deploy/runbooks/README.md");
    let pages = runbooks();
    let wrong = gaps(&index, &pages);
    assert!(wrong.is_empty(), "{wrong}");

    let without = index.replacen("| somebody else moved it |", "| somebody else removed it |", 1);
    let wrong = gaps(&without, &pages);
    assert!(wrong.contains("leads from `checkpoint of") && wrong.contains("does not quote it"), "{wrong}");
}

#[test]
fn the_page_of_stuck_orders_asks_with_the_limits_of_the_alert() {
    let rule = Regex::new(r"order_age:limit.*status: (\w+).*vector\((?:(\d+) \* )?86400\)").expect("a pattern");
    let alerts = text_of("deploy/prometheus/alerts.yaml");
    let days = |found: &regex::Captures<'_>| found.get(2).map_or("1", |days| days.as_str()).to_owned();
    let limits: BTreeMap<String, String> =
        rule.captures_iter(&alerts).map(|found| (found[1].to_owned(), format!("{}d", days(&found)))).collect();
    let row = Regex::new(r"(?m)^\| `([A-Z_]+)` \| (\d+d) \| ").expect("a pattern");
    let page = text_of("deploy/runbooks/orders-stuck.md");
    let said: BTreeMap<String, String> =
        row.captures_iter(&page).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
    assert_eq!(limits, said);
    assert_eq!(limits.len(), alerts.matches("record: \"orderstream:order_age:limit\"").count(), "{limits:?}");
    let example = Regex::new(r"--status ([A-Z_]+) --older-than (\d+d)").expect("a pattern");
    let examples: Vec<_> =
        example.captures_iter(&page).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
    assert!(!examples.is_empty());
    for (status, limit) in &examples {
        assert_eq!(limits.get(status), Some(limit), "{status}");
    }
}

#[tokio::test]
async fn every_statement_that_a_runbook_gives_can_be_typed_as_it_stands() {
    let stage = Stage::bare("runbooks").await;
    stage.run_command(&["migrate"]);
    let mut connection = stage.database.connect().await.expect("the database is there");
    let mut statements = BTreeSet::new();
    for text in runbooks().into_iter().map(|(_, text)| text).chain([text_of("deploy/runbooks/README.md")]) {
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

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The pages but their index, by file name.
fn runbooks() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(place("deploy/runbooks")).expect("the runbooks");
    let names = entries.map(|entry| entry.expect("a page").file_name().to_string_lossy().into_owned());
    let pages = names.filter(|name| name != "README.md");
    pages.map(|name| (name.clone(), text_of(&format!("deploy/runbooks/{name}")))).collect()
}

/// What a page says that the program says.
fn quotes_of(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| line.strip_prefix("> "))
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
