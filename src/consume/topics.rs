//! The input topics: which there are, and whether they are co-partitioned.
//!
//! Asked at start and at every assignment. Invariant: a lane is complete, partition n of every input topic, or nothing of it is
//! read; unequal partition counts are refused with both numbers.

use rdkafka::topic_partition_list::TopicPartitionList;

use crate::ids::Lane;
use crate::order::Source;

/// The configured input topics by role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputTopics {
    names: Vec<(Source, String)>,
}

impl InputTopics {
    /// Keeps the roles in their own order.
    #[must_use]
    pub fn new(mut names: Vec<(Source, String)>) -> Self {
        names.sort_by_key(|(source, _)| *source);
        Self { names }
    }

    /// Roles and names.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &str)> {
        self.names.iter().map(|(source, name)| (*source, name.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none; never so in a configuration that was accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The topic of a role that is configured.
    #[must_use]
    pub fn name(&self, source: Source) -> &str {
        self.iter().find(|(role, _)| *role == source).map_or("", |(_, name)| name)
    }

    /// The role of a topic.
    #[must_use]
    pub fn source(&self, topic: &str) -> Option<Source> {
        self.iter().find(|(_, name)| *name == topic).map(|(source, _)| source)
    }

    /// The lanes of an assignment, in order.
    ///
    /// # Errors
    /// A lane of which some topic's partition is missing, as a sentence.
    pub fn lanes(&self, assignment: &TopicPartitionList) -> Result<Vec<Lane>, String> {
        let mut lanes: Vec<Lane> = assignment.elements().iter().map(|element| Lane(element.partition())).collect();
        lanes.sort_unstable();
        lanes.dedup();
        for lane in &lanes {
            for (_, name) in self.iter() {
                if assignment.find_partition(name, lane.0).is_none() {
                    return Err(format!(
                        "the group gave us lane {lane} without partition {lane} of `{name}`: all members must read the same topics with the `range` assignor; look for a stranger in the group"
                    ));
                }
            }
        }
        Ok(lanes)
    }

    /// The one partition count of all input topics.
    ///
    /// # Errors
    /// The two topics that differ, as a sentence.
    pub fn lane_count(&self, counts: &[(String, i32)]) -> Result<i32, String> {
        let Some((first, count)) = counts.first() else { return Err("no input topic is configured".to_owned()) };
        match counts.iter().find(|(_, other)| other != count) {
            Some((name, other)) => Err(format!(
                "topic `{name}` has {other} partitions but `{first}` has {count}: give all input topics the same number"
            )),
            None => Ok(*count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> InputTopics {
        InputTopics::new(vec![(Source::Shipping, "shipping".to_owned()), (Source::Payment, "payments".to_owned())])
    }

    #[test]
    fn unequal_partition_counts_are_refused_with_both_numbers() {
        let counts = [("payments".to_owned(), 4), ("shipping".to_owned(), 6)];
        let text = topics().lane_count(&counts).unwrap_err();
        assert_eq!(
            text,
            "topic `shipping` has 6 partitions but `payments` has 4: give all input topics the same number"
        );
        assert_eq!(topics().lane_count(&counts[..1]), Ok(4));
    }

    #[test]
    fn a_lane_with_a_missing_partition_is_refused() {
        let mut assignment = TopicPartitionList::new();
        for (topic, partition) in [("payments", 0), ("shipping", 0), ("payments", 1)] {
            assignment.add_partition(topic, partition);
        }
        assert!(topics().lanes(&assignment).unwrap_err().contains("lane 1 without partition 1 of `shipping`"));
        assignment.add_partition("shipping", 1);
        assert_eq!(topics().lanes(&assignment), Ok(vec![Lane(0), Lane(1)]));
    }
}
