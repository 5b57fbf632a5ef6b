//! Which dead letters a command line speaks of: filters, or numbers.
//!
//! Invariant: a filter that can find nothing because it makes no sense is refused with the reason, never answered with
//! "nothing found".

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::Refusal;
use crate::cli::instant::{Moment, to_the_second};
use crate::config::Topics;
use crate::decode::Reason;
use crate::ids::Timestamp;
use crate::order::Source;
use crate::persist::letters::{Filter, State};

/// What all commands can filter by.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArgs {
    /// Refused for this reason, such as unknown_schema; repeat it for several.
    #[arg(long, value_name = "REASON", value_parser = str::parse::<Reason>)]
    pub reason: Vec<Reason>,
    /// From this topic, by its name or its role (payment, inventory, shipping, order); repeat it for several.
    #[arg(long, value_name = "TOPIC", value_parser = NonEmptyStringValueParser::new())]
    pub topic: Vec<String>,
    /// First refused then or later: RFC 3339, or so long ago, such as 2h or 7d.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub since: Option<Moment>,
    /// First refused before then: RFC 3339, or so long ago.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub until: Option<Moment>,
    /// Of this order, that is with this key.
    #[arg(long, value_name = "ORDER_ID", value_parser = NonEmptyStringValueParser::new())]
    pub order: Option<String>,
}

/// Filters or numbers, where something is to be changed.
#[derive(Clone, Debug, Default, Args)]
pub struct Selection {
    /// The dead letters by number, as `list` shows them; instead of filters.
    #[arg(
        value_name = "ID",
        value_parser = clap::value_parser!(i64).range(1..),
        conflicts_with_all = ["reason", "topic", "since", "until", "order"],
    )]
    pub ids: Vec<i64>,
    #[command(flatten)]
    pub filters: FilterArgs,
}

impl FilterArgs {
    /// Whether nothing is restricted.
    pub fn is_empty(&self) -> bool {
        let Self { reason, topic, since, until, order } = self;
        reason.is_empty() && topic.is_empty() && since.is_none() && until.is_none() && order.is_none()
    }

    /// The filter for letters in these states, at this time.
    ///
    /// # Errors
    /// Which of them can match nothing, and why.
    pub fn filter(&self, states: &[State], topics: &Topics, now: Timestamp) -> Result<Filter, Refusal> {
        let [since, until] = [self.since, self.until].map(|moment| moment.map(|moment| moment.seen_from(now)));
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Refusal::usage(format!(
                "--since is {} and --until {}: nothing lies between them; swap them",
                to_the_second(since),
                to_the_second(until)
            )));
        }
        let topics = self.topic.iter().map(|topic| name_of(topic, topics));
        Ok(Filter {
            states: states.to_vec(),
            reasons: self.reason.clone(),
            topics: topics.collect::<Result<_, _>>()?,
            since,
            until,
            order_id: self.order.clone(),
            ids: Vec::new(),
        })
    }
}

impl Selection {
    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        self.ids.is_empty() && self.filters.is_empty()
    }

    /// As [`FilterArgs::filter`], with the numbers.
    ///
    /// # Errors
    /// As there.
    pub fn filter(&self, states: &[State], topics: &Topics, now: Timestamp) -> Result<Filter, Refusal> {
        Ok(Filter { ids: self.ids.clone(), ..self.filters.filter(states, topics, now)? })
    }
}

/// The input topics of a configuration, for a person.
pub(super) fn input_names(topics: &Topics) -> String {
    topics.inputs().map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A topic's name: as given where a topic is called so, else that of the role. Any other name is left as it is, since the
/// table remembers topics that are no longer read.
fn name_of(text: &str, topics: &Topics) -> Result<String, Refusal> {
    if topics.inputs().any(|(_, name)| name == text) {
        return Ok(text.to_owned());
    }
    match text.parse() {
        Err(_) | Ok(Source::Deadline) => Ok(text.to_owned()),
        Ok(role) => {
            let found = topics.inputs().find(|(source, _)| *source == role).map(|(_, name)| name.to_owned());
            found.ok_or_else(|| {
                Refusal::usage(format!(
                    "--topic {text}: this configuration has no {text} topic, its inputs are {}; name the topic itself",
                    input_names(topics)
                ))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::exit::Exit;
    use crate::decode::Format;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        selection: Selection,
    }

    fn topics() -> Topics {
        Topics {
            payment: "pay.events".to_owned(),
            inventory: "inventory".to_owned(),
            shipping: "payment".to_owned(),
            order: None,
            status: "order-status".to_owned(),
            command: None,
            dead_letter: None,
            cloud_events_source: None,
            payment_format: Format::Avro,
            inventory_format: Format::Avro,
            shipping_format: Format::Avro,
            order_format: Format::Avro,
        }
    }

    const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

    fn filter(line: &str) -> Result<Filter, String> {
        let line = Line::try_parse_from(format!("x {line}").split_whitespace()).map_err(|error| error.to_string())?;
        line.selection.filter(&[State::Open], &topics(), NOW).map_err(|refusal| match refusal {
            Refusal::Request(Exit::Usage, text) => text,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn every_filter_finds_its_place() {
        let line = "--reason bad_avro --reason no_key --since 2h --until 30m --order ord-1 --topic inventory";
        let found = filter(line).unwrap();
        let ago = |minutes: i64| Some(Timestamp(NOW.0 - minutes * 60_000_000));
        let expected = Filter {
            states: vec![State::Open],
            reasons: vec![Reason::BadAvro, Reason::NoKey],
            topics: vec!["inventory".to_owned()],
            since: ago(120),
            until: ago(30),
            order_id: Some("ord-1".to_owned()),
            ids: Vec::new(),
        };
        assert_eq!(found, expected);
        assert_eq!(filter("17 18").unwrap().ids, [17, 18]);
    }

    #[test]
    fn a_topic_is_its_name_first_and_its_role_otherwise() {
        let topic = |text: &str| filter(&format!("--topic {text}")).map(|filter| filter.topics);
        assert_eq!(topic("pay.events").unwrap(), ["pay.events"]);
        assert_eq!(topic("payment").unwrap(), ["payment"], "the shipping topic is called so");
        assert_eq!(topic("shipping").unwrap(), ["payment"]);
        assert_eq!(topic("gone").unwrap(), ["gone"], "a topic that was read once");
        let text = topic("order").unwrap_err();
        assert!(text.contains("no order topic") && text.contains("`pay.events`"), "{text}");
    }

    #[test]
    fn an_unknown_reason_is_refused_with_those_that_there_are() {
        let text = filter("--reason bad_luck").unwrap_err();
        assert!(
            text.contains("`bad_luck`") && text.contains("no_key, key_mismatch") && text.contains("--reason"),
            "{text}"
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let text = filter("--since 1h --until 2h").unwrap_err();
        assert!(text.contains("--since is 2025-10-09T07:53:20Z and --until 2025-10-09T06:53:20Z"), "{text}");
        for line in ["17 --reason bad_avro", "17 --order a", "--since soon", "0", "-3", "x7"] {
            assert!(filter(line).is_err(), "{line}");
        }
    }
}
