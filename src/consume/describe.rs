//! Kafka's own descriptions: ids of topics (KIP-516), which tell a topic from one of the same name that was made anew, who is in the
//! group, and what we may do with topics and the group (KIP-430).
//!
//! rdkafka has no calls for them, so this goes to librdkafka itself: one request each, its answer read and freed here.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as native;
use rdkafka_sys::rd_kafka_AclOperation_t as Operation;
use rdkafka_sys::rd_kafka_admin_op_t as Question;

use super::observer::{Member, TopicError};
use super::rights::Missing;

/// What Kafka says about a topic.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its id, as text.
    pub id: String,
    /// What we may do with it.
    pub allowed: Vec<Operation>,
}

/// Topics by name; one that Kafka does not describe is there with its reason.
pub type Topics = BTreeMap<String, Result<Topic, RDKafkaErrorCode>>;

/// Describes topics.
///
/// # Errors
/// Kafka out of reach.
pub fn topics<C: ClientContext>(client: &Client<C>, names: &[String], timeout: Duration) -> Result<Topics, TopicError> {
    let names = texts(names);
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let question = Question::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: as in `ask`; the collection copies the names, is given to one request and destroyed after its answer was read.
    unsafe {
        let asked = native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let send = |client, options, queue| native::rd_kafka_DescribeTopics(client, asked, options, queue);
        let answer = ask(client, question, timeout, send, |event| read_topics(event));
        native::rd_kafka_TopicCollection_destroy(asked);
        answer
    }
}

/// What Kafka says about the group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// What we may do with it.
    pub allowed: Vec<Operation>,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// Describes the group, as its coordinator knows it; `None` where we may not even ask.
///
/// # Errors
/// Kafka out of reach.
pub fn group<C: ClientContext>(client: &Client<C>, name: &str, timeout: Duration) -> Result<Option<Group>, TopicError> {
    let names = texts(&[name.to_owned()]);
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let question = Question::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    // SAFETY: as in `ask`; the names outlive the call, which copies them.
    unsafe {
        let (names, count) = (pointers.as_mut_ptr(), pointers.len());
        let send =
            |client, options, queue| native::rd_kafka_DescribeConsumerGroups(client, names, count, options, queue);
        ask(client, question, timeout, send, |event| read_group(event))
    }
}

/// The ids of these topics.
///
/// # Errors
/// A topic that was not described: one that was just deleted, or whose broker does not know it yet. Asking again tells which.
pub fn ids(names: &[String], mut described: Topics) -> Result<BTreeMap<String, String>, TopicError> {
    let id = |name: &String| match described.remove(name) {
        Some(Ok(topic)) => Ok((name.clone(), topic.id)),
        Some(Err(RDKafkaErrorCode::TopicAuthorizationFailed)) => Err(TopicError::Forbidden(Missing::describe(name))),
        Some(Err(error)) => Err(KafkaError::MetadataFetch(error).into()),
        None => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition).into()),
    };
    names.iter().map(id).collect()
}

fn texts(names: &[String]) -> Vec<CString> {
    names.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect()
}

fn timed_out() -> TopicError {
    KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut).into()
}

type Handle = *mut native::rd_kafka_t;
type Options = *const native::rd_kafka_AdminOptions_t;
type Queue = *mut native::rd_kafka_queue_t;
type Event = *mut native::rd_kafka_event_t;

/// Sends a question and reads the answer.
///
/// # Safety
/// `send` sends exactly one request of the kind of `question` whose answer goes to the queue; `read` keeps nothing of the event.
unsafe fn ask<C: ClientContext, T>(
    client: &Client<C>,
    question: Question,
    timeout: Duration,
    send: impl FnOnce(Handle, Options, Queue),
    read: impl FnOnce(Event) -> Result<T, TopicError>,
) -> Result<T, TopicError> {
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let handle = client.native_ptr();
    // SAFETY: the client outlives the call. Each object made here is destroyed exactly once, after the last read of what it owns.
    unsafe {
        let queue = native::rd_kafka_queue_new(handle);
        let options = native::rd_kafka_AdminOptions_new(handle, question);
        let refused = native::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !refused.is_null() {
            native::rd_kafka_error_destroy(refused);
        }
        send(handle, options, queue);
        let event = native::rd_kafka_queue_poll(queue, millis);
        let answer = if event.is_null() {
            // No answer in time; librdkafka reads the error of any event, also of one that is not there.
            Err(timed_out())
        } else {
            let answer = match native::rd_kafka_event_error(event) {
                native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => read(event),
                error => Err(KafkaError::MetadataFetch(error.into()).into()),
            };
            native::rd_kafka_event_destroy(event);
            answer
        };
        native::rd_kafka_AdminOptions_destroy(options);
        native::rd_kafka_queue_destroy(queue);
        answer
    }
}

/// Reads the answer about topics.
///
/// # Safety
/// `event` is the answer to such a question and outlives the call.
unsafe fn read_topics(event: Event) -> Result<Topics, TopicError> {
    // SAFETY: everything read here belongs to the event, which the caller keeps.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(timed_out());
        }
        let mut count = 0;
        let descriptions = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let mut topics = Topics::new();
        for index in 0..count {
            let description = *descriptions.add(index);
            let name = text(native::rd_kafka_TopicDescription_name(description));
            let failed = native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(description));
            let id = native::rd_kafka_TopicDescription_topic_id(description);
            let topic = if failed != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                Err(failed.into())
            } else if id.is_null() {
                continue;
            } else {
                let high = native::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned();
                let low = native::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned();
                let mut count = 0;
                let allowed = native::rd_kafka_TopicDescription_authorized_operations(description, &raw mut count);
                Ok(Topic { id: uuid::Uuid::from_u64_pair(high, low).to_string(), allowed: listed(allowed, count) })
            };
            topics.insert(name, topic);
        }
        Ok(topics)
    }
}

/// Reads the answer about the group.
///
/// # Safety
/// `event` is the answer to such a question and outlives the call.
unsafe fn read_group(event: Event) -> Result<Option<Group>, TopicError> {
    // SAFETY: everything read here belongs to the event, which the caller keeps.
    unsafe {
        let result = native::rd_kafka_event_DescribeConsumerGroups_result(event);
        if result.is_null() {
            return Err(timed_out());
        }
        let mut count = 0;
        let groups = native::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if count == 0 {
            return Err(timed_out());
        }
        let group = *groups;
        match native::rd_kafka_error_code(native::rd_kafka_ConsumerGroupDescription_error(group)) {
            native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => return Ok(None),
            error => return Err(KafkaError::MetadataFetch(error.into()).into()),
        }
        let mut count = 0;
        let allowed = native::rd_kafka_ConsumerGroupDescription_authorized_operations(group, &raw mut count);
        let members = (0..native::rd_kafka_ConsumerGroupDescription_member_count(group)).map(|index| {
            let member = native::rd_kafka_ConsumerGroupDescription_member(group, index);
            Member {
                client_id: text(native::rd_kafka_MemberDescription_client_id(member)),
                host: text(native::rd_kafka_MemberDescription_host(member)),
            }
        });
        Ok(Some(Group { allowed: listed(allowed, count), members: members.collect() }))
    }
}

/// # Safety
/// `text` ends in zero and outlives the call, or is null.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// # Safety
/// `operations` points to that many, or is null.
unsafe fn listed(operations: *const Operation, count: usize) -> Vec<Operation> {
    if operations.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(operations, count) }.to_vec()
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};

    use super::*;

    #[test]
    fn a_question_that_nobody_answers_in_time_is_an_error() {
        // It takes connections and says nothing, as a broker does that was put to sleep.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("bound").to_string();
        let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", address).create().expect("a client");
        let timeout = Duration::from_millis(50);
        assert!(matches!(topics(client.client(), &["t".to_owned()], timeout), Err(TopicError::Unreachable(_))));
        assert!(matches!(group(client.client(), "g", timeout), Err(TopicError::Unreachable(_))));
    }

    #[test]
    fn the_ids_of_topics_are_those_of_all_or_an_error() {
        let names = ["a".to_owned(), "b".to_owned()];
        let ids_of = |second: Option<Result<&str, RDKafkaErrorCode>>| {
            let topic = |id: &str| Topic { id: id.to_owned(), allowed: Vec::new() };
            let mut described = Topics::from([("a".to_owned(), Ok(topic("1")))]);
            described.extend(second.map(|second| ("b".to_owned(), second.map(topic))));
            ids(&names, described)
        };
        let both = ids_of(Some(Ok("2"))).expect("both are described");
        assert_eq!(both.into_values().collect::<Vec<_>>(), ["1", "2"]);
        let unknown = ids_of(Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)));
        assert!(matches!(unknown, Err(TopicError::Unreachable(_))), "{unknown:?}");
        assert!(matches!(ids_of(None), Err(TopicError::Unreachable(_))));
        let hidden = ids_of(Some(Err(RDKafkaErrorCode::TopicAuthorizationFailed)));
        assert!(matches!(hidden, Err(TopicError::Forbidden(_))), "{hidden:?}");
    }
}
