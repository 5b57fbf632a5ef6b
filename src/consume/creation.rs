//! Making topics, for `orderstream topics create`. No worker ever does.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::access::Access;
use super::client;
use super::observer::TopicError;
use crate::config;

const TIMEOUT: Duration = Duration::from_secs(15);

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub topic: String,
    /// How many partitions.
    pub partitions: i32,
    /// On how many brokers each.
    pub replicas: i32,
    /// Its settings, where they are not to be the brokers' defaults.
    pub settings: Vec<(&'static str, String)>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is there now.
    Created,
    /// Somebody made it meanwhile.
    There,
    /// Kafka does not make it.
    Refused(String),
}

/// Makes topics; what became of each, in their order.
///
/// # Errors
/// Kafka out of reach; some may have been made.
pub async fn create(kafka: &config::Kafka, instance: &str, wanted: &[Wanted]) -> Result<Vec<Made>, TopicError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let admin: AdminClient<Access> = client::shared(kafka, instance).create_with_context(Access::of(kafka))?;
    let topics = wanted.iter().map(|wanted| {
        let topic = NewTopic::new(&wanted.topic, wanted.partitions, TopicReplication::Fixed(wanted.replicas));
        wanted.settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
    });
    let topics: Vec<NewTopic<'_>> = topics.collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let answers = admin.create_topics(&topics, &options).await?;
    let made = |answer: Result<String, (String, RDKafkaErrorCode)>| match answer {
        Ok(_) => Made::Created,
        Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Made::There,
        Err((_, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed)) => {
            Made::Refused("this user may not: grant it Create on the topic, or run this as an administrator".to_owned())
        }
        Err((_, code)) => Made::Refused(code.to_string()),
    };
    Ok(answers.into_iter().map(made).collect())
}
