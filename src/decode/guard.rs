//! Proves that a body is exactly one datum of its writer's schema, before the Avro library sees it.
//!
//! The library trusts lengths and counts, spins on billions of items that take no byte, and takes a body that ends inside an
//! optional field for a null. Here a body is walked without allocating, in time that its own length bounds.
//! Invariant: what passes is read to its last byte and not beyond it.

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, UuidSchema};

/// What is wrong with a body, and at which of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The bytes end before the datum does.
    #[error("the body ends inside the datum, after {0} bytes")]
    Truncated(usize),
    /// The datum ends before the bytes do.
    #[error("the datum ends at byte {end} but the body has {length} bytes")]
    Trailing {
        /// Where the datum ended.
        end: usize,
        /// How long the body is.
        length: usize,
    },
    /// A length, count, index or number that cannot be.
    #[error("the {what} {value} at byte {at} is impossible")]
    Impossible {
        /// What the number was to tell.
        what: &'static str,
        /// The number.
        value: i64,
        /// Where it stood.
        at: usize,
    },
    /// A number of more than ten bytes.
    #[error("the number at byte {0} has more than ten bytes")]
    Overlong(usize),
}

/// Checks that `body` is one datum of `schema`, no more and no less. `schema` holds no references.
///
/// # Errors
/// The first flaw on the way.
pub fn check(schema: &Schema, body: &[u8]) -> Result<(), Flaw> {
    let mut walk = Walk { body, at: 0, items_left: body.len() };
    walk.datum(schema)?;
    if walk.at == body.len() { Ok(()) } else { Err(Flaw::Trailing { end: walk.at, length: body.len() }) }
}

struct Walk<'a> {
    body: &'a [u8],
    at: usize,
    /// Items that arrays and maps may still announce. Every item takes a byte of its own or is of a type without content, so
    /// no honest body has more items than bytes, and no other body costs more than its length.
    items_left: usize,
}

impl Walk<'_> {
    fn datum(&mut self, schema: &Schema) -> Result<(), Flaw> {
        match schema {
            Schema::Null => Ok(()),
            Schema::Boolean => self.boolean(),
            Schema::Int | Schema::Date | Schema::TimeMillis => self.int().map(drop),
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => self.long().map(drop),
            Schema::Float => self.skip(4),
            Schema::Double => self.skip(8),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. })
            | Schema::Uuid(UuidSchema::String | UuidSchema::Bytes) => self.text(),
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. })
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => self.skip(fixed.size),
            Schema::Enum(of) => self.index("enum symbol", of.symbols.len()).map(drop),
            Schema::Union(of) => {
                let branch = self.index("union branch", of.variants().len())?;
                self.datum(&of.variants()[branch])
            }
            Schema::Record(of) => of.fields.iter().try_for_each(|field| self.datum(&field.schema)),
            Schema::Array(of) => self.blocks(&of.items, false),
            Schema::Map(of) => self.blocks(&of.types, true),
            // The writer's schema was flattened when it was fetched; a reference that is left is one that nothing can follow.
            Schema::Ref { .. } => Err(Flaw::Impossible { what: "reference", value: 0, at: self.at }),
        }
    }

    fn blocks(&mut self, item: &Schema, keyed: bool) -> Result<(), Flaw> {
        loop {
            let at = self.at;
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A negative count is followed by the block's size in bytes, for readers that would skip it. We do not.
                let size = self.long()?;
                self.within("block size", size, at)?;
            }
            let items = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            self.items_left =
                self.items_left.checked_sub(items).ok_or(Flaw::Impossible { what: "count", value: count, at })?;
            for _ in 0..items {
                if keyed {
                    self.text()?;
                }
                self.datum(item)?;
            }
        }
    }

    fn text(&mut self) -> Result<(), Flaw> {
        let at = self.at;
        let length = self.long()?;
        let length = self.within("length", length, at)?;
        self.skip(length)
    }

    fn boolean(&mut self) -> Result<(), Flaw> {
        match self.body.get(self.at) {
            Some(0 | 1) => self.skip(1),
            Some(other) => Err(Flaw::Impossible { what: "boolean", value: i64::from(*other), at: self.at }),
            None => Err(Flaw::Truncated(self.body.len())),
        }
    }

    fn index(&mut self, what: &'static str, count: usize) -> Result<usize, Flaw> {
        let at = self.at;
        let value = self.long()?;
        usize::try_from(value).ok().filter(|&index| index < count).ok_or(Flaw::Impossible { what, value, at })
    }

    fn int(&mut self) -> Result<i32, Flaw> {
        let at = self.at;
        let value = self.long()?;
        i32::try_from(value).map_err(|_| Flaw::Impossible { what: "int", value, at })
    }

    fn long(&mut self) -> Result<i64, Flaw> {
        let start = self.at;
        let mut bits = 0_u64;
        for shift in (0..70).step_by(7) {
            let Some(&byte) = self.body.get(self.at) else { return Err(Flaw::Truncated(self.body.len())) };
            self.at += 1;
            bits |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(Flaw::Overlong(start))
    }

    /// A length that the rest of the body can hold.
    fn within(&self, what: &'static str, value: i64, at: usize) -> Result<usize, Flaw> {
        let length = usize::try_from(value).map_err(|_| Flaw::Impossible { what, value, at })?;
        if length <= self.body.len() - self.at { Ok(length) } else { Err(Flaw::Truncated(self.body.len())) }
    }

    fn skip(&mut self, length: usize) -> Result<(), Flaw> {
        if length > self.body.len() - self.at {
            return Err(Flaw::Truncated(self.body.len()));
        }
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::reader::datum::GenericDatumReader;
    use proptest::prelude::*;

    use super::*;

    fn schema(json: &str) -> Schema {
        Schema::parse_str(json).expect("a schema of these tests")
    }

    fn array_of(items: &str) -> Schema {
        schema(&format!(r#"{{"type": "array", "items": {items}}}"#))
    }

    /// One of everything.
    fn everything() -> Schema {
        schema(
            r#"{"type": "record", "name": "Everything", "fields": [
                {"name": "a", "type": "boolean"}, {"name": "b", "type": "int"}, {"name": "c", "type": "long"},
                {"name": "d", "type": "float"}, {"name": "e", "type": "double"}, {"name": "f", "type": "bytes"},
                {"name": "g", "type": "string"}, {"name": "h", "type": ["null", "string"]},
                {"name": "i", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}},
                {"name": "j", "type": {"type": "fixed", "name": "F", "size": 3}},
                {"name": "k", "type": {"type": "array", "items": {"type": "map", "values": "long"}}},
                {"name": "l", "type": {"type": "long", "logicalType": "timestamp-micros"}},
                {"name": "m", "type": ["null", "string"]}]}"#,
        )
    }

    #[rustfmt::skip]
    const EVERYTHING: &[u8] = &[
        1, 2, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 9, 2, b'g', 2, 2, b'h', 2, 1, 2, 3,
        2, 1, 6, 2, b'k', 8, 0, 0, 10, 2, 4, b'm', b'm',
    ];

    #[test]
    fn a_body_that_is_one_datum_passes() {
        assert_eq!(check(&everything(), EVERYTHING), Ok(()));
    }

    #[test]
    fn a_body_cut_at_any_byte_is_truncated_even_inside_an_optional_field() {
        for length in 0..EVERYTHING.len() {
            let flaw = check(&everything(), &EVERYTHING[..length]).expect_err("a cut body");
            assert_eq!(flaw, Flaw::Truncated(length));
        }
    }

    #[test]
    fn a_body_with_a_byte_too_many_is_refused() {
        let body = [EVERYTHING, &[0]].concat();
        let length = body.len();
        assert_eq!(check(&everything(), &body), Err(Flaw::Trailing { end: length - 1, length }));
    }

    #[test]
    fn a_length_beyond_the_body_is_refused_whatever_its_size() {
        for body in [
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..], // 2^62
            &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],     // 2^63 - 1
            &[4, b'a'],
        ] {
            assert_eq!(check(&Schema::String, body), Err(Flaw::Truncated(body.len())));
        }
        assert_eq!(check(&Schema::Bytes, &[1]), Err(Flaw::Impossible { what: "length", value: -1, at: 0 }));
    }

    #[test]
    fn a_huge_count_of_items_without_bytes_costs_nothing() {
        let max = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0];
        let flaw = Flaw::Impossible { what: "count", value: i64::MAX, at: 0 };
        assert_eq!(check(&array_of(r#""null""#), &max), Err(flaw));
        assert_eq!(check(&array_of(r#"{"type": "record", "name": "R", "fields": []}"#), &max), Err(flaw));
        // Arrays in arrays share one budget, or the square of the length would be walked.
        let mut nested = vec![0xA0, 0x1F];
        nested.extend(std::iter::repeat_n([0xA0, 0x1F, 0], 2_000).flatten());
        nested.push(0);
        let nulls = array_of(r#"{"type": "array", "items": "null"}"#);
        assert!(matches!(check(&nulls, &nested), Err(Flaw::Impossible { what: "count", value: 2_000, .. })));
    }

    #[test]
    fn the_least_of_all_counts_is_no_overflow() {
        let least = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0, 0];
        let flaw = Flaw::Impossible { what: "count", value: i64::MIN, at: 0 };
        assert_eq!(check(&array_of(r#""long""#), &least), Err(flaw));
    }

    #[test]
    fn a_block_with_its_size_before_it_passes() {
        assert_eq!(check(&array_of(r#""long""#), &[3, 4, 10, 12, 2, 14, 0]), Ok(()));
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let union = schema(r#"["null", "long"]"#);
        let an_enum = schema(r#"{"type": "enum", "name": "E", "symbols": ["X", "Y"]}"#);
        for (schema, body, what, value) in [
            (&union, &[4][..], "union branch", 2),
            (&union, &[1], "union branch", -1),
            (&an_enum, &[4], "enum symbol", 2),
            (&Schema::Boolean, &[2], "boolean", 2),
            (&Schema::Int, &[0x80, 0x80, 0x80, 0x80, 0x10], "int", 1 << 31),
        ] {
            assert_eq!(check(schema, body), Err(Flaw::Impossible { what, value, at: 0 }));
        }
        assert_eq!(check(&Schema::Long, &[0x80; 11]), Err(Flaw::Overlong(0)));
    }

    proptest! {
        #[test]
        fn what_passes_is_what_the_library_reads_to_the_last_byte(
            mut body in prop::collection::vec(any::<u8>(), 0..64),
            honest in any::<bool>(),
            at in 0..EVERYTHING.len(),
        ) {
            if honest {
                let mut mutated = EVERYTHING.to_vec();
                mutated.splice(at..(at + body.len() / 8).min(mutated.len()), body.iter().take(2).copied());
                body = mutated;
            }
            let everything = everything();
            if check(&everything, &body).is_ok() {
                let reader = GenericDatumReader::builder(&everything).build().expect("a valid schema");
                let mut rest = &body[..];
                // The guard leaves UTF-8 to the library.
                if reader.read_value(&mut rest).is_ok() {
                    prop_assert_eq!(rest, b"");
                }
            }
        }
    }
}
