//! Giving a running client another password; rdkafka has no call for it, so this goes to librdkafka itself.

use std::ffi::CString;

use rdkafka::client::{Client, ClientContext};
use rdkafka_sys as native;

/// Sets user and password for the connections to come; those that stand are left alone. Texts with a NUL are no credentials and
/// change nothing.
pub fn set<C: ClientContext>(client: &Client<C>, user: &str, password: &str) {
    let (Ok(user), Ok(password)) = (CString::new(user), CString::new(password)) else { return };
    // SAFETY: the client and both texts outlive the call, which copies the texts. An error is ours to destroy, and only then.
    unsafe {
        let error = native::rd_kafka_sasl_set_credentials(client.native_ptr(), user.as_ptr(), password.as_ptr());
        if !error.is_null() {
            native::rd_kafka_error_destroy(error);
        }
    }
}
