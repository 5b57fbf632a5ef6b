//! The metrics, seen from where they are used: by name in what `deploy` ships, by a real Prometheus, on a lane that stands still.
//!
//! | question | file |
//! |---|---|
//! | do dashboards, alerts and pages name only what exists, and is every metric and label value set somewhere | [`names`] |
//! | do rules and panels work in a real Prometheus, and does a worker show every metric and no more series than it says | [`served`] |
//! | does every alert lead to a page that knows it, and say in the index what it says itself | [`pages`] |
//! | do alerts fire when something really goes wrong | [`firing`] |
//! | is the lag of a lane that stands still true | [`lag`] |
//!
//! [`promql`] reads what an expression names; [`prometheus`] is the server.

mod firing;
mod lag;
mod names;
mod pages;
mod prometheus;
mod promql;
mod served;

use std::path::{Path, PathBuf};

/// A file or folder of the repository.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The alerts, and what they record.
const RULES: &str = "deploy/prometheus/alerts.yaml";
/// The dashboards in `deploy/grafana`.
const DASHBOARDS: [&str; 3] = ["lane", "orders", "pipeline"];

/// Every expression of a dashboard, of its panels and of its variables, each with where it stands.
fn expressions_of(dashboard: &str) -> Vec<(String, String)> {
    let name = format!("deploy/grafana/{dashboard}.json");
    let read: serde_json::Value = serde_json::from_str(&text_of(&name)).expect("a dashboard is JSON");
    let mut found = Vec::new();
    for panel in read["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            found.push((format!("{name}, `{}`", panel["title"].as_str().expect("a title")), expression.to_owned()));
        }
    }
    for variable in read["templating"]["list"].as_array().expect("variables") {
        let query = variable["query"]["query"].as_str().and_then(|query| query.strip_prefix("label_values("));
        if let Some((selector, label)) = query.and_then(|query| query.strip_suffix(')')?.rsplit_once(',')) {
            found.push((format!("{name}, a variable"), format!("count by ({}) ({selector})", label.trim())));
        }
    }
    found
}

/// What a dashboard writes beside its lines, each with its expression and where it stands.
fn legends_of(dashboard: &str) -> Vec<(String, String, String)> {
    let name = format!("deploy/grafana/{dashboard}.json");
    let read: serde_json::Value = serde_json::from_str(&text_of(&name)).expect("a dashboard is JSON");
    let mut found = Vec::new();
    for panel in read["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let word = |key: &str| target[key].as_str().unwrap_or_else(|| panic!("{name}: no `{key}`")).to_owned();
            let place = format!("{name}, `{}`", panel["title"].as_str().expect("a title"));
            found.push((place, word("expr"), word("legendFormat")));
        }
    }
    found
}

/// The expressions of the file of rules, each with where it stands.
fn expressions_of_rules() -> Vec<(String, String)> {
    let text = text_of(RULES);
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((before, after)) = line.split_once("expr: ") else { continue };
        let place = format!("alerts.yaml:{}", index + 1);
        let expression = match after.trim() {
            "|" | ">-" => {
                let below = lines[index + 1..].iter();
                let block = below.take_while(|line| line.len() - line.trim_start().len() > before.len());
                block.copied().collect::<Vec<_>>().join("\n")
            }
            // A rule on one line.
            inline if before.contains('{') => inline.trim_end_matches(" }").to_owned(),
            inline => inline.to_owned(),
        };
        found.push((place, expression));
    }
    found
}
