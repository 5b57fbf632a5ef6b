//! Every offset that was ever committed for the group, in the order in which Kafka wrote them down: none may be lower than before.
//!
//! Who asks a coordinator sees only the last one, and a stale one for a while after a broker came back; the log forgets nothing within
//! a run. Invariant: read as committed transactions have it, after all workers have stopped.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rdkafka::Message;

use super::commit_record::{Key, Value};
use super::verdict::{Finding, Sort};
use crate::deployment::Deployment;
use crate::positions::Mark;
use crate::topic_log::{LogReader, Partition};

/// Where Kafka keeps them.
const TOPIC: &str = "__consumer_offsets";
/// How long a transaction of a worker that was killed may stay open.
const OPEN_SECONDS: u64 = 90;

/// Reads the log and judges it.
pub(super) async fn judge(deployment: &Deployment) -> Result<Vec<Finding>> {
    let reader = LogReader::on(&deployment.stack.brokers)?;
    let partitions = reader.partitions(TOPIC)?;
    reader.until_no_transaction_is_open(OPEN_SECONDS, &partitions).await?;
    let mut commits = Commits::default();
    reader.read(&partitions, |message| {
        let place = || format!("{TOPIC} {}@{}", message.partition(), message.offset());
        let Some(key) = Key::read(message.key().unwrap_or_default()).with_context(place)? else { return Ok(()) };
        if key.group == deployment.group {
            commits.take(key, message.payload().map(Value::read).transpose().with_context(place)?);
        }
        Ok(())
    })?;
    Ok(commits.findings())
}

/// How far each partition is, and what fell.
#[derive(Debug, Default)]
struct Commits {
    last: BTreeMap<Partition, Last>,
    findings: Vec<String>,
    count: u64,
}

/// The last commit of a partition.
#[derive(Clone, Copy, Debug)]
struct Last {
    offset: i64,
    seq: Option<i64>,
}

impl Commits {
    /// The next record of a partition; without a value it is one that was taken back.
    fn take(&mut self, key: Key, value: Option<Value>) {
        self.count += 1;
        let Key { topic, partition, .. } = key;
        let name = format!("{topic}/{partition}");
        let Some(Value { offset, metadata }) = value else {
            self.findings.push(format!("the committed offset of {name} was taken back"));
            return;
        };
        let seq = Mark::read(&metadata).map(|mark| mark.seq);
        let before = self.last.insert(Partition { topic, number: partition }, Last { offset, seq });
        let Some(before) = before else { return };
        if offset < before.offset {
            self.findings.push(format!("{offset} was committed for {name} after {}", before.offset));
        }
        if let (Some(from), Some(to)) = (before.seq, seq)
            && to < from
        {
            self.findings.push(format!("row {to} was noted beside the offset of {name} after row {from}"));
        }
    }

    fn findings(self) -> Vec<Finding> {
        let silent = (self.count == 0).then(|| format!("{TOPIC} holds no commit of the group"));
        self.findings.into_iter().chain(silent).map(|words| Finding::new(Sort::WentBack, words)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(commits: &[(i32, Option<(i64, i64)>)]) -> Vec<String> {
        let mut taken = Commits::default();
        for (partition, value) in commits {
            let key = Key { group: "chaos".to_owned(), topic: "payments".to_owned(), partition: *partition };
            let value = value.map(|(offset, seq)| {
                let metadata = format!("v1;seq={seq};epoch=1;db={}", uuid::Uuid::nil().simple());
                Value { offset, metadata }
            });
            taken.take(key, value);
        }
        taken.findings().into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn offsets_that_rise_or_stay_in_each_partition_are_well() {
        assert_eq!(found(&[(0, Some((7, 3))), (1, Some((2, 1))), (0, Some((7, 3))), (0, Some((9, 4)))]), [""; 0]);
    }

    #[test]
    fn an_offset_or_a_row_that_falls_is_found_with_its_partition_and_both_values() {
        let found = found(&[(2, Some((7, 3))), (2, Some((5, 3))), (2, Some((8, 2))), (2, None)]);
        let expected = [
            "5 was committed for payments/2 after 7",
            "row 2 was noted beside the offset of payments/2 after row 3",
            "the committed offset of payments/2 was taken back",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_log_without_any_commit_proves_nothing() {
        assert_eq!(found(&[]), ["__consumer_offsets holds no commit of the group"]);
    }
}
