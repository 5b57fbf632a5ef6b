//! The danger itself, without orderstream: a producer that goes on after a doubtful call is hit by what it sent before.
//!
//! librdkafka speaks the older transaction protocol, in which all transactions of a producer have one epoch: a late `EndTxn` ends
//! whatever transaction is open, and late offsets go into it. A producer made anew has another epoch, and what is late is refused.
//! So the relay makes a new one after any call in which a request may have been sent twice. A copy that no client sent
//! (`RepeatElsewhere`) would hit as hard and could not be noticed by any client; no TCP connection makes one.

use std::time::Duration;

use orderstream_harness::topic_log::{LogReader, Partition};
use orderstream_harness::{positions, stack, topics, wait};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use super::*;

const CALL: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_ends_the_next_transaction_of_a_producer_that_goes_on_and_is_refused_by_a_new_one() {
    let wired = Wired::broker().await;
    for (action, anew) in
        [(Action::HoldAndBreak, false), (Action::RepeatElsewhere, false), (Action::HoldAndBreak, true)]
    {
        let bare = Bare::new(&wired).await;
        let visible = spawn_blocking(move || {
            let producer = bare.producer();
            let late = bare.next(Api::EndTxn, action);
            producer.begin_transaction().expect("begun");
            bare.write(&producer, "first");
            producer.commit_transaction(CALL).expect("committed, at the second attempt");
            let producer = if anew { bare.producer() } else { producer };
            producer.begin_transaction().expect("begun");
            bare.write(&producer, "second");
            let answer = bare.arrives(&late);
            assert_eq!(FENCED.contains(&answer), anew, "it was answered with {answer}");
            // Where it was ended already, there is nothing to abort.
            assert_eq!(producer.abort_transaction(CALL).is_ok(), anew);
            bare.visible()
        });
        let visible = visible.await.expect("as told");
        let expected: &[&str] = if anew { &["first"] } else { &["first", "second"] };
        assert_eq!(visible, expected, "{action:?}, a new producer: {anew}; the second was aborted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_offsets_move_the_next_transaction_of_a_producer_that_goes_on_back_and_are_refused_by_a_new_one() {
    let wired = Wired::broker().await;
    for anew in [false, true] {
        let bare = Bare::new(&wired).await;
        let position = spawn_blocking(move || {
            let producer = bare.producer();
            let late = bare.next(Api::TxnOffsetCommit, Action::HoldAndBreak);
            producer.begin_transaction().expect("begun");
            bare.move_to(&producer, 5);
            producer.commit_transaction(CALL).expect("committed");
            let producer = if anew { bare.producer() } else { producer };
            producer.begin_transaction().expect("begun");
            bare.move_to(&producer, 9);
            let answer = bare.arrives(&late);
            assert_eq!(FENCED.contains(&answer), anew, "it was answered with {answer}");
            producer.commit_transaction(CALL).expect("committed");
            bare.position()
        });
        let position = position.await.expect("as told");
        assert_eq!(position, if anew { 9 } else { 5 }, "a new producer: {anew}");
    }
}

/// A topic and a group without orderstream. One name serves for the topic, the group and the transactional id.
struct Bare {
    wired: Arc<Wired>,
    direct: String,
    name: String,
}

impl Bare {
    async fn new(wired: &Arc<Wired>) -> Self {
        let direct = wired.cluster.as_ref().expect("it runs").bootstrap("CLIENTS").expect("a listener");
        let name = format!("bare-{}", crate::stage::now_micros());
        topics::create_named(&direct, &[(&name, 1)], 1).await.expect("a topic");
        Self { wired: wired.clone(), direct, name }
    }

    fn producer(&self) -> BaseProducer {
        let mut config = stack::client(&self.wired.wire.address().to_string());
        let producer: BaseProducer = config.set("transactional.id", &self.name).create().expect("a producer");
        producer.init_transactions(CALL).expect("kafka answers");
        producer
    }

    fn next(&self, api: Api, action: Action) -> Rule {
        let name = self.name.clone();
        let catches = move |request: &Request| request.api == api && request.transactional_id == name;
        self.wired.wire.rule(1, catches, action)
    }

    fn arrives(&self, late: &Rule) -> i16 {
        assert_eq!(late.caught().len(), 1);
        late.release();
        wait::blocking(CALL, "an answer to what was late", || !late.errors().is_empty()).expect("an answer");
        late.errors()[0]
    }

    fn write(&self, producer: &BaseProducer, text: &str) {
        producer.send(BaseRecord::<str, str>::to(&self.name).payload(text)).map_err(|(error, _)| error).expect("taken");
        producer.flush(CALL).expect("acknowledged");
    }

    fn visible(&self) -> Vec<String> {
        let records = LogReader::on(&self.direct).expect("kafka answers").read_all(&self.name).expect("records");
        let text = |value: Option<bytes::Bytes>| String::from_utf8(value.unwrap_or_default().into()).expect("text");
        records.into_iter().map(|record| text(record.value)).collect()
    }

    fn move_to(&self, producer: &BaseProducer, offset: i64) {
        let consumer: BaseConsumer =
            stack::client(&self.direct).set("group.id", &self.name).create().expect("a consumer");
        let nobody = consumer.group_metadata().expect("metadata of nobody");
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.name, 0, Offset::Offset(offset)).expect("an offset");
        producer.send_offsets_to_transaction(&offsets, &nobody, CALL).expect("sent, at the second attempt");
    }

    fn position(&self) -> i64 {
        let partition = Partition { topic: self.name.clone(), number: 0 };
        let committed = positions::committed(&self.direct, &self.name, std::slice::from_ref(&partition));
        committed.expect("kafka answers")[&partition].offset
    }
}
