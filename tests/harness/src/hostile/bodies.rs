//! What an Avro body can be made to say: cut anywhere, too long, with lengths, counts, numbers and texts that cannot be.

use super::{BEGIN, Corpus, Fate, whole};
use crate::avro::{long, text};
use crate::schemas;
use crate::topics::Input;

const BAD: Fate = Some("bad_avro");

/// Adds them, for every topic.
pub(super) fn add(corpus: &mut Corpus) {
    for input in Input::ALL {
        let kinds: Vec<String> = schemas::kinds(input).into_iter().filter(|kind| kind != "UNKNOWN").collect();
        for kind in &kinds {
            cuts(corpus, input, kind);
        }
        for more in [&[0][..], &[0; 5], &[0xff; 64]] {
            let name = format!("{} bytes behind it", more.len());
            corpus.add_bytes(input, &name, BAD, |value| value.extend_from_slice(more));
        }
        corpus.add_bytes(input, "twice in one value", BAD, |value| value.extend_from_within(5..));
        lengths(corpus, input);
        numbers(corpus, input);
        texts(corpus, input);
    }
    for input in [Input::Inventory, Input::Shipping, Input::Order] {
        blocks(corpus, input);
    }
}

/// A whole event of a kind, and the same cut at every byte of its body. The cuts share one order, which none of them makes.
fn cuts(corpus: &mut Corpus, input: Input, kind: &str) {
    let value = corpus.value(&whole(input, kind, &corpus.order()));
    corpus.add(input, format!("{kind}, whole"), None, Some(value));
    let value = corpus.value(&whole(input, kind, "cut"));
    for length in 6..value.len() {
        corpus.add(input, format!("{kind} cut at {length}"), BAD, Some(value[..length].to_vec()));
    }
}

/// The fields that begin every record.
fn beginning(corpus: &Corpus, input: Input, kind: i64) -> Vec<u8> {
    let mut value = [&[0][..], &corpus.ids(input).current.to_be_bytes()].concat();
    text("evt-1", &mut value);
    text(&corpus.order(), &mut value);
    long(kind, &mut value);
    long(BEGIN, &mut value);
    value
}

/// Lengths of the first text that no body has.
fn lengths(corpus: &mut Corpus, input: Input) {
    let lengths = [1 << 62, i64::MAX, i64::MIN, -1, 1 << 31, 1 << 32, 100_000];
    for length in lengths {
        let mut value = [&[0][..], &corpus.ids(input).current.to_be_bytes()].concat();
        long(length, &mut value);
        value.extend_from_slice(b"some bytes");
        corpus.add(input, format!("a text of {length} bytes"), BAD, Some(value));
    }
    // A number has ten bytes at most, and the tenth only one bit.
    for count in [10, 11, 1_000] {
        let mut value = [&[0][..], &corpus.ids(input).current.to_be_bytes()].concat();
        value.extend(std::iter::repeat_n(0x80, count));
        value.push(1);
        corpus.add(input, format!("a length of {} bytes", count + 1), BAD, Some(value));
    }
}

fn numbers(corpus: &mut Corpus, input: Input) {
    for kind in [-1, 1_000, i64::MAX, i64::MIN] {
        let value = beginning(corpus, input, kind);
        corpus.add(input, format!("kind number {kind}"), BAD, Some(value));
    }
    for branch in [2, -1, i64::MAX, i64::MIN] {
        let mut value = beginning(corpus, input, 1);
        long(branch, &mut value);
        corpus.add(input, format!("branch {branch} of a union of two"), BAD, Some(value));
    }
    if input == Input::Shipping {
        corpus.add_bytes(input, "a boolean of 2", BAD, |value| *value.last_mut().expect("a body") = 2);
    }
}

/// Texts that are not UTF-8, in place of the event's id.
fn texts(corpus: &mut Corpus, input: Input) {
    let not_utf8: [(&str, &[u8]); 5] = [
        ("a lone byte", b"\xff"),
        ("a NUL in two bytes", b"\xc0\x80"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("a character beyond the last", b"\xf5\x80\x80\x80"),
        ("half a character", b"a\xe2\x82"),
    ];
    for (name, bytes) in not_utf8 {
        let value =
            corpus.value(&whole(input, super::sound(input, "")["kind"].as_str().expect("a kind"), &corpus.order()));
        let prefix = value[..5].to_vec();
        // The event's id is shorter than 64 bytes, so its length is one byte: twice the length.
        let behind = value[6 + usize::from(value[5] / 2)..].to_vec();
        let mut changed = prefix;
        long(i64::try_from(bytes.len()).expect("a few"), &mut changed);
        let value = [&changed[..], bytes, &behind].concat();
        corpus.add(input, format!("{name} for text"), BAD, Some(value));
    }
}

/// A block of an array as it stands in the bytes: its count, its size where it says one, its items.
type Block<'a> = (i64, Option<i64>, &'a [u8]);

/// Lines in blocks: as nobody would write them and all must read them, and as they cannot be.
fn blocks(corpus: &mut Corpus, input: Input) {
    let line = |number: u8| [&[2, b'0' + number][..], &[0, 2]].concat();
    let two = [line(1), line(2)].concat();
    let size = |bytes: usize| i64::try_from(bytes).expect("a few");
    let blocks: [(&str, Fate, Vec<Block<'_>>); 12] = [
        ("two blocks", None, vec![(1, None, &two[..4]), (1, None, &two[4..]), (0, None, &[])]),
        ("a block with its size", None, vec![(-2, Some(size(two.len())), &two), (0, None, &[])]),
        ("blocks of both kinds", None, vec![(-1, Some(4), &two[..4]), (1, None, &two[4..]), (0, None, &[])]),
        ("a block whose size is beyond the body", BAD, vec![(-2, Some(1 << 40), &two), (0, None, &[])]),
        ("a block whose size is negative", BAD, vec![(-2, Some(-8), &two), (0, None, &[])]),
        ("2^63 - 1 lines", BAD, vec![(i64::MAX, None, &two)]),
        ("-2^63 lines", BAD, vec![(i64::MIN, Some(8), &two)]),
        ("2^62 lines", BAD, vec![(1 << 62, None, &two), (0, None, &[])]),
        ("1,000,000 lines of which two are there", BAD, vec![(1_000_000, None, &two), (0, None, &[])]),
        ("a line less than announced", BAD, vec![(3, None, &two), (0, None, &[])]),
        ("a line more than announced", BAD, vec![(1, None, &two), (0, None, &[])]),
        ("a quantity beyond 32 bits", BAD, vec![(1, None, b"\x02\x31\x00\x80\x80\x80\x80\x10"), (0, None, &[])]),
    ];
    let kind = super::sound(input, "")["kind"].clone();
    let number = schemas::kinds(input).iter().position(|known| kind == **known).expect("a kind of the topic");
    let fields = schemas::fields(input);
    for (name, fate, blocks) in blocks {
        let mut value = beginning(corpus, input, size(number));
        for field in &fields[4..] {
            match field.as_str() {
                "lines" => blocks.iter().for_each(|(count, bytes, items)| {
                    long(*count, &mut value);
                    bytes.iter().for_each(|bytes| long(*bytes, &mut value));
                    value.extend_from_slice(items);
                }),
                "reservation_id" | "shipment_id" => value.extend_from_slice(b"\x02\x02s"),
                "total_minor" => value.extend_from_slice(&[2, 10]),
                "currency" => value.extend_from_slice(b"\x02\x06EUR"),
                _ => value.push(0),
            }
        }
        corpus.add(input, name, fate, Some(value));
    }
}
