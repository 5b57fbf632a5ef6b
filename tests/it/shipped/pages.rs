//! The pages for people: each command of ours that they name is one, with these options, and each link leads somewhere.
//!
//! A command is asked for its help with all of its words: the program then looks at every word, and does nothing. Invariant: pages and
//! manifests are found by looking.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::kubernetes::Manifests;
use super::{orderstream, place, text, verdict};

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
        ("…", Some("--older-than")) => "7d".to_owned(),
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

/// Where a page's links lead, as they stand there; those into the net are others' business.
fn links(page: &str) -> Vec<String> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let all = link.captures_iter(page).map(|found| found[1].to_owned());
    all.filter(|to| !to.contains("://") && !to.starts_with('#')).collect()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_every_page_is_in_the_index() {
    let index = std::fs::read_to_string(place("deploy/README.md")).expect("the index");
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let pages: Vec<_> = texts().into_iter().filter(|(name, _)| name.ends_with(".md")).collect();
    for (name, page) in &pages {
        let folder = place(name).parent().expect("a folder").to_owned();
        for to in links(page) {
            seen += 1;
            let file = to.split('#').next().expect("a first part");
            if !folder.join(file).exists() {
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
    assert_eq!(links("[a](b.md) [c](https://d) [e](#f) ![g](h/i.svg)"), ["b.md", "h/i.svg"]);
}
