//! Kafka, as a worker will find it: the brokers and their settings, our rights, the group, the transactional id.
//!
//! The topics are looked at in `topics.rs`. Invariant: no record is written and the group is not joined; a transactional id of the
//! check's own is taken over, since there is no other way to learn whether we may.

use std::collections::BTreeMap;

use super::report::Report;
use super::topics;
use crate::config::Config;
use crate::config::units::duration_text;
use crate::consume::configs::{self, Settings};
use crate::consume::observer::{Member, Observer, TopicError};
use crate::consume::rights::Missing;
use crate::persist::deployment::Identity;
use crate::pipeline;
use crate::publish::producer::{self, Producer};

pub(super) const PART: &str = "kafka";
const AWAY: &str = "kafka is not there";
/// What the check calls itself.
pub(super) const INSTANCE: &str = "check";
/// What depends on the brokers' answer.
const ALL: [&str; 7] =
    ["rights", "input topics", "output topics", "topic settings", "broker settings", "transactional id", "group"];

/// Below this the group's offsets, which say what was published, may be forgotten while a deployment rests.
const OFFSETS_KEPT_MINUTES: i64 = 7 * 24 * 60;

/// What the database is compared with.
pub(super) struct Seen {
    /// What a database must belong to; none where the topics are not as they should be.
    pub identity: Option<Identity>,
    /// The ids of the input topics.
    pub topic_ids: BTreeMap<String, String>,
}

/// Looks at Kafka; gives nothing back where it is not there.
pub(super) async fn look(config: &Config, report: &mut Report) -> Option<Seen> {
    let place = format!("`kafka.brokers` = `{}`", config.kafka.brokers);
    let observer = match Observer::open(&config.kafka, INSTANCE) {
        Ok(observer) => observer,
        Err(text) => {
            report.wrong(PART, "server", &text);
            report.not_checked(PART, &ALL, "its client cannot be made");
            return None;
        }
    };
    let brokers = match observer.brokers(&config.topics.payment) {
        Ok(brokers) => brokers,
        Err(error) => {
            let text = format!("{place}: {error}");
            if error.is_away() {
                report.away(PART, "server", text, "start it, or correct kafka.brokers");
            } else {
                report.wrong(PART, "server", &text);
            }
            report.not_checked(PART, &ALL, AWAY);
            return None;
        }
    };
    let cluster = observer.cluster_id();
    let named = cluster.as_deref().unwrap_or("which it does not say");
    report.ok(PART, "server", format!("{place}: brokers {brokers:?} of the cluster {named}"));
    rights(config, &observer, report);
    let lane_count = topics::look(config, &observer, brokers.len(), report).await;
    if let Some(broker) = brokers.first() {
        broker_settings(config, *broker, report).await;
    }
    transactional_id(config, report).await;
    group(config, &observer, report);
    let identity = cluster.zip(lane_count).map(|(cluster, lanes)| pipeline::identity(config, cluster, lanes));
    let names: Vec<String> = config.topics.inputs().map(|(_, name)| name.to_owned()).collect();
    let topic_ids = identity.as_ref().and_then(|_| observer.topic_ids(&names).ok()).unwrap_or_default();
    Some(Seen { identity, topic_ids })
}

fn rights(config: &Config, observer: &Observer, report: &mut Report) {
    let inputs: Vec<String> = config.topics.inputs().map(|(_, name)| name.to_owned()).collect();
    match observer.knock(&inputs, &pipeline::output_topics(config)) {
        Ok(()) => report.ok(PART, "rights", "what a worker does with its topics and its group is granted"),
        Err(error) => trouble(report, "rights", &error),
    }
}

/// A question that was not answered as it should be.
pub(super) fn trouble(report: &mut Report, check: &str, error: &TopicError) {
    if error.is_away() {
        report.away(PART, check, error.to_string(), "look at the brokers, then check again");
    } else {
        report.wrong(PART, check, &error.to_string());
    }
}

async fn broker_settings(config: &Config, broker: i32, report: &mut Report) {
    match configs::of_broker(&config.kafka, INSTANCE, broker).await {
        Ok(Some(settings)) => judge_broker(config, &settings, report),
        Ok(None) => report.not_checked(
            PART,
            &["broker settings"],
            "the brokers do not let this user read them, which a worker does not need (DescribeConfigs on the cluster)",
        ),
        Err(error) => trouble(report, "broker settings", &error),
    }
}

/// Compares what we ask of the brokers with what they take.
fn judge_broker(config: &Config, settings: &Settings, report: &mut Report) {
    let check = "broker settings";
    let before = report.checks.len();
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    for (ours, name, limit, is_most) in [
        (config.kafka.session_timeout, "kafka.session_timeout", "group.min.session.timeout.ms", false),
        (config.kafka.session_timeout, "kafka.session_timeout", "group.max.session.timeout.ms", true),
        (config.kafka.transaction_timeout, "kafka.transaction_timeout", "transaction.max.timeout.ms", true),
    ] {
        let Some(allowed) = settings.number(limit) else { continue };
        if (is_most && millis(ours) > allowed) || (!is_most && millis(ours) < allowed) {
            let (bound, verb) = if is_most { ("at most", "lower") } else { ("at least", "raise") };
            let text = format!(
                "{name} = `{}` but the brokers take {bound} {allowed} ms ({limit}): {verb} the setting",
                duration_text(ours)
            );
            report.wrong(PART, check, &text);
        }
    }
    let verified = settings.text("transaction.partition.verification.enable");
    if verified == Some("false") {
        report.warning(
            PART,
            check,
            "transaction.partition.verification.enable is off: a late request of a transaction can hit the next one",
            "set it to true on all brokers",
        );
    }
    if let Some(minutes) = settings.number("offsets.retention.minutes").filter(|kept| *kept < OFFSETS_KEPT_MINUTES) {
        report.warning(
            PART,
            check,
            format!("a group that rests is forgotten after {minutes} minutes (offsets.retention.minutes), and with it what was published last"),
            "set it to 10080 (7 days) or more",
        );
    }
    if report.checks.len() == before {
        let verified = verified.map_or("", |_| "; transactions are verified");
        report.ok(PART, check, format!("times of sessions and transactions fit{verified}"));
    }
}

async fn transactional_id(config: &Config, report: &mut Report) {
    let check = "transactional id";
    let id = format!("{}-{INSTANCE}", config.kafka.group);
    let settings = producer::Settings::new(&config.kafka, INSTANCE, config.worker.emitted_record_max_bytes);
    let opened = tokio::task::spawn_blocking({
        let id = id.clone();
        move || Producer::open(&settings, &id).map(drop)
    });
    match opened.await {
        Ok(Ok(())) => report.ok(PART, check, format!("`{id}` can be taken over, and so can others that begin alike")),
        Ok(Err(error)) if producer::is_forbidden(&error) => {
            report.wrong(PART, check, &Missing::transactional_id(&id, &config.kafka.group).to_string());
        }
        Ok(Err(error)) => report.away(
            PART,
            check,
            error.to_string(),
            "look at the brokers: a transaction coordinator needs __transaction_state with enough replicas in sync",
        ),
        Err(error) => report.not_checked(PART, &[check], &error.to_string()),
    }
}

fn group(config: &Config, observer: &Observer, report: &mut Report) {
    let (check, group) = ("group", &config.kafka.group);
    match observer.members(group) {
        Ok(members) => {
            let strangers: Vec<&Member> = members.iter().filter(|member| !member.is_ours()).collect();
            // Where nobody has our name, `kafka.properties` gives all of us another one.
            if !strangers.is_empty() && strangers.len() < members.len() {
                let named: Vec<String> =
                    strangers.iter().map(|member| format!("`{}` at {}", member.client_id, member.host)).collect();
                let found = format!("`{group}` has members that are no workers of orderstream ({})", named.join(", "));
                report.warning(PART, check, found, "stop them, or give them a group of their own");
            } else {
                report.ok(PART, check, format!("`{group}` has {} members", members.len()));
            }
        }
        Err(error) => trouble(report, check, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;
    use crate::config::Environment;

    fn judged(settings: Settings) -> Report {
        let text = "[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://d/d\"\n";
        let config = Config::read(Some(("o.toml", text)), &Environment::default()).expect("a configuration");
        let mut report = Report::default();
        judge_broker(&config, &settings, &mut report);
        report
    }

    #[test]
    fn times_that_the_brokers_do_not_take_are_wrong_with_both_values() {
        let report = judged(Settings::from([
            ("group.min.session.timeout.ms", "10000"),
            ("group.max.session.timeout.ms", "1800000"),
            ("transaction.max.timeout.ms", "20000"),
        ]));
        let found: Vec<&str> = report.checks.iter().map(|row| row.found.as_str()).collect();
        assert_eq!(report.count(Verdict::Wrong), 2, "{found:?}");
        assert!(found[0].contains("`8s`") && found[0].contains("at least 10000 ms"), "{found:?}");
        assert!(found[1].contains("`30s`") && found[1].contains("at most 20000 ms"), "{found:?}");
    }

    #[test]
    fn brokers_that_verify_nothing_or_forget_soon_are_told() {
        let loose = [("transaction.partition.verification.enable", "false"), ("offsets.retention.minutes", "60")];
        assert_eq!(judged(Settings::from(loose)).count(Verdict::Warning), 2);
        let sound = [("transaction.partition.verification.enable", "true"), ("offsets.retention.minutes", "10080")];
        assert_eq!(judged(Settings::from(sound)).count(Verdict::Ok), 1);
    }
}
