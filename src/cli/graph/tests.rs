//! The drawing: the one in the README is the one that is drawn, every status is in each form, and labels stay short.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::order::Status;
use crate::order::tests::ways::WAYS;

fn drawing(form: Form, late: bool) -> String {
    let ways: Vec<Way> = WAYS.iter().filter(|way| late || way.is_ordinary()).cloned().collect();
    written(&ways, form)
}

#[test]
fn the_readme_holds_the_drawing_that_this_program_makes() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let held = readme.split("```mermaid\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a drawing");
    let fresh = drawn(&GraphArgs::default());
    assert!(held == fresh, "the ways between the statuses changed: put this into the README\n{fresh}");
}

#[test]
fn every_status_is_drawn_once_and_terminal_ones_differ() {
    let (mermaid, dot) = (drawing(Form::Mermaid, false), drawing(Form::Dot, false));
    for status in Status::ALL {
        let (node, point) = match status.is_terminal() {
            true => (format!("    {status}[[{status}]]\n"), format!("    {status} [peripheries=2];\n")),
            false => (format!("    {status}({status})\n"), format!("    {status};\n")),
        };
        assert_eq!((mermaid.matches(&node).count(), dot.matches(&point).count()), (1, 1), "{status}");
    }
    assert!(dot.starts_with("digraph ") && dot.ends_with("}\n"), "{dot}");
    assert!(!mermaid.contains("-.->") && !dot.contains("dashed"), "no late way unless asked for");
}

#[test]
fn a_way_that_is_only_taken_late_is_dashed_and_every_form_has_the_same_ways() {
    let json: Value = serde_json::from_str(&drawing(Form::Json, true)).expect("JSON");
    let ways = json.as_array().expect("an array");
    let late = ways.iter().filter(|way| way["causes"].as_array().is_some_and(Vec::is_empty)).count();
    let (mermaid, dot) = (drawing(Form::Mermaid, true), drawing(Form::Dot, true));
    assert!(late > 0 && late < ways.len(), "{late} of {}", ways.len());
    assert_eq!((mermaid.matches("-.->|").count(), dot.matches("style=dashed").count()), (late, late));
    assert_eq!(mermaid.matches(">|").count(), ways.len());
    assert_eq!(dot.matches("[label=").count(), ways.len());
    assert!(ways.iter().all(|way| way["example"].as_array().is_some_and(|example| !example.is_empty())));
}

#[test]
fn a_label_names_a_few_causes_and_counts_the_others() {
    for way in WAYS.iter() {
        let (label, most) = (label(way), if way.is_ordinary() { SHOWN } else { SHOWN_LATE });
        let causes = if way.is_ordinary() { way.causes.len() } else { way.late_causes.len() };
        assert!((1..=most + 1).contains(&label.len()), "{label:?}");
        if causes > label.len() {
            assert_eq!(label.last(), Some(&format!("and {} more", causes - most)));
        }
    }
}
