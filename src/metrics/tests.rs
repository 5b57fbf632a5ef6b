//! The table is sound, and everything in it can be seen from the first scrape on.

use std::collections::BTreeSet;

use super::*;
use crate::consume::tenure::End;
use crate::decode::Reason;
use crate::ids::Lane;
use crate::order::Source;
use crate::order::attention::Attention;
use crate::order::obligation::ObligationKind;
use crate::order::status::Status;
use crate::persist::census::UNCHANGED_FOR;

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().map(|metric| metric.row())
}

#[test]
fn names_say_unit_and_kind_as_prometheus_wants_them() {
    for row in rows() {
        let legal = row.name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(legal && row.name.starts_with("orderstream_"), "{}", row.name);
        assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{}", row.name);
        assert!(!row.name.ends_with("_count") && !row.name.ends_with("_sum"), "{}", row.name);
        assert!(row.help.ends_with('.') && !row.help.contains('\n'), "{}", row.name);
    }
}

#[test]
fn a_name_is_there_once_and_so_is_each_value_of_a_label() {
    let names: BTreeSet<&str> = rows().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len());
    for label in rows().flat_map(|row| row.labels) {
        let values: BTreeSet<&str> = label.values.iter().copied().collect();
        assert_eq!(values.len(), label.values.len(), "{}", label.name);
    }
}

#[test]
fn the_lane_is_the_only_label_without_a_list_so_cardinality_is_bounded() {
    let open: BTreeSet<&str> =
        rows().flat_map(|row| row.labels).filter(|label| label.values.is_empty()).map(|label| label.name).collect();
    assert_eq!(open, BTreeSet::from(["lane"]));
    let series: usize = rows().map(|row| row.combinations().len()).sum();
    assert!(series < 300, "{series}");
}

#[test]
fn labels_of_the_order_and_of_the_database_have_every_value_that_there_is() {
    let values = |row: &'static Row, name: &str| {
        row.labels.iter().find(|label| label.name == name).expect("the label").values.iter().copied().collect()
    };
    let is = |found: BTreeSet<&str>, expected: &[&'static str]| {
        assert_eq!(found, expected.iter().copied().collect::<BTreeSet<_>>());
    };
    is(values(ORDERS.row(), "status"), &Status::ALL.map(Status::as_str));
    is(values(ORDERS_ATTENTION.row(), "reason"), &Attention::ALL.map(Attention::as_str));
    is(values(ORDERS_UNCHANGED.row(), "longer_than"), &UNCHANGED_FOR);
    is(values(OBLIGATIONS.row(), "kind"), &ObligationKind::ALL.map(ObligationKind::as_str));
    is(values(DEAD_LETTERS.row(), "reason"), &Reason::ALL.map(Reason::as_str));
    is(values(EVENTS.row(), "topic"), &Source::ALL.map(Source::as_str));
    is(values(TENURES_ENDED.row(), "reason"), &End::ALL.map(End::as_str));
}

#[test]
fn every_histogram_has_buckets_that_grow() {
    for row in rows() {
        assert_eq!(row.kind == Kind::Histogram, !row.buckets.is_empty(), "{}", row.name);
        assert!(row.buckets.is_sorted() && row.buckets.first().is_none_or(|bound| *bound > 0.0), "{}", row.name);
    }
}

#[test]
fn everything_of_the_table_is_in_the_first_scrape_with_help_and_type() {
    let text = render(&install());
    for row in rows() {
        assert_eq!(text.matches(&format!("# TYPE {} ", row.name)).count(), 1, "{}", row.name);
        assert!(text.contains(&format!("# HELP {} {}\n", row.name, row.help)), "{}", row.name);
        let series = if row.kind == Kind::Histogram { format!("{}_count", row.name) } else { row.name.to_owned() };
        let there = text
            .lines()
            .any(|line| line.starts_with(&format!("{series}{{")) || line.starts_with(&format!("{series} ")));
        assert!(there || row.combinations().is_empty(), "{}", row.name);
    }
    for metric in PROCESS_METRICS {
        assert!(text.contains(&format!("# TYPE {} {}\n{} ", metric.name, metric.kind, metric.name)), "{}", metric.name);
    }
    assert!(text.contains(&format!("orderstream_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains("orderstream_events_total{topic=\"shipping\",outcome=\"stale\"} "));
    assert!(text.ends_with('\n') && !text.contains("\n\n\n"));
}

/// The number behind a series now. Other tests count in the same process, so it may be more than expected, never less.
fn value(series: &str) -> f64 {
    let text = render(&install());
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in:\n{text}")).parse().unwrap()
}

#[test]
fn installing_twice_gives_the_same_metrics() {
    let below = "orderstream_batch_bytes_bucket{le=\"4096\"}";
    let before = value(below);
    _ = (install(), install());
    BATCH_BYTES.record(3000.0, &[]);
    assert!(value(below) > before);
}

#[test]
fn a_handle_counts_under_its_labels_in_their_order() {
    let series = "orderstream_events_total{topic=\"order\",outcome=\"stale\"}";
    let before = value(series);
    EVENTS.increment(2, &["order", "stale"]);
    EVENTS.increment(1, &["order", "stale"]);
    assert!(value(series) >= before + 3.0);
}

#[test]
fn a_lane_that_is_given_up_disappears_and_comes_back_when_it_is_set_again() {
    let handle = install();
    LAG_RECORDS.set_lane(17.0, Lane(901));
    assert!(render(&handle).contains("orderstream_lag_records{lane=\"901\"} 17\n"));
    LAG_RECORDS.retire_lane(Lane(901));
    let text = render(&handle);
    assert!(!text.contains("lane=\"901\"") && !text.contains("NaN"));
    assert!(text.contains("# TYPE orderstream_lag_records gauge\n"));
    LAG_RECORDS.set_lane(0.0, Lane(901));
    assert!(render(&handle).contains("orderstream_lag_records{lane=\"901\"} 0\n"));
    LAG_RECORDS.retire_lane(Lane(901));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "orderstream_dead_letters_total has no reason `tired`")]
fn a_label_value_outside_of_the_table_is_found_by_tests() {
    DEAD_LETTERS.increment(1, &["tired"]);
}

#[test]
fn combinations_and_positions_agree() {
    let row = EVENTS.row();
    assert_eq!(row.combinations().len(), 20);
    assert_eq!(row.combinations()[0], ["payment", "applied"]);
    for (index, values) in row.combinations().iter().enumerate() {
        assert_eq!(row.position(values), Some(index));
    }
    assert_eq!(row.position(&["payment", "lost"]), None);
}
