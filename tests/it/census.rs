//! The gauges of orders and obligations: counted over the whole database, whoever applied the events.

use orderstream_harness::topics::Input;
use serde_json::json;

use crate::events::{captured, event, sound};
use crate::stage::{GOODBYE, Stage};
use crate::under_load::metric;

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_counted_by_status_and_what_they_owe_by_kind() {
    let stage = Stage::new("census", 2).await;
    let mut producer = stage.producer().await;
    for order in ["ord-1", "ord-2", "ord-3"] {
        producer.send_json(&sound(Input::Payment, order)).expect("sent");
    }
    producer.send_json(&event(Input::Order, "CANCEL_REQUESTED", "ord-3", 9, &json!({}))).expect("sent");
    // Two that wait for their goods, of which one is paid twice.
    for order in ["ord-4", "ord-5"] {
        producer.send_json(&sound(Input::Order, order)).expect("sent");
        producer.send_json(&captured(order, "cap-1")).expect("sent");
    }
    producer.send_json(&captured("ord-5", "cap-2")).expect("sent");
    producer.flush().expect("flushed");
    let worker = stage.worker("w");
    stage.all_published().await;

    let expected = [
        ("orderstream_orders{status=\"PENDING\"}", 2.0),
        ("orderstream_orders{status=\"CANCELLING\"}", 1.0),
        ("orderstream_orders{status=\"AWAITING_STOCK\"}", 2.0),
        ("orderstream_orders{status=\"COMPLETED\"}", 0.0),
        ("orderstream_orders_attention{reason=\"overpaid\"}", 1.0),
        ("orderstream_orders_attention{reason=\"command_unanswered\"}", 0.0),
        ("orderstream_obligations{kind=\"REFUND_PAYMENT\"}", 1.0),
        ("orderstream_obligations{kind=\"VOID_PAYMENT\"}", 0.0),
    ];
    stage
        .until("the counts to be right", async || {
            let mut right = true;
            for (sample, count) in expected {
                right &= (metric(&worker, sample).await - count).abs() < f64::EPSILON;
            }
            Ok(right)
        })
        .await;
    worker.stop(GOODBYE).await.expect("a good end");
    stage.strike().await;
}
