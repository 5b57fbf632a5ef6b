//! The headers of a record, read without trust.
//!
//! rdkafka's own reader panics on a header name that is not UTF-8, and a record from outside must never do that. Such a name is
//! kept with the replacement character in place of the broken bytes; values are kept byte for byte.

use std::ffi::CStr;
use std::ptr;

use bytes::Bytes;
use rdkafka::message::BorrowedMessage;
use rdkafka_sys as native;

use super::record::Header;

/// All headers of a message, in their order; `None` values stay `None`.
pub fn read(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let mut list = ptr::null_mut();
    // SAFETY: the message lives as long as the borrow; the list belongs to it and is only read.
    let answer = unsafe { native::rd_kafka_message_headers(message.ptr(), &raw mut list) };
    if answer != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || list.is_null() {
        return Vec::new();
    }
    let mut headers = Vec::new();
    loop {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: `list` is valid (above); librdkafka answers with an error behind the last header, and else sets all three.
        let answer = unsafe {
            native::rd_kafka_header_get_all(list, headers.len(), &raw mut name, &raw mut value, &raw mut size)
        };
        if answer != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return headers;
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
