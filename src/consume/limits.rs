//! What topics take at most, so that a worker does not start that would publish what a topic refuses for ever.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};

use super::access::Access;
use super::client;
use super::observer::TopicError;
use crate::config;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// The largest batch of records that each topic takes, in bytes; a topic that does not say is absent.
///
/// # Errors
/// Kafka out of reach.
pub async fn max_message_bytes(
    kafka: &config::Kafka,
    instance: &str,
    topics: &[String],
) -> Result<Vec<(String, usize)>, TopicError> {
    let admin: AdminClient<Access> = client::shared(kafka, instance).create_with_context(Access::of(kafka))?;
    let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let answers = admin.describe_configs(&asked, &options).await?;
    let limits = topics.iter().zip(answers).filter_map(|(topic, answer)| {
        let limit = answer.ok()?.get(MAX_MESSAGE_BYTES)?.value.as_ref()?.parse().ok()?;
        Some((topic.clone(), limit))
    });
    Ok(limits.collect())
}
