//! Settings of topics and of brokers, as Kafka tells them to whoever has the right to ask (DescribeConfigs).
//!
//! A worker asks so that it does not start where a topic would refuse what it publishes, `orderstream check` asks for the rest.
//! Invariant: what Kafka does not tell is absent, never a guess.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::error::RDKafkaErrorCode;

use super::access::Access;
use super::client;
use super::observer::TopicError;
use crate::config;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest batch of records that a topic takes, in bytes.
pub const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Settings by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// A setting's value, where Kafka tells it.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Settings {
    fn from(settings: [(&str, &str); N]) -> Self {
        Self(settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// The settings of each topic; one that Kafka does not tell about is absent.
///
/// # Errors
/// Kafka out of reach.
pub async fn of_topics(
    kafka: &config::Kafka,
    instance: &str,
    topics: &[String],
) -> Result<BTreeMap<String, Settings>, TopicError> {
    let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let answers = describe(kafka, instance, &asked).await?;
    let of_topic = |answer: Answer| match answer.ok()? {
        (OwnedResourceSpecifier::Topic(topic), settings) => Some((topic, settings)),
        _ => None,
    };
    Ok(answers.into_iter().filter_map(of_topic).collect())
}

/// The settings of a broker; none where it does not tell them to us.
///
/// # Errors
/// Kafka out of reach.
pub async fn of_broker(kafka: &config::Kafka, instance: &str, broker: i32) -> Result<Option<Settings>, TopicError> {
    let answers = describe(kafka, instance, &[ResourceSpecifier::Broker(broker)]).await?;
    Ok(answers.into_iter().find_map(|answer| Some(answer.ok()?.1)))
}

type Answer = Result<(OwnedResourceSpecifier, Settings), RDKafkaErrorCode>;

async fn describe(
    kafka: &config::Kafka,
    instance: &str,
    asked: &[ResourceSpecifier<'_>],
) -> Result<Vec<Answer>, TopicError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let admin: AdminClient<Access> = client::shared(kafka, instance).create_with_context(Access::of(kafka))?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let answers = admin.describe_configs(asked, &options).await?;
    let read = |answer: rdkafka::admin::ConfigResourceResult| {
        let resource = answer?;
        let settings = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
        Ok((resource.specifier, Settings(settings.collect())))
    };
    Ok(answers.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_no_number_or_was_not_told_has_no_number() {
        let settings = Settings::from([("retention.ms", "-1"), ("cleanup.policy", "delete")]);
        assert_eq!(settings.number("retention.ms"), Some(-1));
        assert_eq!((settings.number("cleanup.policy"), settings.text("cleanup.policy")), (None, Some("delete")));
        assert_eq!(settings.text("min.insync.replicas"), None);
    }
}
