//! A screen of three workers, one of them away, and what must be told of them.

use std::time::{Duration, Instant};

use super::model::{Asked, LaneRow, Retry, Screen, Sort, Stock, screen};
use super::scrape::Scrape;
use super::{interval, listening};

/// An answer that came so many seconds after another.
pub(super) fn scrape(begin: Instant, after: u64, text: &str) -> Scrape {
    let text = format!("orderstream_build_info{{version=\"0.1.0\"}} 1\n{text}");
    Scrape::read(&text, begin + Duration::from_secs(after)).expect("an answer")
}

const FIRST: &str = "\
process_start_time_seconds 5
process_cpu_seconds_total 10
process_resident_memory_bytes 67108864
orderstream_lanes_owned 1
orderstream_relay_queue_chunks 0
orderstream_lane_owned{lane=\"0\"} 1
orderstream_lane_owned{lane=\"1\"} 0
orderstream_lane_owned{lane=\"2\"} 0
orderstream_lag_records{lane=\"0\"} 3
orderstream_lag_seconds{lane=\"0\"} 1.5
orderstream_lane_events_total{lane=\"0\"} 1000
orderstream_records_consumed_total{topic=\"payment\"} 1000
orderstream_events_total{topic=\"payment\",outcome=\"applied\"} 1000
orderstream_events_total{topic=\"payment\",outcome=\"duplicate\"} 0
orderstream_events_total{topic=\"payment\",outcome=\"dead_letter\"} 0
orderstream_retries_total{cause=\"registry\"} 4
orderstream_event_to_publish_seconds_bucket{since=\"consumed\",le=\"0.01\"} 0
orderstream_event_to_publish_seconds_bucket{since=\"consumed\",le=\"+Inf\"} 0
";
const SECOND: &str = "\
process_start_time_seconds 5
process_cpu_seconds_total 11
process_resident_memory_bytes 67108864
orderstream_lanes_owned 1
orderstream_relay_queue_chunks 0
orderstream_lane_owned{lane=\"0\"} 1
orderstream_lane_owned{lane=\"1\"} 0
orderstream_lane_owned{lane=\"2\"} 0
orderstream_lag_records{lane=\"0\"} 7
orderstream_lag_seconds{lane=\"0\"} 75
orderstream_lane_events_total{lane=\"0\"} 1200
orderstream_journal_unpublished_rows{lane=\"0\"} 2
orderstream_records_consumed_total{topic=\"payment\"} 1120
orderstream_events_total{topic=\"payment\",outcome=\"applied\"} 1080
orderstream_events_total{topic=\"payment\",outcome=\"duplicate\"} 20
orderstream_events_total{topic=\"payment\",outcome=\"stale\"} 80
orderstream_events_total{topic=\"payment\",outcome=\"dead_letter\"} 20
orderstream_retries_total{cause=\"registry\"} 8
orderstream_event_to_publish_seconds_bucket{since=\"consumed\",le=\"0.01\"} 10
orderstream_event_to_publish_seconds_bucket{since=\"consumed\",le=\"+Inf\"} 10
orderstream_orders{status=\"CONFIRMED\"} 12345
orderstream_orders{status=\"SHIPPED\"} 0
orderstream_orders_oldest_age_seconds{status=\"CONFIRMED\"} 7200
orderstream_obligations{kind=\"VOID_PAYMENT\"} 3
orderstream_dead_letters_open{reason=\"unknown_schema\"} 20
orderstream_orders_attention{reason=\"overpaid\"} 1
orderstream_deadlines_overdue 2
orderstream_deadlines_overdue_age_seconds 30
";
/// A worker of an older release, which does not say whose a lane is; its second answer, without a first.
const OTHER: &str = "\
orderstream_lag_records{lane=\"1\"} 0
orderstream_lag_seconds{lane=\"1\"} 0
orderstream_orders{status=\"CONFIRMED\"} 12340
orderstream_lanes_stopped{reason=\"internal\"} 0
";

fn asked() -> Vec<Asked> {
    let begin = Instant::now();
    let asked = |name: &str, answer, before| Asked { name: name.to_owned(), answer, before };
    vec![
        asked("w1:1", Ok(scrape(begin, 2, SECOND)), Some(scrape(begin, 0, FIRST))),
        asked("w2:2", Ok(scrape(begin, 2, OTHER)), None),
        asked("w3:3", Err("nobody listens".to_owned()), None),
    ]
}

/// Lane 0 is late, lane 1 is fine, lane 2 is nobody's, a third worker is away.
pub(super) fn two_workers() -> Screen {
    screen(&asked(), Sort::default(), false)
}

#[test]
fn a_lane_is_its_owners_and_one_that_nobody_has_is_there_too() {
    let lanes = two_workers().lanes;
    let of = |lane: i64| lanes.iter().find(|row| row.lane == lane).unwrap();
    assert_eq!(
        (of(0).owner.as_deref(), of(0).lag_records, of(0).events_per_second),
        (Some("w1:1"), Some(7.0), Some(100.0))
    );
    assert_eq!((of(1).owner.as_deref(), of(1).lag_seconds, of(1).events_per_second), (Some("w2:2"), Some(0.0), None));
    assert_eq!(of(2), &LaneRow { lane: 2, ..LaneRow::default() });
}

#[test]
fn lanes_are_sorted_worst_first_and_those_of_nobody_before_them() {
    let order = |sort, is_reversed| -> Vec<i64> {
        screen(&asked(), sort, is_reversed).lanes.iter().map(|row| row.lane).collect()
    };
    assert_eq!(order(Sort::Seconds, false), [2, 0, 1]);
    assert_eq!(order(Sort::Seconds, true), [1, 0, 2]);
    assert_eq!(order(Sort::Lane, false), [0, 1, 2]);
    assert_eq!(order(Sort::Owner, false), [2, 0, 1]);
    let all: Vec<Sort> = std::iter::successors(Some(Sort::Seconds), |sort| Some(sort.following())).take(7).collect();
    assert_eq!((all[0], all[6]), (Sort::Seconds, Sort::Seconds));
}

#[test]
fn what_the_database_holds_is_counted_once_and_rates_are_of_those_asked_twice() {
    let screen = two_workers();
    let stock = |of: &str, count, oldest_seconds| Stock { of: of.to_owned(), count, oldest_seconds };
    assert_eq!(screen.orders, [stock("CONFIRMED", 12_345.0, Some(7_200.0))]);
    assert_eq!(screen.dead_letters, [stock("unknown_schema", 20.0, None)]);
    assert_eq!(screen.topics[0].records_per_second, Some(60.0));
    assert_eq!(screen.topics[0].outcomes_per_second["duplicate"], 10.0);
    let retry = Retry { cause: "registry".to_owned(), per_second: Some(2.0), total: 8.0 };
    assert_eq!(screen.retries, [retry]);
    let latency = &screen.latencies[2];
    assert_eq!((latency.observations, latency.p50_seconds), (10.0, Some(0.005)));
    assert_eq!(screen.latencies[0].p50_seconds, None);
    assert_eq!(screen.workers[1].events_per_second, None, "asked once");
}

#[test]
fn troubles_are_said_worst_first_and_a_healthy_worker_has_none() {
    let troubles = two_workers().troubles;
    let begins: Vec<&str> = troubles.iter().map(|text| text.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(begins, ["w3:3", "lane", "lane", "2.0", "deadlines", "dead"], "{troubles:?}");
    assert!(troubles[2].contains("lane 0 up to 1 min 15 s behind"), "{troubles:?}");
    let healthy = [Asked { name: "w".to_owned(), answer: Ok(scrape(Instant::now(), 0, OTHER)), before: None }];
    assert_eq!(screen(&healthy, Sort::Lane, false).troubles, [""; 0]);
}

#[test]
fn a_deadline_that_fires_in_a_moment_is_no_trouble() {
    let overdue = |age: &str| {
        let text = format!("orderstream_deadlines_overdue 2\norderstream_deadlines_overdue_age_seconds {age}\n");
        let answer = Ok(scrape(Instant::now(), 0, &text));
        screen(&[Asked { name: "w".to_owned(), answer, before: None }], Sort::Lane, false).troubles
    };
    assert_eq!(overdue("9.9"), [""; 0]);
    assert_eq!(overdue("10.1"), ["deadlines overdue: 2, the first by 10.1 s"]);
}

#[test]
fn a_worker_that_listens_everywhere_is_asked_here() {
    for (listens, asked) in [
        ("0.0.0.0:9464", "http://127.0.0.1:9464/metrics"),
        ("[::]:9464", "http://127.0.0.1:9464/metrics"),
        ("127.0.0.2:1", "http://127.0.0.2:1/metrics"),
        ("[::1]:1", "http://[::1]:1/metrics"),
    ] {
        assert_eq!(listening(listens.parse().unwrap()).as_str(), asked);
    }
}

#[test]
fn it_never_looks_more_often_than_counters_grow() {
    assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
    assert!(interval("10ms").unwrap_err().contains("200ms") && interval("soon").is_err());
}
