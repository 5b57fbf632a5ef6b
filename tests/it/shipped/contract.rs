//! The AsyncAPI document, judged by AsyncAPI's own parser with the Avro schemas that it refers to.
//!
//! What it says is held to the code in `asyncapi.rs`; here it is only whether others can read it.

use super::{Folder, assert_refused, judge, verdict};

const DOCUMENT: &str = "deploy/asyncapi.yaml";

fn judged(folder: &Folder) -> Result<String, String> {
    verdict(judge("asyncapi").arg(folder.path(DOCUMENT)))
}

#[test]
fn the_asyncapi_document_is_one_and_broken_copies_are_not() {
    let copy = || Folder::with(&[DOCUMENT, "schemas"]);
    let said = judged(&copy()).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("7 channels, 7 messages, 7 operations"), "{said}");

    let broken = copy();
    broken.exchange(DOCUMENT, "action: receive", "action: recieve");
    assert_refused(judged(&broken), "operations/receivePaymentEvent/action");

    let broken = copy();
    broken.exchange(DOCUMENT, "channel: {$ref: '#/channels/payments'}", "channel: {$ref: '#/channels/payment'}");
    assert_refused(judged(&broken), "'#/channels/payment' does not exist");

    let broken = copy();
    broken.exchange("schemas/PaymentEvent.avsc", "\"type\": \"record\"", "\"type\": \"recrod\"");
    assert_refused(judged(&broken), "components/messages/PaymentEvent/payload");

    let broken = copy();
    std::fs::remove_file(broken.path("schemas/OrderStatusChanged.avsc")).expect("it is there");
    assert_refused(judged(&broken), "OrderStatusChanged.avsc");
}
