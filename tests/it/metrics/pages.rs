//! Every alert leads whoever it wakes to a page that knows it, and the index of pages says of it what it says itself.
//!
//! Invariant: nothing here needs a server.

use std::collections::BTreeSet;

use super::{RULES, place, text_of};

/// What stands before a page's path until somebody puts the address of their own repository there.
const BASE: &str = "https://git.example.internal/orderstream/blob/main/";
const INDEX: &str = "deploy/runbooks/README.md";

/// An alert, as the file of rules has it.
#[derive(Debug, PartialEq, Eq)]
struct Alert {
    name: String,
    severity: String,
    /// The page's address.
    page: String,
}

fn alerts(rules: &str) -> Vec<Alert> {
    let of = |rule: &str, key: &str| {
        let mut values = rule.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        let value = values.next().unwrap_or_else(|| panic!("no `{key}` in: {rule}"));
        assert!(values.next().is_none(), "more than one `{key}` in: {rule}");
        value.to_owned()
    };
    // A rule goes on to where its group or the next rule begins.
    let rules = rules.split("      - alert: ").skip(1);
    let rules = rules.map(|rule| rule.split("\n  - name: ").next().expect("a first part"));
    let named = rules.map(|rule| {
        let name = rule.lines().next().expect("a name").to_owned();
        Alert { name, severity: of(rule, "severity"), page: of(rule, "runbook_url") }
    });
    named.collect()
}

/// The rows of the index's table of alerts: name, severity, page.
fn rows(index: &str) -> Vec<Alert> {
    let rows = index.lines().filter_map(|line| line.strip_prefix("| `Orderstream"));
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, severity, _, page, _] = cells[..] else { panic!("a row of other cells: {row}") };
        let page = page.split_once("](").and_then(|(_, rest)| rest.strip_suffix(')')).expect("a link");
        let name = format!("Orderstream{}", name.trim_end_matches('`'));
        Alert { name, severity: severity.to_owned(), page: format!("{BASE}deploy/runbooks/{page}") }
    });
    rows.collect()
}

#[test]
fn every_alert_names_a_page_that_knows_it_and_stands_in_the_index_with_its_severity() {
    let rules = text_of(RULES);
    assert!(rules.contains(&format!("s|{}|", BASE.trim_end_matches('/'))), "the file says how the base is replaced");
    let alerts = alerts(&rules);
    assert!(alerts.len() == rules.matches("- alert: ").count() && alerts.len() > 15, "{} are read", alerts.len());
    for alert in &alerts {
        assert!(["critical", "warning"].contains(&alert.severity.as_str()), "{alert:?}");
        let path = alert.page.strip_prefix(BASE).unwrap_or_else(|| panic!("another base: {alert:?}"));
        assert!(place(path).is_file(), "there is no such page: {alert:?}");
        assert!(text_of(path).contains(&format!("`{}`", alert.name)), "{path} does not know {}", alert.name);
    }
    let rows = rows(&text_of(INDEX));
    let lacking: Vec<&Alert> = alerts.iter().filter(|alert| !rows.contains(alert)).collect();
    assert!(lacking.is_empty(), "not so in {INDEX}: {lacking:?}");
    let names: BTreeSet<&String> = alerts.iter().map(|alert| &alert.name).collect();
    let gone: Vec<&Alert> = rows.iter().filter(|row| !names.contains(&row.name)).collect();
    assert!(gone.is_empty(), "{INDEX} has alerts that are none: {gone:?}");
}

#[test]
fn another_severity_and_another_page_are_found() {
    let row = |severity: &str, page: &str| {
        rows(&format!("| `OrderstreamNoWorker` | {severity} | nobody | [{page}]({page}) |\n")).remove(0)
    };
    let rule =
        "      - alert: OrderstreamNoWorker\n        labels:\n          severity: critical\n        annotations:\n";
    let found = alerts(&format!("{rule}          runbook_url: {BASE}deploy/runbooks/a.md\n")).remove(0);
    assert_eq!(found, row("critical", "a.md"));
    assert_ne!(found, row("warning", "a.md"));
    assert_ne!(found, row("critical", "b.md"));
}
