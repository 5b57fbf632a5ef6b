//! Combinations that cannot work, although each value for itself is fine. One function a rule; those about who may come in are in
//! `access.rs`, those about spans in `telemetry.rs`.
//!
//! A rule is silent when one of its values was refused already. Invariant: a configuration that passes can be run; what
//! only a server knows (does the topic exist, is the limit below the broker's) is checked at start, not here.

mod access;
mod telemetry;

use std::time::Duration;

use super::problem::{Place, Problem};
use super::resolve::{Origin, Values};
use super::units::{bytes_text, duration_text};
use super::value::Value;
use crate::decode::Format;

const TOPICS: [&str; 7] = ["payment", "inventory", "shipping", "order", "status", "command", "dead_letter"];

/// Every combination that is impossible.
pub(super) fn check(values: &Values) -> Vec<Problem> {
    let mut rules = Rules { values, problems: Vec::new() };
    rules.heartbeats_come_three_times_a_session();
    rules.access_is_whole();
    rules.telemetry_is_whole();
    rules.topics_differ();
    rules.a_form_is_that_of_a_topic();
    rules.queues_and_batches_hold_the_largest_record();
    rules.shorter_times_are_inside_longer_ones();
    rules.policy_fits_the_topics();
    rules.problems
}

struct Rules<'a> {
    values: &'a Values,
    problems: Vec<Problem>,
}

impl Rules<'_> {
    fn heartbeats_come_three_times_a_session(&mut self) {
        let beat = self.duration("kafka", "heartbeat_interval");
        let session = self.duration("kafka", "session_timeout");
        if let (Some(beat), Some(session)) = (beat, session)
            && beat.saturating_mul(3) >= session
        {
            let text = format!(
                "kafka.heartbeat_interval = `{}` is not below a third of kafka.session_timeout = `{}`: shorten the first or lengthen the second",
                duration_text(beat),
                duration_text(session)
            );
            self.add(&[("kafka", "heartbeat_interval"), ("kafka", "session_timeout")], text);
        }
    }

    fn topics_differ(&mut self) {
        let named: Vec<(&str, String)> =
            TOPICS.iter().filter_map(|key| Some((*key, self.text("topics", key)?))).collect();
        for (index, (key, topic)) in named.iter().enumerate() {
            if let Some((first, _)) = named[..index].iter().find(|(_, earlier)| earlier == topic) {
                let text = format!("topics.{first} and topics.{key} are both `{topic}`: give each its own topic");
                self.add(&[("topics", key), ("topics", first)], text);
            }
        }
    }

    fn a_form_is_that_of_a_topic(&mut self) {
        let is_json = self.text("topics", "order_format").as_deref() == Some(Format::Json.as_str());
        if is_json && self.values.is_absent("topics", "order") {
            let text =
                "topics.order_format = `json` has no effect without topics.order: name the order topic, or remove it";
            self.add(&[("topics", "order_format")], text.to_owned());
        }
    }

    fn queues_and_batches_hold_the_largest_record(&mut self) {
        for (record, container) in [
            ("record_max_bytes", "lane_queue_bytes"),
            ("record_max_bytes", "batch_max_bytes"),
            ("emitted_record_max_bytes", "emit_max_bytes"),
        ] {
            if let (Some(one), Some(all)) = (self.bytes("worker", record), self.bytes("worker", container))
                && one > all
            {
                let text = format!(
                    "worker.{container} = `{}` does not hold one record of worker.{record} = `{}`: raise the first or lower the second",
                    bytes_text(all),
                    bytes_text(one)
                );
                self.add(&[("worker", container), ("worker", record)], text);
            }
        }
    }

    fn shorter_times_are_inside_longer_ones(&mut self) {
        for (section, inner, outer) in
            [("worker", "drain_timeout", "shutdown_timeout"), ("database", "lock_timeout", "statement_timeout")]
        {
            if let (Some(short), Some(long)) = (self.duration(section, inner), self.duration(section, outer))
                && short > long
            {
                let text = format!(
                    "{section}.{inner} = `{}` is longer than {section}.{outer} = `{}`: write no more than that",
                    duration_text(short),
                    duration_text(long)
                );
                self.add(&[(section, inner), (section, outer)], text);
            }
        }
    }

    fn policy_fits_the_topics(&mut self) {
        if !self.values.is_absent("topics", "order") {
            return;
        }
        if self.text("policy", "shell").as_deref() == Some("wait") {
            let text = "policy.shell = `wait` would never confirm an order while topics.order is left out: name the order topic, or write trust";
            self.add(&[("policy", "shell")], text.to_owned());
        }
        if !self.values.is_absent("policy", "payment_window") {
            let text = "policy.payment_window counts from when an order was placed, which only topics.order tells: name the order topic, or remove it";
            self.add(&[("policy", "payment_window")], text.to_owned());
        }
    }

    /// Adds a problem at the first of the settings that somebody wrote.
    fn add(&mut self, settings: &[(&str, &str)], text: String) {
        let written = settings.iter().find_map(|(section, key)| match self.values.get(section, key) {
            Some((_, Origin::Written(place))) => Some(place.clone()),
            Some((_, Origin::SecretFile(path))) => Some(Place::File(path.clone())),
            Some((_, Origin::Default)) | None => None,
        });
        let place = written.unwrap_or_else(|| {
            let (section, key) = settings[0];
            Place::Setting(format!("{section}.{key}"))
        });
        self.problems.push(Problem::new(place, text));
    }

    fn text(&self, section: &str, key: &str) -> Option<String> {
        self.values.get(section, key)?.0.as_text().map(str::to_owned)
    }

    fn duration(&self, section: &str, key: &str) -> Option<Duration> {
        match self.values.get(section, key)?.0 {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    fn bytes(&self, section: &str, key: &str) -> Option<u64> {
        match self.values.get(section, key)?.0 {
            Value::Bytes(bytes) => Some(*bytes),
            _ => None,
        }
    }
}
