//! Kafka's own ids of topics (KIP-516): what tells a topic from one of the same name that was made anew.
//!
//! rdkafka has no call for it, so this goes to librdkafka itself: one DescribeTopics request, its answer read and freed here.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as native;

use super::observer::TopicError;

/// The ids of topics, as text. A topic that the broker does not describe is absent.
///
/// # Errors
/// Kafka out of reach.
pub fn read(
    client: &BaseConsumer,
    topics: &[String],
    timeout: Duration,
) -> Result<BTreeMap<String, String>, TopicError> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok()).collect();
    let mut pointers: Vec<*const std::ffi::c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client outlives the call. Each object made here is destroyed exactly once, after the last read of what it
    // owns; `names` outlives the collection's construction, which copies them.
    unsafe {
        let handle = client.client().native_ptr();
        let queue = native::rd_kafka_queue_new(handle);
        let asked = native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        native::rd_kafka_DescribeTopics(handle, asked, ptr::null(), queue);
        let event = native::rd_kafka_queue_poll(queue, millis);
        let answer = if event.is_null() { Err(timed_out()) } else { read_event(event) };
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_TopicCollection_destroy(asked);
        native::rd_kafka_queue_destroy(queue);
        answer
    }
}

fn timed_out() -> TopicError {
    KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut).into()
}

/// Reads the answer.
///
/// # Safety
/// `event` is a valid event that outlives the call.
unsafe fn read_event(event: *mut native::rd_kafka_event_t) -> Result<BTreeMap<String, String>, TopicError> {
    // SAFETY: everything read here belongs to the event, which the caller keeps.
    unsafe {
        let error = native::rd_kafka_event_error(event);
        if error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(KafkaError::MetadataFetch(error.into()).into());
        }
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(timed_out());
        }
        let mut count = 0;
        let descriptions = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let mut ids = BTreeMap::new();
        for index in 0..count {
            let description = *descriptions.add(index);
            let failed = native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(description));
            let id = native::rd_kafka_TopicDescription_topic_id(description);
            if failed == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && !id.is_null() {
                let name = CStr::from_ptr(native::rd_kafka_TopicDescription_name(description)).to_string_lossy();
                let high = native::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned();
                let low = native::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned();
                ids.insert(name.into_owned(), uuid::Uuid::from_u64_pair(high, low).to_string());
            }
        }
        Ok(ids)
    }
}
