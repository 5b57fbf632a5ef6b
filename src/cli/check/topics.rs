//! The topics: whether they are there, co-partitioned, on enough brokers, and keep records for as long as they may be needed.
//!
//! Judged one topic at a time from what Kafka says, so that one that is missing does not hide what is wrong with another.

use super::kafka::{INSTANCE, PART, trouble};
use super::report::Report;
use crate::cli::output::counted;
use crate::config::Config;
use crate::consume::configs::{self, Settings};
use crate::consume::layout::Layout;
use crate::consume::observer::{Observer, TopicError};
use crate::pipeline;

/// For how long an input topic should keep records: a worker that is away for longer loses what it has not read.
const KEPT_DAYS: i64 = 3;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// On how many brokers a topic should be.
const REPLICAS: usize = 3;

/// What a topic is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// We read it.
    Input,
    /// We write to it.
    Output,
}

/// Looks at all topics. Returns how many lanes there are, where the input topics agree.
pub(super) async fn look(config: &Config, observer: &Observer, brokers: usize, report: &mut Report) -> Option<i32> {
    let inputs: Vec<String> = config.topics.inputs().map(|(_, name)| name.to_owned()).collect();
    let outputs = pipeline::output_topics(config);
    let found_inputs = layouts(observer, "input topics", &inputs, report);
    let lane_count = (found_inputs.len() == inputs.len()).then(|| co_partitioned(config, &found_inputs, report));
    let found_outputs = layouts(observer, "output topics", &outputs, report);
    if found_outputs.len() == outputs.len() {
        report.ok(PART, "output topics", format!("all {} are there", outputs.len()));
    }
    let all = [inputs, outputs].concat();
    let settings = match configs::of_topics(&config.kafka, INSTANCE, &all).await {
        Ok(settings) => settings,
        Err(error) => {
            trouble(report, "topic settings", &error);
            return lane_count.flatten();
        }
    };
    let roles = [(Role::Input, &found_inputs), (Role::Output, &found_outputs)];
    for (role, (name, layout)) in roles.iter().flat_map(|(role, found)| found.iter().map(move |one| (*role, one))) {
        let check = format!("topic `{name}`");
        match settings.get(name) {
            Some(settings) => judge(config, (role, name), (*layout, brokers), settings, report),
            None => {
                report.not_checked(PART, &[&check], "kafka does not let this user read its settings (DescribeConfigs)")
            }
        }
    }
    lane_count.flatten()
}

/// The topics that are there; for each that is not, a row says so.
fn layouts(observer: &Observer, check: &str, names: &[String], report: &mut Report) -> Vec<(String, Layout)> {
    let mut found = Vec::new();
    for name in names {
        match observer.layout(name) {
            Ok(Some(layout)) => found.push((name.clone(), layout)),
            Ok(None) => trouble(report, check, &TopicError::Missing(name.clone())),
            Err(error) => trouble(report, check, &error),
        }
    }
    found
}

fn co_partitioned(config: &Config, found: &[(String, Layout)], report: &mut Report) -> Option<i32> {
    let counts: Vec<(String, i32)> = found.iter().map(|(name, layout)| (name.clone(), layout.partitions)).collect();
    match pipeline::input_topics(config).lane_count(&counts) {
        Ok(count) => {
            let lanes = counted(u64::from(count.unsigned_abs()), "partition", "partitions");
            report.ok(PART, "input topics", format!("all {} are there, each with {lanes}", found.len()));
            Some(count)
        }
        Err(text) => {
            report.wrong(PART, "input topics", &text);
            None
        }
    }
}

/// Judges one topic; a row for each thing that could be better, or one that says that nothing is.
fn judge(
    config: &Config,
    (role, name): (Role, &str),
    (layout, brokers): (Layout, usize),
    settings: &Settings,
    report: &mut Report,
) {
    let check = format!("topic `{name}`");
    let before = report.checks.len();
    judge_copies(&check, (layout, brokers), settings, report);
    match role {
        Role::Input => judge_input(&check, settings, report),
        Role::Output => {
            if let Some(text) = pipeline::refuses_ours(config, name, settings) {
                report.wrong(PART, &check, &text);
            }
        }
    }
    if report.checks.len() == before {
        let kept = match settings.number("retention.ms") {
            Some(..0) => "for ever".to_owned(),
            Some(millis) => format!("{} days", millis / DAY_MILLIS),
            None => "for a time that it does not tell".to_owned(),
        };
        report.ok(PART, check, format!("{} replicas, kept {kept}", layout.replicas));
    }
}

/// What becomes of a record when a broker is lost.
fn judge_copies(check: &str, (layout, brokers): (Layout, usize), settings: &Settings, report: &mut Report) {
    if layout.leaderless > 0 {
        let found = format!("{} without a leader", counted(layout.leaderless, "partition", "partitions"));
        report.away(PART, check, found, "bring the broker back that has it");
    } else if layout.lagging > 0 {
        let found =
            format!("{} with a replica that is not in sync", counted(layout.lagging, "partition", "partitions"));
        report.warning(PART, check, found, "look at the brokers that lag behind or are away");
    }
    let least = settings.number("min.insync.replicas");
    let replicas = i64::try_from(layout.replicas).unwrap_or(i64::MAX);
    if let Some(least) = least.filter(|least| *least > replicas) {
        let copies = counted(layout.replicas as u64, "replica", "replicas");
        let found =
            format!("min.insync.replicas = {least} of {copies}: brokers take it for {replicas}, or refuse every write");
        let remedy = format!("set it to {}, or give the topic more replicas", (replicas - 1).max(1));
        report.warning(PART, check, found, remedy);
    }
    if layout.replicas < REPLICAS {
        let found = match layout.replicas {
            1 => "one replica: a disk that is lost loses confirmed records".to_owned(),
            few => format!("{few} replicas: while one is away, nothing or nothing safe can be written"),
        };
        let remedy = match brokers {
            0..REPLICAS => format!("run {REPLICAS} brokers, and give it a replica on each"),
            _ => format!("reassign its partitions to {REPLICAS} brokers"),
        };
        report.warning(PART, check, found, remedy);
    } else if let Some(least) = least {
        if least < 2 {
            let found = format!("min.insync.replicas = {least}: a record may be confirmed that only one broker has");
            report.warning(PART, check, found, "set it to 2");
        } else if least == replicas {
            let found =
                format!("min.insync.replicas = {least} of {replicas} replicas: one broker that is away stops it");
            report.warning(PART, check, found, format!("set it to {}", replicas - 1));
        }
    }
    if settings.text("unclean.leader.election.enable") == Some("true") {
        let found = "unclean.leader.election.enable is on: a broker that lags may become leader, and confirmed records are lost";
        report.warning(PART, check, found, "set it to false");
    }
}

/// Whether a record stays until it was read.
fn judge_input(check: &str, settings: &Settings, report: &mut Report) {
    if let Some(policy) = settings.text("cleanup.policy").filter(|policy| policy.contains("compact")) {
        let text = format!(
            "cleanup.policy = `{policy}`: events of one order share its key, and compaction drops all but the last of them: set it to delete"
        );
        report.wrong(PART, check, &text);
    }
    if let Some(millis) = settings.number("retention.ms").filter(|millis| (0..KEPT_DAYS * DAY_MILLIS).contains(millis))
    {
        let hours = millis / (DAY_MILLIS / 24);
        let found = format!(
            "records are kept for {hours} hours (retention.ms): an outage of workers that lasts longer loses what is unread"
        );
        report.warning(
            PART,
            check,
            found,
            "keep them for a week, and for longer than the oldest backup that may be restored",
        );
    }
    if let Some(bytes) = settings.number("retention.bytes").filter(|bytes| *bytes >= 0) {
        let found = format!("records beyond {bytes} bytes a partition are dropped, read or not (retention.bytes)");
        report.warning(PART, check, found, "set it to -1, and bound the time instead");
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;
    use crate::cli::exit::Exit;
    use crate::config::Environment;

    const GOOD: Layout = Layout { partitions: 8, replicas: 3, lagging: 0, leaderless: 0 };

    fn judged(role: Role, layout: Layout, settings: Settings) -> Report {
        let text = "[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://d/d\"\n";
        let config = Config::read(Some(("o.toml", text)), &Environment::default()).expect("a configuration");
        let mut report = Report::default();
        judge(&config, (role, "payments"), (layout, 3), &settings, &mut report);
        report
    }

    #[test]
    fn a_topic_on_three_brokers_that_keeps_a_week_is_fine() {
        let settings = [("retention.ms", "604800000"), ("min.insync.replicas", "2"), ("cleanup.policy", "delete")];
        let report = judged(Role::Input, GOOD, Settings::from(settings));
        assert_eq!(report.checks.len(), 1);
        assert_eq!(report.checks[0].found, "3 replicas, kept 7 days");
    }

    #[test]
    fn an_input_that_is_compacted_is_wrong_and_an_output_is_not() {
        let settings = || Settings::from([("cleanup.policy", "compact,delete")]);
        assert_eq!(judged(Role::Input, GOOD, settings()).count(Verdict::Wrong), 1);
        assert_eq!(judged(Role::Output, GOOD, settings()).count(Verdict::Wrong), 0);
    }

    #[test]
    fn what_may_lose_records_is_told_with_its_value() {
        for (settings, words) in [
            (("retention.ms", "3600000"), "1 hours"),
            (("retention.bytes", "1000"), "1000 bytes"),
            (("min.insync.replicas", "1"), "min.insync.replicas = 1"),
            (("min.insync.replicas", "3"), "3 of 3 replicas"),
            (("unclean.leader.election.enable", "true"), "unclean.leader.election.enable"),
        ] {
            let report = judged(Role::Input, GOOD, Settings::from([settings]));
            assert_eq!(report.count(Verdict::Warning), 1, "{settings:?}");
            assert!(report.checks[0].found.contains(words), "{:?}", report.checks);
        }
        let alone = judged(Role::Output, Layout { replicas: 1, ..GOOD }, Settings::default());
        assert!(alone.checks[0].found.contains("one replica"), "{:?}", alone.checks);
        let headless = judged(Role::Output, Layout { leaderless: 1, ..GOOD }, Settings::default());
        assert_eq!(headless.count(Verdict::Away), 1);
    }

    #[test]
    fn a_topic_that_wants_more_replicas_in_sync_than_it_has_is_no_good() {
        for (replicas, least, found, remedy) in [
            (1, "2", "min.insync.replicas = 2 of 1 replica: brokers take it for 1", "set it to 1, or"),
            (2, "3", "min.insync.replicas = 3 of 2 replicas: brokers take it for 2", "set it to 1, or"),
            (3, "4", "min.insync.replicas = 4 of 3 replicas: brokers take it for 3", "set it to 2, or"),
        ] {
            let settings = Settings::from([("min.insync.replicas", least)]);
            let report = judged(Role::Output, Layout { replicas, ..GOOD }, settings);
            assert_eq!((report.checks[0].verdict, report.exit()), (Verdict::Warning, Exit::Ok), "{:?}", report.checks);
            assert!(report.checks[0].found.starts_with(found), "{:?}", report.checks);
            let said = report.checks[0].remedy.as_deref().unwrap_or_default();
            assert!(said.starts_with(remedy), "{:?}", report.checks);
        }
        for (replicas, least) in [(1, "1"), (2, "2"), (2, "1"), (3, "3")] {
            let settings = Settings::from([("min.insync.replicas", least)]);
            let report = judged(Role::Output, Layout { replicas, ..GOOD }, settings);
            assert!(report.checks.iter().all(|check| !check.found.contains("take it for")), "{:?}", report.checks);
        }
    }

    #[test]
    fn an_output_that_takes_less_than_we_publish_is_wrong() {
        let report = judged(Role::Output, GOOD, Settings::from([("max.message.bytes", "20000")]));
        assert!(report.checks[0].found.contains("20000"), "{:?}", report.checks);
        assert_eq!(report.count(Verdict::Wrong), 1);
    }
}
