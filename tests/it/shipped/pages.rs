//! The pages for people: each command of ours that they name is one, with these options, each link leads somewhere, and the answers
//! that they show are those that are given.
//!
//! A command is asked for its help with all of its words: the program then looks at every word, and does nothing. Invariant: pages and
//! manifests are found by looking.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value as Json;

use super::kubernetes::Manifests;
use super::{orderstream, place, text, text_of, verdict};

/// The README and every text below `deploy`.
fn texts() -> Vec<(String, String)> {
    let mut found = vec![place("README.md")];
    let mut folders = vec![place("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    let name = |path: &PathBuf| path.strip_prefix(place("")).expect("below it").to_string_lossy().into_owned();
    let text =
        |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    found.iter().map(|path| (name(path), text(path))).collect()
}

/// The lines of a page that are code as a whole.
fn code(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        fenced || line.starts_with("    ")
    })
}

/// What is written between backticks, on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The commands of ours in a text, each as its words behind the program's name.
fn commands(name: &str, text: &str) -> Vec<Vec<String>> {
    // Also as the services of the Compose file and in a pod.
    let begin = Regex::new(r"(?:(?:^\s*|-- |\$ |&& |\w=\S+ )orderstream|run --rm ask) (.+)$").expect("a pattern");
    let lines = if name.ends_with(".md") { code(text).collect::<Vec<_>>() } else { Vec::new() };
    let candidates = quoted(text).chain(lines).filter(|one| !one.trim_start().starts_with('#'));
    let rests = candidates.filter_map(|one| begin.captures(one).map(|found| found[1].to_owned()));
    rests.map(|rest| split(&rest)).filter(|words| !words.is_empty()).collect()
}

/// The words of a shell's line, up to where another command or a remark begins.
fn split(line: &str) -> Vec<String> {
    let word = Regex::new(r#""([^"]*)"|'([^']*)'|(\S+)"#).expect("a pattern");
    let mut words = Vec::new();
    for found in word.captures_iter(line) {
        let bare = found.get(3).map(|bare| bare.as_str());
        if bare.is_some_and(|bare| bare.starts_with(['|', '>', '<', ';', '#', '&', '·', '('])) {
            break;
        }
        let quoted = found.get(1).or(found.get(2)).map(|quoted| quoted.as_str());
        words.push(quoted.or(bare).expect("one of them").trim_end_matches([',', ';', ')', '.', '`']).to_owned());
    }
    words
}

/// A word that stands for another, as one that the option before it takes.
fn meant(word: &str, option: Option<&str>) -> String {
    match (word, option) {
        ("…" | "STATUS", Some("--status")) => "CANCELLED".to_owned(),
        ("…" | "REASON", Some("--attention")) => "overpaid".to_owned(),
        ("…", Some("--from" | "--to")) => "2026-01-02".to_owned(),
        ("…" | "LIMIT", Some("--older-than")) => "7d".to_owned(),
        ("ID" | "N" | "…", _) => "1".to_owned(),
        (other, _) => other.to_owned(),
    }
}

/// Whether the program knows a command.
fn known(words: &[String]) -> Result<String, String> {
    let mut option = None;
    let mut command = orderstream();
    for word in words {
        command.arg(meant(word, option));
        option = Some(word.as_str());
    }
    verdict(command.arg("--help"))
}

#[test]
fn every_command_that_a_page_or_a_manifest_names_is_one_with_these_options() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (name, text) in texts() {
        for words in commands(&name, &text) {
            seen += 1;
            if let Err(said) = known(&words) {
                let reason = said.lines().find(|line| line.starts_with("error")).unwrap_or(&said).to_owned();
                wrong.push(format!("{name}: orderstream {}: {reason}", words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "{seen} commands");

    let page = "Do `orderstream recover --republsh --yes`, then\n\n    orderstream order explian ID | less\n";
    let found = commands("page.md", page);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(known(&found[0]).expect_err("no such option").contains("--republsh"));
    assert!(known(&found[1]).expect_err("no such command").contains("explian"));
}

#[test]
fn the_readme_has_every_exit_code_that_the_program_tells() {
    let help = verdict(orderstream().arg("--help")).expect("it helps");
    let told = help.split("Exit codes: ").nth(1).expect("it tells its exit codes");
    let told: BTreeSet<&str> = told.split([' ', ',', '\n']).filter(|word| word.parse::<u8>().is_ok()).collect();
    let readme = text_of("README.md");
    let table = readme.split("| exit code | means |\n|---|---|\n").nth(1).expect("a table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
    assert_eq!(rows.collect::<BTreeSet<_>>(), told);
    assert!(told.len() > 5, "{told:?}");
}

#[test]
fn every_object_that_a_page_names_to_kubectl_is_one_that_is_built() {
    let mut built = BTreeSet::new();
    for manifests in Manifests::all() {
        let objects = manifests.objects.iter();
        built.extend(
            objects.map(|one| format!("{}/{}", text(&one["kind"]).to_lowercase(), text(&one["metadata"]["name"]))),
        );
    }
    let named = Regex::new(r"\b(?:deployment|statefulset|scaledobject|job)/[a-z][a-z-]*").expect("a pattern");
    let mut seen = 0;
    for (name, page) in texts() {
        for line in page.lines().filter(|line| line.contains("kubectl")) {
            for object in named.find_iter(line) {
                seen += 1;
                assert!(built.contains(object.as_str()), "{name}: nothing makes `{}`", object.as_str());
            }
        }
    }
    assert!(seen > 8, "{seen} objects");
    assert!(!built.contains("deployment/orderstrem"));
}

#[test]
fn the_pods_that_a_page_looks_for_are_the_workers_of_every_overlay() {
    let label = Regex::new(r"get pods -l ([^=\s`]+)=([^\s`]+)").expect("a pattern");
    let mut seen = 0;
    for (name, page) in texts() {
        for found in label.captures_iter(&page) {
            seen += 1;
            for manifests in Manifests::all() {
                let makes_pods = |one: &&Json| one["spec"]["template"]["metadata"]["labels"][&found[1]] == found[2];
                let pods: Vec<String> = manifests
                    .objects
                    .iter()
                    .filter(makes_pods)
                    .map(|one| text(&one["spec"]["template"]["spec"]["containers"][0]["args"][0]).to_owned())
                    .collect();
                assert!(!pods.is_empty() && pods.iter().all(|command| command == "run"), "{name}: {pods:?}");
            }
        }
    }
    assert!(seen > 0, "no page looks for pods");
}

#[test]
fn what_the_night_shows_of_a_check_is_what_a_check_says_line_by_line() {
    let page = text_of("deploy/night.md");
    let shown =
        page.split("$ orderstream check\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an answer");
    // Without a server it says what concerns the configuration, and this file is a sound one.
    let example = place("deploy/orderstream.example.toml");
    let said = verdict(orderstream().args(["check", "--offline", "--config"]).arg(example)).expect("it is sound");
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).take(3).collect::<Vec<_>>().join("|")
    };
    let rows = |text: &str| -> Vec<String> {
        text.lines().map(cells).filter(|row| row.starts_with("configuration|")).collect()
    };
    assert_eq!(rows(shown), rows(&said), "{said}");
    assert!(rows(&said).len() > 1, "{said}");
}

#[test]
fn what_the_night_shows_of_an_order_has_the_labels_of_the_program_in_their_order() {
    let page = text_of("deploy/night.md");
    let block = page.split("$ orderstream order show").nth(1).and_then(|rest| rest.split("```").next());
    let label = Regex::new(r"(?m)^([a-z]+(?: [a-z]+)*) {2,}\S").expect("a pattern");
    let shown: Vec<&str> =
        label.captures_iter(block.expect("an answer")).map(|found| found.extract::<1>().1[0]).collect();
    let source = text_of("src/cli/order/show.rs");
    let source = source.split("\n#[cfg(test)]").next().expect("the program");
    // What a table or a list of fields begins with.
    let said = Regex::new(r#"(?:\(|\(&\[)"([a-z]+(?: [a-z]+)*)", "#).expect("a pattern");
    let mut labels = said.captures_iter(source).map(|found| found.extract::<1>().1[0]);
    for one in &shown {
        assert!(labels.any(|label| label == *one), "`{one}` is no label of `order show`, or stands elsewhere");
    }
    // The last block too.
    assert_eq!((shown.first(), shown.last()), (Some(&"payment"), Some(&"first heard of")), "{shown:?}");
}

/// Where a page's links lead, as they stand there; those into the net are others' business.
fn links(page: &str) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let all = link.captures_iter(page).map(|found| found[1].to_owned());
    all.filter(|to| !to.contains("://")).collect()
}

/// The headings of a page, as a link names them.
fn headings(page: &str) -> impl Iterator<Item = String> {
    let titles = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    titles.map(move |title| title.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect())
}

#[test]
fn every_link_of_a_page_leads_to_a_file_or_a_heading_and_every_page_is_in_the_index() {
    let index = std::fs::read_to_string(place("deploy/README.md")).expect("the index");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let pages: Vec<_> = texts().into_iter().filter(|(name, _)| name.ends_with(".md")).collect();
    for (name, page) in &pages {
        let folder = place(name).parent().expect("a folder").to_owned();
        for to in links(page) {
            seen += 1;
            let (file, heading) = to.split_once('#').map_or((to.as_str(), None), |(file, at)| (file, Some(at)));
            let file = if file.is_empty() { place(name) } else { folder.join(file) };
            let has = |at: &str| std::fs::read_to_string(&file).is_ok_and(|page| headings(&page).any(|one| one == at));
            if !file.exists() || heading.is_some_and(|at| !has(at)) {
                wrong.push(format!("{name}: {to}"));
            }
        }
        let below = Path::new(name).strip_prefix("deploy").map(|below| below.to_string_lossy().into_owned());
        let Ok(below) = below else { continue };
        // The pages of a folder are its README's to name.
        let is_named = |name: &str| links(&index).iter().any(|to| to == name);
        let of_folder = below.split_once('/').map(|_| Path::new(&below).with_file_name("README.md"));
        let of_folder = of_folder.is_some_and(|readme| is_named(&readme.to_string_lossy()));
        if below != "README.md" && !is_named(&below) && !of_folder {
            wrong.push(format!("{name} is not in deploy/README.md"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "{seen} links");
    assert_eq!(links("[a](b.md) [c](https://d) [e](#f) ![g](h/i.svg)"), ["b.md", "#f", "h/i.svg"]);
    assert_eq!(headings("## Stopping, asking\nand\n# `a` b-c").collect::<Vec<_>>(), ["stopping-asking", "a-b-c"]);
}
