//! The rules of the house, read from the sources: what may stand where, and how much of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use orderstream_harness::mutants::table;

/// The packages that do I/O, each with the folders or files of `src/` that may name it.
const HOMES: [(&str, &[&str]); 9] = [
    ("sqlx", &["persist/"]),
    ("rdkafka", &["consume/", "publish/"]),
    ("rdkafka_sys", &["consume/", "publish/"]),
    ("apache_avro", &["decode/", "publish/"]),
    ("schema_registry_converter", &["decode/", "publish/"]),
    ("backoff", &["retry.rs"]),
    ("metrics_exporter_prometheus", &["metrics/"]),
    ("hyper", &["metrics/"]),
    ("hyper_util", &["metrics/"]),
];

/// What `order/` may use beside the standard library and itself.
const CORE_IMPORTS: [&str; 2] = ["serde", "crate::ids"];

/// The most lines of a file: past that it splits along a seam that has a name.
const MAX_LINES: usize = 350;

/// What stands at the top of the repository, beside hidden files and what is built.
const TOP: [&str; 10] =
    ["Cargo.lock", "Cargo.toml", "LICENSE", "Makefile", "README.md", "deploy", "migrations", "schemas", "src", "tests"];

struct Source {
    /// Below the repository, as in `src/ids.rs`.
    name: String,
    text: String,
}

impl Source {
    /// Its place below `src/`.
    fn place(&self) -> &str {
        self.name.strip_prefix("src/").unwrap_or(&self.name)
    }

    /// Whether it is compiled for tests alone.
    fn is_test(&self) -> bool {
        self.name.starts_with("tests/") || self.name.contains("/tests/") || self.name.ends_with("/tests.rs")
    }

    /// Its lines of code, numbered from 1, without comments and without the module of tests at its end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let until = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        (1..).zip(self.text[..until].lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below these folders of the repository.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| repository().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(repository()).expect("below it").to_string_lossy().into_owned();
                sources.push(Source { name, text: std::fs::read_to_string(&path).expect("a source is text") });
            }
        }
    }
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    sources
}

/// Whether a line of code names a package: `package::` as a path's beginning, or `use package`.
fn names_package(line: &str, package: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(package).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + package.len()..];
        let begins = !before.is_some_and(|c| is_name(c) || c == '"');
        let is_path = after.starts_with("::") && !line[..at].ends_with("::");
        let is_import =
            line.trim_start().starts_with("use ") && !after.starts_with(is_name) && line[..at].ends_with("use ");
        begins && (is_path || is_import)
    })
}

#[test]
fn a_package_is_recognised_in_paths_and_imports_and_nowhere_else() {
    for line in ["use sqlx::Row;", "    let x: sqlx::Error = e;", "use sqlx as db;", "pub use sqlx::PgConnection;"] {
        assert!(names_package(line, "sqlx"), "{line}");
    }
    for line in ["use crate::sqlx::Row;", "my_sqlx::Row", "let sqlx = 1;", "use rdkafka_sys as native;", "\"sqlx::x\""]
    {
        assert!(!names_package(line, "sqlx") && !names_package(line, "rdkafka"), "{line}");
    }
}

fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn every_package_that_does_io_has_one_home() {
    let mut strays = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !source.is_test()) {
        for (package, homes) in HOMES {
            if homes.iter().any(|home| source.place().starts_with(home)) {
                continue;
            }
            let named = source.code().filter(|(_, line)| names_package(line, package));
            strays.extend(named.map(|(number, line)| format!("{}:{number}: {}", source.name, line.trim())));
        }
    }
    assert_none(&strays, "sqlx in persist/, rdkafka in consume/ and publish/, and so on (STYLE)");
}

#[test]
fn the_core_uses_nothing_but_itself_serde_and_our_ids() {
    let mut strays = Vec::new();
    for source in sources(&["src/order"]).iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code() {
            let Some(import) = line.trim_start().strip_prefix("use ").or(line.trim_start().strip_prefix("pub use "))
            else {
                continue;
            };
            let inside = ["std::", "super::", "self::", "crate::order::", "crate::order;"];
            let allowed = inside.iter().chain(&CORE_IMPORTS).any(|begin| import.starts_with(begin));
            let own_module = import.starts_with(|c: char| c.is_lowercase()) && !import.starts_with("crate::");
            let own_module =
                own_module && source.text.contains(&format!("mod {};", import.split("::").next().unwrap_or("")));
            if !allowed && !own_module {
                strays.push(format!("{}:{number}: {}", source.name, line.trim()));
            }
        }
    }
    assert_none(&strays, "order/ is pure: no I/O, no clock, no logging");
}

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    let sources = sources(&["src", "tests/it", "tests/harness/src", "tests/fuzz"]);
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(&silent.map(|source| source.name.clone()).collect::<Vec<_>>(), "a file opens with `//!`");
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let sources = sources(&["src", "tests/it", "tests/harness/src", "tests/fuzz"]);
    let lengths = sources.iter().map(|source| (source.text.lines().count(), &source.name));
    let long = lengths.filter(|(lines, _)| *lines > MAX_LINES).map(|(lines, name)| format!("{name}: {lines} lines"));
    assert_none(&long.collect::<Vec<_>>(), "at most 350 lines a file: split it along a seam that has a name");
}

#[test]
fn nothing_is_unwrapped_outside_of_tests() {
    let mut unwrapped = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !source.is_test()) {
        let lines = source.code().filter(|(_, line)| line.contains(".unwrap()"));
        unwrapped.extend(lines.map(|(number, line)| format!("{}:{number}: {}", source.name, line.trim())));
    }
    assert_none(&unwrapped, "`expect` says what makes it impossible");
}

#[test]
fn the_top_of_the_repository_is_what_the_user_chose() {
    let entries = std::fs::read_dir(repository()).expect("the repository");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let visible = names.filter(|name| !name.starts_with('.') && name != "target");
    let strays: Vec<String> = visible.filter(|name| !TOP.contains(&name.as_str())).collect();
    assert_none(&strays, "everything else finds its home below");
}

#[test]
fn the_scenarios_are_all_there() {
    let read = |name: &str| {
        let path = repository().join("tests/scenarios").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    assert!(read("README.md").contains("named.json"));
    for (name, at_least) in [("named.json", 40), ("random.json", 400)] {
        let cases: Vec<serde_json::Value> = serde_json::from_str(&read(name)).expect("an array of cases");
        let names: BTreeSet<&str> = cases.iter().filter_map(|case| case["name"].as_str()).collect();
        assert!(cases.len() >= at_least, "{name} has {} cases", cases.len());
        assert_eq!(names.len(), cases.len(), "{name}: every case has a name of its own");
    }
}

#[test]
fn every_mutant_still_applies_and_the_tests_that_must_catch_it_exist() {
    let mutants = table::read(repository()).expect("the table of mutants");
    let sources = sources(&["src", "tests/it"]);
    let mut names = BTreeSet::new();
    for mutant in &mutants {
        assert!(names.insert(&mutant.name), "`{}` is there twice", mutant.name);
        assert!(!mutant.edits.is_empty() && !mutant.caught_by.is_empty(), "`{}` says too little", mutant.name);
        mutant.files(repository()).expect("its text occurs once");
        for test in &mutant.caught_by {
            let (module, name) = test.rsplit_once("::").expect("the path of a test");
            let (folder, module) = match module.strip_prefix("it::") {
                Some(module) => ("tests/it/", module),
                None => ("src/", module.trim_end_matches("::tests")),
            };
            let place = format!("{folder}{}", module.replace("::", "/"));
            let is_there =
                |source: &Source| source.name.starts_with(&place) && source.text.contains(&format!("fn {name}("));
            assert!(sources.iter().any(is_there), "`{}`: there is no test `{test}`", mutant.name);
        }
    }
}

/// Everything between backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The README and every page below `deploy/`, by name.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec![repository().join("README.md")];
    let mut folders = vec![repository().join("deploy")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a folder of the repository");
        let (below, files): (Vec<_>, Vec<_>) =
            entries.map(|entry| entry.expect("an entry").path()).partition(|path| path.is_dir());
        folders.extend(below);
        pages.extend(files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let name = |path: &PathBuf| path.strip_prefix(repository()).expect("below it").to_string_lossy().into_owned();
    pages.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a page is text"))).collect()
}

#[test]
fn the_pages_name_only_tests_and_files_that_exist() {
    let sources = sources(&["src", "tests"]);
    let is_test_name = |word: &&str| {
        word.matches('_').count() >= 4
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !word.starts_with("orderstream_")
    };
    let exists = |name: &str| sources.iter().any(|source| source.text.contains(&format!("fn {name}(")));
    let is_path = |word: &&str| {
        ["src/", "tests/", "deploy/", "schemas/", "migrations/"].iter().any(|top| word.starts_with(top))
            && !word.contains(['*', ' ', '{', '<'])
    };
    let (mut missing, mut tests, mut files) = (Vec::new(), 0, 0);
    for (page, text) in pages() {
        // With its modules before it, as the tests' own output names it.
        for name in quoted(&text).filter_map(|word| word.rsplit("::").next()).filter(is_test_name) {
            tests += 1;
            missing.extend((!exists(name)).then(|| format!("{page}: test `{name}`")));
        }
        for path in quoted(&text).filter(is_path) {
            files += 1;
            missing.extend((!repository().join(path).exists()).then(|| format!("{page}: file `{path}`")));
        }
    }
    assert_none(&missing, "a page names what does not exist");
    assert!(tests > 40 && files > 40, "{tests} tests and {files} files");
}

#[test]
fn the_page_of_the_guarantee_names_every_mutant_and_no_other() {
    let page = std::fs::read_to_string(repository().join("deploy/guarantee.md")).expect("the page");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(3));
    let named: BTreeSet<&str> = cells.flat_map(quoted).collect();
    let mutants = table::read(repository()).expect("the table of mutants");
    assert_eq!(named, mutants.iter().map(|mutant| mutant.name.as_str()).collect());
}
