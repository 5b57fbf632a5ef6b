//! The trace that an input record is part of (W3C Trace Context), for the records that it causes.
//!
//! Taken on only where it is what the recommendation says: `traceparent` once, of version 00 or readable as that; `tracestate` once,
//! a sound list of at most 512 bytes. All else is left alone, as if the record had none. Invariant: nothing is made up here, and
//! the same headers give the same trace, so a batch that is decided again publishes the same bytes.

use bytes::Bytes;

use crate::consume::record::Header;

/// The header that names the trace and the span that the record belongs to.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what tracing systems know of the trace beside that.
pub const TRACESTATE: &str = "tracestate";

/// How long a `traceparent` of version 00 is: `00-<32 hex>-<16 hex>-<2 hex>`.
const PARENT_BYTES: usize = 55;
/// A longer `tracestate` is not taken on: the least that the recommendation asks everybody to carry.
const STATE_MAX_BYTES: usize = 512;
/// The most members of a `tracestate`.
const STATE_MAX_MEMBERS: usize = 32;
/// The most bytes of a member's key, and of its value.
const MEMBER_MAX_BYTES: usize = 256;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The id of a span; never all zero.
pub type SpanId = [u8; 8];

/// What a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span that caused the record.
    pub span_id: SpanId,
    /// The flags, as they came.
    pub flags: u8,
}

impl Context {
    /// Whether the spans before this one are recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// A sound trace context, borrowed from its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    parent: [u8; PARENT_BYTES],
    state: Option<&'a Bytes>,
}

impl<'a> Trace<'a> {
    /// The trace of a record with these headers; none where they name none, or not soundly. Allocates nothing.
    #[must_use]
    pub fn of(headers: &'a [Header]) -> Option<Self> {
        // Two that differ would be a choice, and nobody could say whose.
        let parent = parent(only(headers, TRACEPARENT)?)?;
        let state = only(headers, TRACESTATE).filter(|state| is_state(state));
        Some(Self { parent, state })
    }

    /// Whose span of which trace it is.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            trace_id: bytes(&self.parent[3..35]),
            span_id: bytes(&self.parent[36..52]),
            flags: bytes::<1>(&self.parent[53..])[0],
        }
    }

    /// What tracing systems know of the trace beside that.
    #[must_use]
    pub fn state(&self) -> Option<&'a str> {
        self.state.and_then(|state| std::str::from_utf8(state).ok())
    }

    /// The same trace behind another span: what that span causes names it as its parent.
    #[must_use]
    pub fn through(mut self, span_id: SpanId) -> Self {
        for (digits, byte) in self.parent[36..52].chunks_exact_mut(2).zip(span_id) {
            digits.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        self
    }

    /// Its headers, for a record that the traced one caused.
    pub fn headers(&self) -> impl Iterator<Item = Header> + use<'a> {
        let parent = (TRACEPARENT.to_owned(), Some(Bytes::copy_from_slice(&self.parent)));
        let state = self.state.map(|state| (TRACESTATE.to_owned(), Some(state.clone())));
        std::iter::once(parent).chain(state)
    }
}

/// The value of the one header of that name; none where there are several.
fn only<'a>(headers: &'a [Header], name: &str) -> Option<&'a Bytes> {
    let mut of_name = headers.iter().filter(|(key, _)| key == name);
    match (of_name.next(), of_name.next()) {
        (Some((_, value)), None) => value.as_ref(),
        _ => None,
    }
}

/// A `traceparent` as version 00 writes it. Of a later version the parts that 00 knows are kept, as the recommendation wants it.
fn parent(value: &[u8]) -> Option<[u8; PARENT_BYTES]> {
    let (known, more) = value.split_first_chunk::<PARENT_BYTES>()?;
    let dashes = [known[2], known[35], known[52]] == *b"---";
    let [version, trace, span, flags] = [&known[..2], &known[3..35], &known[36..52], &known[53..]];
    let is_named = |id: &[u8]| is_hex(id) && id.iter().any(|digit| *digit != b'0');
    if !(dashes && is_hex(version) && is_named(trace) && is_named(span) && is_hex(flags)) {
        return None;
    }
    match (version, more) {
        (b"00", []) => Some(*known),
        (b"ff" | b"00", _) => None,
        (_, [] | [b'-', ..]) => {
            let mut parent = *known;
            parent[..2].copy_from_slice(b"00");
            // Of the flags only `sampled`, the lowest bit, means the same in every version.
            let is_sampled = char::from(flags[1]).to_digit(16).is_some_and(|digit| digit % 2 == 1);
            parent[53..].copy_from_slice(if is_sampled { b"01" } else { b"00" });
            Some(parent)
        }
        _ => None,
    }
}

/// The bytes that twice as many digits of [`is_hex`] write.
fn bytes<const N: usize>(digits: &[u8]) -> [u8; N] {
    let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
    std::array::from_fn(|at| (value(digits[2 * at]) << 4) | value(digits[2 * at + 1]))
}

fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this is a `tracestate`: a list of `key=value`, no key twice, and not too much of it.
fn is_state(value: &[u8]) -> bool {
    if value.len() > STATE_MAX_BYTES || !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return false;
    }
    let mut keys: [&[u8]; STATE_MAX_MEMBERS] = [&[]; STATE_MAX_MEMBERS];
    let mut count = 0;
    for member in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        // Empty members are allowed, and say nothing.
        if member.is_empty() {
            continue;
        }
        let Some(equals) = member.iter().position(|byte| *byte == b'=') else { return false };
        let (key, value) = (&member[..equals], &member[equals + 1..]);
        if !is_key(key) || !is_value(value) || count == STATE_MAX_MEMBERS || keys[..count].contains(&key) {
            return false;
        }
        keys[count] = key;
        count += 1;
    }
    count > 0
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &[u8]) -> bool {
    let is_rest = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    let begins_with_letter = |word: &[u8]| word.first().is_some_and(u8::is_ascii_lowercase);
    match key.iter().position(|byte| *byte == b'@') {
        None => key.len() <= MEMBER_MAX_BYTES && begins_with_letter(key) && key.iter().all(is_rest),
        Some(at) => {
            let (tenant, vendor) = (&key[..at], &key[at + 1..]);
            let begins = tenant.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let is_tenant = begins && tenant.len() <= 241 && tenant.iter().all(is_rest);
            is_tenant && begins_with_letter(vendor) && vendor.len() <= 14 && vendor.iter().all(is_rest)
        }
    }
}

/// Printable, without a comma and a space at its end: [`is_state`] has seen to that.
fn is_value(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= MEMBER_MAX_BYTES && !value.contains(&b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn header(name: &str, value: &[u8]) -> Header {
        (name.to_owned(), Some(Bytes::copy_from_slice(value)))
    }

    /// What is passed on of one `traceparent` and one `tracestate`.
    fn passed_on(parent: &[u8], state: &[u8]) -> Vec<Header> {
        let headers = [header("other", b"x"), header(TRACESTATE, state), header(TRACEPARENT, parent)];
        Trace::of(&headers).iter().flat_map(Trace::headers).collect()
    }

    #[test]
    fn a_sound_context_is_passed_on_as_it_is() {
        let state = b"rojo=00f067aa0ba902b7,tenant@congo=t61rcWkgMzE";
        assert_eq!(
            passed_on(PARENT.as_bytes(), state),
            [header(TRACEPARENT, PARENT.as_bytes()), header(TRACESTATE, state)]
        );
    }

    #[test]
    fn a_trace_behind_another_span_is_the_same_but_for_that_span() {
        let headers = [header(TRACEPARENT, PARENT.as_bytes()), header(TRACESTATE, b"a=1")];
        let trace = Trace::of(&headers).expect("a trace");
        let context = trace.context();
        assert_eq!(context.trace_id.map(|byte| format!("{byte:02x}")).concat(), &PARENT[3..35]);
        assert_eq!(
            (context.span_id, context.flags, context.is_sampled()),
            ([0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 2, 0xb7], 1, true)
        );
        let behind = trace.through([1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        let parent = format!("{}-0123456789abcdef-01", &PARENT[..35]);
        assert_eq!(behind.headers().next(), Some(header(TRACEPARENT, parent.as_bytes())));
        assert_eq!((behind.state(), behind.through(context.span_id)), (Some("a=1"), trace));
    }

    #[test]
    fn a_parent_that_is_none_takes_the_state_with_it() {
        let of = |from: &str, to: &str| PARENT.replacen(from, to, 1);
        for parent in [
            String::new(),
            PARENT.to_uppercase(),
            of("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            of("00f067aa0ba902b7", &"0".repeat(16)),
            of("00-", "ff-"),
            of("-01", "-0g"),
            of("-4bf", "_4bf"),
            format!("{PARENT}-more"),
            format!("{PARENT} "),
            format!("{}x", of("00-", "01-")),
            PARENT[..54].to_owned(),
        ] {
            assert_eq!(passed_on(parent.as_bytes(), b"a=1"), [], "{parent}");
        }
    }

    #[test]
    fn a_parent_of_a_later_version_is_read_as_far_as_we_know_it() {
        for (flags, kept) in [("01", "01"), ("03", "01"), ("fe", "00"), ("ff", "01")] {
            let later = format!("cc-{}-{flags}-more", &PARENT[3..52]);
            let known = format!("00-{}-{kept}", &PARENT[3..52]);
            assert_eq!(passed_on(later.as_bytes(), b""), [header(TRACEPARENT, known.as_bytes())]);
        }
    }

    #[test]
    fn what_is_said_twice_is_not_chosen_from() {
        let twice =
            |name: &str| [header(TRACEPARENT, PARENT.as_bytes()), header(TRACESTATE, b"a=1"), header(name, b"b=2")];
        assert_eq!(Trace::of(&twice(TRACEPARENT)), None);
        assert_eq!(Trace::of(&twice(TRACESTATE)).expect("a parent").state, None);
        assert_eq!(Trace::of(&[(TRACEPARENT.to_owned(), None)]), None);
    }

    #[test]
    fn a_state_that_is_none_is_left_out_and_the_parent_kept() {
        let long = format!("a={}", "x".repeat(511));
        let many = (0..33).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        let small =
            ["", " ", ",", "a", "a=", "=1", "A=1", "1=1", "a=1=2", "a=1,a=2", "a=\u{7f}", "a=é", "a=1\n", "\ta=1"];
        let keys = ["a@=1", "@a=1", "a@b@c=1", "a b=1", "a@b12345678901234=1"];
        for state in small.into_iter().chain(keys).chain([long.as_str(), many.as_str()]) {
            let parent = header(TRACEPARENT, PARENT.as_bytes());
            assert_eq!(passed_on(PARENT.as_bytes(), state.as_bytes()), [parent], "`{state}`");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_only_a_sound_context_of_bounded_size_comes_out(
            parent in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{0,9})?".prop_map(String::into_bytes),
            ],
            state in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..700),
                "([a-z][a-z0-9_*/-]{0,20}=[!-+.-<>-~]{1,30}[, ]{0,2}){0,40}".prop_map(String::into_bytes),
            ],
        ) {
            for (name, value) in passed_on(&parent, &state) {
                let value = value.expect("never null");
                let text = std::str::from_utf8(&value).expect("ASCII");
                prop_assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{text:?}");
                if name == TRACEPARENT {
                    let parts: Vec<&str> = text.split('-').collect();
                    prop_assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
                    prop_assert_eq!(parts[0], "00");
                    prop_assert!(parts[1].parse::<u128>().ok() != Some(0) && parts[2].parse::<u64>().ok() != Some(0));
                } else {
                    prop_assert!(text.len() <= 512 && text.contains('=') && value == state);
                }
            }
        }

        #[test]
        fn every_sound_context_is_taken_on(
            trace in "[0-9a-f]{31}[1-9a-f]", span in "[1-9a-f][0-9a-f]{15}", flags in "[0-9a-f]{2}",
            state in "[a-z][a-z0-9_*/-]{0,20}=[!-+.-<>-~]{1,200}",
        ) {
            let parent = format!("00-{trace}-{span}-{flags}");
            let expected = [header(TRACEPARENT, parent.as_bytes()), header(TRACESTATE, state.as_bytes())];
            prop_assert_eq!(passed_on(parent.as_bytes(), state.as_bytes()), expected);
        }
    }
}
