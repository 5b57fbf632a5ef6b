//! What is too much, and what is just not: megabytes, and headers by the thousand.

use super::framing::raw;
use super::{Corpus, RECORD_MAX_BYTES, sound};
use crate::produce::RawRecord;
use crate::topics::Input;

/// What each header weighs beside its name and value.
const HEADER_BYTES: usize = 64;

/// Adds them: to one topic each, since they are all read alike.
pub(super) fn add(corpus: &mut Corpus) {
    let input = Input::Payment;
    corpus.add(input, "10 MB of nothing", Some("too_large"), Some(vec![0; 10_000_000]));
    corpus.add_bytes(Input::Order, "an event and 10 MB behind it", Some("too_large"), |value| {
        value.resize(10_000_000, b'x');
    });
    corpus.add_record(Input::Shipping, "a key of 2 MB", Some("too_large"), raw(&"k".repeat(2_000_000), b"x"));
    let many = |count: usize| (0..count).map(|number| (format!("h{number}"), Some(vec![7, 7]))).collect();
    let value = corpus.value(&sound(input, &corpus.order()));
    corpus.add_record(
        input,
        "10,000 headers",
        None,
        RawRecord { headers: many(10_000), ..raw(&corpus.order(), &value) },
    );
    let record = RawRecord { headers: many(10_000), ..raw(&corpus.order(), &value[..20]) };
    corpus.add_record(input, "10,000 headers and half an event", Some(corpus.torn()), record);
    // Of more than 100,000 headers librdkafka hands over none.
    for (name, count) in [("90,000 headers of nothing", 90_000), ("more headers than are handed over", 100_001)] {
        let value = corpus.value(&sound(input, &corpus.order()));
        let record = RawRecord { headers: vec![(String::new(), None); count], ..raw(&corpus.order(), &value) };
        corpus.add_record(input, name, Some("too_large"), record);
    }
    let headers =
        vec![(String::new(), None), ("a".repeat(10_000), Some(Vec::new())), (String::new(), Some(vec![0; 9]))];
    let value = corpus.value(&sound(Input::Inventory, &corpus.order()));
    let record = RawRecord { headers, ..raw(&corpus.order(), &value) };
    corpus.add_record(Input::Inventory, "headers without names and with long ones", None, record);
    for (name, fate, more) in [("as large as can be", None, 0), ("a byte larger", Some("too_large"), 1)] {
        let order = corpus.order();
        let value = corpus.value(&sound(input, &order));
        let rest = RECORD_MAX_BYTES - order.len() - value.len() - HEADER_BYTES - "padding".len() + more;
        let headers = vec![("padding".to_owned(), Some(vec![0; rest]))];
        corpus.add_record(input, name, fate, RawRecord { headers, ..raw(&order, &value) });
    }
}
