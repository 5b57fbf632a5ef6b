//! The headers of a record, read without trust.
//!
//! rdkafka's own reader panics on a header name that is not UTF-8, and a record from outside must never do that. Such a name is
//! kept with the replacement character in place of the broken bytes; values are kept byte for byte. Invariant: headers that
//! librdkafka does not hand over are never taken for none.

use std::ffi::CStr;
use std::ptr;

use bytes::Bytes;
use rdkafka::message::BorrowedMessage;
use rdkafka_sys as native;

use super::record::{Header, HeadersLost};

type Answer = native::rd_kafka_resp_err_t;

/// All headers of a message, in their order; `None` values stay `None`.
///
/// # Errors
/// Why librdkafka hands over none of those that the message has.
pub fn read(message: &BorrowedMessage<'_>) -> Result<Vec<Header>, HeadersLost> {
    let mut list = ptr::null_mut();
    // SAFETY: the message lives as long as the borrow; the list belongs to it and is only read.
    let answer = unsafe { native::rd_kafka_message_headers(message.ptr(), &raw mut list) };
    if answer != Answer::RD_KAFKA_RESP_ERR_NO_ERROR || list.is_null() {
        return without_list(answer);
    }
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `list` is valid (above); librdkafka answers with an error behind the last header, and else sets all three.
        let answer = unsafe {
            native::rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size)
        };
        if answer != Answer::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(headers);
        }
        // SAFETY: the name is a C string and the value, where not null, `size` bytes; both belong to the message.
        let header = unsafe {
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            let value = (!value.is_null())
                .then(|| Bytes::copy_from_slice(std::slice::from_raw_parts(value.cast::<u8>(), size)));
            (name, value)
        };
        headers.push(header);
    }
}

/// What it means that there is no list. librdkafka parses headers when they are asked for, and answers `BAD_MSG` for a count of
/// more than 100,000 and nothing else; bytes that end before the headers do are an underflow.
fn without_list(answer: Answer) -> Result<Vec<Header>, HeadersLost> {
    match answer {
        Answer::RD_KAFKA_RESP_ERR_NO_ERROR | Answer::RD_KAFKA_RESP_ERR__NOENT => Ok(Vec::new()),
        Answer::RD_KAFKA_RESP_ERR__BAD_MSG => Err(HeadersLost::TooMany),
        _ => Err(HeadersLost::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_not_handed_over_are_not_taken_for_none() {
        assert_eq!(without_list(Answer::RD_KAFKA_RESP_ERR__NOENT), Ok(Vec::new()));
        assert_eq!(without_list(Answer::RD_KAFKA_RESP_ERR__BAD_MSG), Err(HeadersLost::TooMany));
        assert_eq!(without_list(Answer::RD_KAFKA_RESP_ERR__UNDERFLOW), Err(HeadersLost::Broken));
    }
}
