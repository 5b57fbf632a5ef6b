//! One record of `__consumer_offsets` read from its bytes: whose commit it is, of which partition, and what was committed.
//!
//! Kafka's `OffsetCommitKey` 0 and 1 and `OffsetCommitValue` 0 to 4; all numbers are big-endian. Pure. Invariant: what is not understood
//! is an error, never skipped.

use anyhow::{Context, Result, bail};

/// Keys from here on are of other things that stand in the topic: the group itself, since version 2, and its members.
const FIRST_OF_GROUPS: i16 = 2;
/// The first version with the leader's epoch.
const WITH_LEADER_EPOCH: i16 = 3;
/// The first version whose texts begin with their length and one, in base 128.
const COMPACT: i16 = 4;

/// Whose commit a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub offset: i64,
    pub metadata: String,
}

impl Key {
    /// Reads a record's key; none where the record is no commit.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let mut left = Left(bytes);
        let version = left.int16()?;
        if version >= FIRST_OF_GROUPS {
            return Ok(None);
        }
        let key = Self { group: left.text()?, topic: left.text()?, partition: left.int32()? };
        left.nothing()?;
        Ok(Some(key))
    }
}

impl Value {
    /// Reads a record's value.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut left = Left(bytes);
        let version = left.int16()?;
        if !(0..=COMPACT).contains(&version) {
            bail!("a commit of version {version}: this reads 0 to {COMPACT}");
        }
        let offset = left.int64()?;
        if version >= WITH_LEADER_EPOCH {
            left.int32()?;
        }
        let metadata = if version >= COMPACT { left.compact_text()? } else { left.text()? };
        // Behind it stand only times and fields with tags.
        Ok(Self { offset, metadata })
    }
}

/// The bytes that are not read yet.
struct Left<'a>(&'a [u8]);

impl Left<'_> {
    fn int16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn int32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn int64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::try_from(self.int16()?).context("a text without a value")?;
        self.utf8(length)
    }

    fn compact_text(&mut self) -> Result<String> {
        let mut length = 0_usize;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return self.utf8(length.checked_sub(1).context("a text without a value")?);
            }
        }
        bail!("a length of more than five bytes")
    }

    fn utf8(&mut self, length: usize) -> Result<String> {
        let (text, left) = self.0.split_at_checked(length).context("it ends within a text")?;
        self.0 = left;
        Ok(str::from_utf8(text)?.to_owned())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, left) = self.0.split_first_chunk().context("it ends within a number")?;
        self.0 = left;
        Ok(*bytes)
    }

    fn nothing(&self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            more => bail!("{more} bytes more than expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_commit_says_whose_it_is() {
        let bytes = b"\x00\x01\x00\x05chaos\x00\x08payments\x00\x00\x00\x03";
        let (group, topic) = ("chaos".to_owned(), "payments".to_owned());
        assert_eq!(Key::read(bytes).expect("a key"), Some(Key { group, topic, partition: 3 }));
        assert!(Key::read(&bytes[..bytes.len() - 1]).is_err(), "cut off");
        assert!(Key::read(&[&bytes[..], b"\x00"].concat()).is_err(), "a byte too much");
    }

    #[test]
    fn the_key_of_a_group_is_no_commit() {
        assert_eq!(Key::read(b"\x00\x02\x00\x05chaos").expect("understood"), None);
    }

    #[test]
    fn values_of_all_versions_say_the_same() {
        let times = [0_u8; 8];
        let versions: [&[u8]; 5] = [
            b"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x02v1",
            b"\x00\x01\x00\x00\x00\x00\x00\x00\x01\x02\x00\x02v1",
            b"\x00\x02\x00\x00\x00\x00\x00\x00\x01\x02\x00\x02v1",
            b"\x00\x03\x00\x00\x00\x00\x00\x00\x01\x02\xff\xff\xff\xff\x00\x02v1",
            b"\x00\x04\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x00\x07\x03v1",
        ];
        for bytes in versions {
            let value = Value::read(&[bytes, &times].concat()).expect("a value");
            assert_eq!(value, Value { offset: 258, metadata: "v1".to_owned() }, "version {}", bytes[1]);
        }
    }

    #[test]
    fn a_long_compact_text_is_read_to_its_end_and_an_unknown_version_refused() {
        let text = "m".repeat(200);
        // 201 is 0b1_1001001.
        let bytes = [b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\xc9\x01".as_slice(), text.as_bytes()];
        assert_eq!(Value::read(&bytes.concat()).expect("a value").metadata, text);
        assert!(Value::read(b"\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00").is_err());
    }
}
