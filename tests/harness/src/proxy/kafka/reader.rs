//! Reads the primitives of the Kafka protocol from a frame, front to back. Pure.
//!
//! Invariant: nothing is read beyond the frame; what does not fit is none.

/// A place in a frame.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Whether strings and arrays have their length in the newer, compact form.
    pub(super) compact: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame, compact: false }
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    /// A string in the older form; empty for null.
    pub(super) fn string(&mut self) -> Option<String> {
        let length = self.i16()?;
        self.chars(usize::try_from(length.max(0)).ok()?)
    }

    /// A string in the form of the frame; empty for null.
    pub(super) fn text(&mut self) -> Option<String> {
        if !self.compact {
            return self.string();
        }
        let length = self.varint()?.saturating_sub(1);
        self.chars(usize::try_from(length).ok()?)
    }

    /// How many elements follow; 0 for null.
    pub(super) fn array(&mut self) -> Option<u64> {
        if self.compact { Some(self.varint()?.saturating_sub(1)) } else { u64::try_from(self.i32()?.max(0)).ok() }
    }

    /// How many bytes follow; 0 for null.
    pub(super) fn bytes_len(&mut self) -> Option<u64> {
        self.array()
    }

    /// Passes tagged fields.
    pub(super) fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()?;
            self.skip(usize::try_from(size).ok()?)?;
        }
        Some(())
    }

    /// The error of the first partition of the first topic; 0 where there is none.
    pub(super) fn first_error(&mut self) -> Option<i16> {
        if self.array()? == 0 {
            return Some(0);
        }
        self.text()?;
        if self.array()? == 0 {
            return Some(0);
        }
        self.i32()?;
        self.i16()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn chars(&mut self, count: usize) -> Option<String> {
        let chars = self.rest.get(..count)?;
        self.rest = &self.rest[count..];
        Some(String::from_utf8_lossy(chars).into_owned())
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }
}
