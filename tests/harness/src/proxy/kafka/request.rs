//! What a request of the Kafka protocol is, as far as a rule may want to know; and the error in its answer. Pure.
//!
//! Knows the versions that librdkafka 2.12 speaks, and those around them where they read the same. Invariant: whatever it cannot
//! read, it has no opinion of; bytes are never changed but for the correlation id of a copy.

use bytes::Bytes;

use super::reader::Reader;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// Records.
    Produce,
    /// Offsets of a group, outside of a transaction.
    OffsetCommit,
    /// A producer id and epoch.
    InitProducerId,
    /// A transaction will write to partitions.
    AddPartitionsToTxn,
    /// A transaction will write offsets of a group.
    AddOffsetsToTxn,
    /// Commit or abort.
    EndTxn,
    /// Offsets of a group, in a transaction.
    TxnOffsetCommit,
    /// Anything else, by its number.
    Other(i16),
}

impl Api {
    fn of(key: i16) -> Self {
        match key {
            0 => Self::Produce,
            8 => Self::OffsetCommit,
            22 => Self::InitProducerId,
            24 => Self::AddPartitionsToTxn,
            25 => Self::AddOffsetsToTxn,
            26 => Self::EndTxn,
            28 => Self::TxnOffsetCommit,
            other => Self::Other(other),
        }
    }

    /// The first version with compact strings and tagged fields.
    fn flexible_from(self) -> i16 {
        match self {
            Self::Produce => 9,
            Self::OffsetCommit => 8,
            Self::InitProducerId => 2,
            Self::AddPartitionsToTxn | Self::AddOffsetsToTxn | Self::EndTxn | Self::TxnOffsetCommit => 3,
            Self::Other(_) => i16::MAX,
        }
    }

    /// The last version whose body is read.
    fn known_to(self) -> i16 {
        match self {
            Self::Produce => 12,
            Self::OffsetCommit => 9,
            Self::InitProducerId | Self::AddOffsetsToTxn => 4,
            Self::AddPartitionsToTxn => 3,
            Self::EndTxn | Self::TxnOffsetCommit => 5,
            Self::Other(_) => -1,
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub api: Api,
    /// The version in which it is asked.
    pub version: i16,
    /// The number that its answer bears.
    pub correlation: i32,
    /// How the client calls itself.
    pub client: String,
    /// Whose transaction it is about; empty where it is about none, or where that could not be read.
    pub transactional_id: String,
    /// The producer's id; -1 where there is none.
    pub producer: i64,
    /// The producer's epoch; -1 where there is none.
    pub epoch: i16,
    /// Whether a transaction is to be committed; none for what is not an `EndTxn`.
    pub commits: Option<bool>,
    /// The first topic that is written to, of a `Produce`.
    pub topic: String,
}

impl Request {
    /// Reads a frame, without its size; none for what has no header of a request.
    #[must_use]
    pub fn read(frame: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(frame);
        let (api, version) = (Api::of(reader.i16()?), reader.i16()?);
        let (correlation, client) = (reader.i32()?, reader.string()?);
        let mut request = Self {
            api,
            version,
            correlation,
            client,
            transactional_id: String::new(),
            producer: -1,
            epoch: -1,
            commits: None,
            topic: String::new(),
        };
        let mut read = request.clone();
        if (0..=api.known_to()).contains(&version) && read.read_body(&mut reader).is_some() {
            request = read;
        }
        Some(request)
    }

    fn is_flexible(&self) -> bool {
        self.version >= self.api.flexible_from()
    }

    fn read_body(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        reader.compact = self.is_flexible();
        if reader.compact {
            reader.tags()?;
        }
        match self.api {
            Api::Produce => {
                self.transactional_id = reader.text()?;
                reader.skip(2 + 4)?; // acks, timeout
                if reader.array()? > 0 {
                    self.topic = reader.text()?;
                    self.read_first_batch(reader)?;
                }
            }
            Api::InitProducerId => {
                self.transactional_id = reader.text()?;
                reader.skip(4)?; // transaction timeout
                if self.version >= 3 {
                    (self.producer, self.epoch) = (reader.i64()?, reader.i16()?);
                }
            }
            Api::AddPartitionsToTxn | Api::AddOffsetsToTxn | Api::EndTxn => {
                self.transactional_id = reader.text()?;
                (self.producer, self.epoch) = (reader.i64()?, reader.i16()?);
                if self.api == Api::EndTxn {
                    self.commits = Some(reader.u8()? != 0);
                }
            }
            Api::TxnOffsetCommit => {
                self.transactional_id = reader.text()?;
                reader.text()?; // group
                (self.producer, self.epoch) = (reader.i64()?, reader.i16()?);
            }
            Api::OffsetCommit | Api::Other(_) => {}
        }
        Some(())
    }

    /// A producer's id and epoch stand in each batch of records, 43 bytes behind its beginning.
    fn read_first_batch(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        if reader.array()? > 0 {
            reader.skip(4)?; // partition
            reader.bytes_len()?;
            reader.skip(43)?;
            (self.producer, self.epoch) = (reader.i64()?, reader.i16()?);
        }
        Some(())
    }

    /// The first error in the answer to this request; 0 where there is none, none where it could not be read.
    #[must_use]
    pub fn error_of(&self, answer: &Bytes) -> Option<i16> {
        if !(0..=self.api.known_to()).contains(&self.version) {
            return None;
        }
        let mut reader = Reader::new(answer);
        reader.compact = self.is_flexible();
        reader.skip(4)?; // correlation id
        if reader.compact {
            reader.tags()?;
        }
        match self.api {
            Api::InitProducerId | Api::AddOffsetsToTxn | Api::EndTxn => {
                reader.skip(4)?; // throttle time
                reader.i16()
            }
            Api::AddPartitionsToTxn | Api::TxnOffsetCommit => {
                reader.skip(4)?;
                reader.first_error()
            }
            Api::Produce => reader.first_error(),
            Api::OffsetCommit => {
                reader.skip(if self.version >= 3 { 4 } else { 0 })?;
                reader.first_error()
            }
            Api::Other(_) => None,
        }
    }

    /// The same frame, which begins with its size, under another number.
    pub(super) fn renumbered(sized: &Bytes, correlation: i32) -> Bytes {
        let mut copy = sized.to_vec();
        copy[8..12].copy_from_slice(&correlation.to_be_bytes());
        copy.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(key: i16, version: i16, flexible: bool) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(77_i32.to_be_bytes());
        text(&mut frame, "rdkafka");
        if flexible {
            frame.push(0);
        }
        frame
    }

    fn text(frame: &mut Vec<u8>, text: &str) {
        frame.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text.as_bytes());
    }

    fn compact(frame: &mut Vec<u8>, text: &str) {
        frame.push(u8::try_from(text.len() + 1).unwrap());
        frame.extend(text.as_bytes());
    }

    fn producer(frame: &mut Vec<u8>) {
        frame.extend(4_000_i64.to_be_bytes());
        frame.extend(3_i16.to_be_bytes());
    }

    #[test]
    fn the_end_of_a_transaction_says_whose_it_is_and_whether_it_commits() {
        let mut frame = header(26, 1, false);
        text(&mut frame, "group-instance");
        producer(&mut frame);
        frame.push(1);
        let request = Request::read(&frame.into()).expect("a request");
        assert_eq!((request.api, request.version, request.correlation), (Api::EndTxn, 1, 77));
        assert_eq!((request.client.as_str(), request.transactional_id.as_str()), ("rdkafka", "group-instance"));
        assert_eq!((request.producer, request.epoch, request.commits), (4_000, 3, Some(true)));
        let answer = [0, 0, 0, 77, 0, 0, 0, 0, 0, 47];
        assert_eq!(request.error_of(&Bytes::copy_from_slice(&answer)), Some(47));
    }

    #[test]
    fn offsets_in_a_transaction_are_read_in_their_flexible_version() {
        let mut frame = header(28, 3, true);
        compact(&mut frame, "id");
        compact(&mut frame, "group");
        producer(&mut frame);
        let request = Request::read(&frame.into()).expect("a request");
        assert_eq!((request.transactional_id.as_str(), request.producer, request.epoch), ("id", 4_000, 3));
        let mut answer = vec![0, 0, 0, 77, 0, 0, 0, 0, 0, 2];
        compact(&mut answer, "topic");
        answer.extend([2, 0, 0, 0, 5, 0, 22, 0, 0, 0]);
        assert_eq!(request.error_of(&answer.into()), Some(22));
    }

    #[test]
    fn records_say_whose_they_are_in_their_first_batch() {
        let mut frame = header(0, 8, false);
        text(&mut frame, "id");
        frame.extend([0xff, 0xff, 0, 0, 0x75, 0x30]);
        frame.extend(1_i32.to_be_bytes());
        text(&mut frame, "status");
        frame.extend(1_i32.to_be_bytes());
        frame.extend(0_i32.to_be_bytes());
        frame.extend(100_i32.to_be_bytes());
        frame.extend([0; 43]);
        producer(&mut frame);
        let request = Request::read(&frame.into()).expect("a request");
        assert_eq!((request.topic.as_str(), request.producer, request.epoch), ("status", 4_000, 3));
    }

    #[test]
    fn what_cannot_be_read_is_passed_on_without_an_opinion() {
        for (key, version) in [(26, 99), (0, 13), (3, 12), (1, 16)] {
            let request = Request::read(&header(key, version, false).into()).expect("it has a header");
            assert_eq!((request.transactional_id.as_str(), request.producer), ("", -1));
            assert_eq!(request.error_of(&Bytes::from_static(&[0; 40])), None);
        }
        // Cut off anywhere, it is a request without a body, or none.
        let mut whole = header(26, 1, false);
        text(&mut whole, "id");
        producer(&mut whole);
        for length in 0..whole.len() {
            let request = Request::read(&Bytes::copy_from_slice(&whole[..length]));
            assert!(request.is_none_or(|request| request.producer == -1 && request.commits.is_none()));
        }
    }

    #[test]
    fn a_copy_differs_in_its_number_alone() {
        let frame = Bytes::from(header(26, 1, false));
        let copy = Request::renumbered(&frame, -5);
        assert_eq!((&copy[..8], &copy[8..12], &copy[12..]), (&frame[..8], &(-5_i32).to_be_bytes()[..], &frame[12..]));
    }
}
