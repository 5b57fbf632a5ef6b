"""Tells orderstream the story of one order: placed, paid, reserved, labelled, and then cancelled by its customer.

    python producer.py ORDER_ID

What orderstream makes of it stands on `order-status`; since the order is cancelled, `order-commands` then asks for what is owed.
"""

import os
import sys
from datetime import datetime, timezone

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

BROKERS = os.environ.get("KAFKA_BROKERS", "127.0.0.1:29092")
REGISTRY = os.environ.get("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7")
PREFIX = os.environ.get("TOPIC_PREFIX", "")

MUGS = [{"line_id": "1", "sku": "MUG", "quantity": 2}]
MONEY = {"amount_minor": 12999, "currency": "EUR"}  # 129.99 EUR; never a float

STORY = [
    ("orders", "PLACED", {"total_minor": 12999, "currency": "EUR", "lines": MUGS}),
    ("payments", "AUTHORIZED", {"authorization_id": "auth-1", **MONEY}),
    ("inventory", "RESERVED", {"reservation_id": "res-1", "lines": MUGS}),
    ("shipping", "LABEL_CREATED", {"shipment_id": "shp-1", "lines": MUGS}),
    ("orders", "CANCEL_REQUESTED", {"requested_by": "customer"}),
]


def main(order_id):
    # The schema is the one that orderstream registered under `<topic>-value`; a producer registers none.
    serialize = AvroSerializer(
        SchemaRegistryClient({"url": REGISTRY}), conf={"auto.register.schemas": False, "use.latest.version": True}
    )
    producer = Producer({
        "bootstrap.servers": BROKERS,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",  # as Java does; librdkafka's own default is another one
    })
    failed = []
    for topic, kind, fields in STORY:
        event = {
            "event_id": f"{order_id}-{kind}",          # yours, and the same again when you send it again
            "order_id": order_id,
            "kind": kind,
            "occurred_at": datetime.now(timezone.utc),  # when it happened, not when it is sent
            "producer": "example-python",
            "correlation_id": f"checkout-{order_id}",
            **fields,
        }
        producer.produce(
            PREFIX + topic,
            key=order_id.encode(),  # the order id, byte for byte
            value=serialize(event, SerializationContext(PREFIX + topic, MessageField.VALUE)),
            on_delivery=lambda error, record: failed.append(error) if error else print(f"{record.topic()} {record.offset()}"),
        )
    producer.flush()
    if failed:
        sys.exit(f"not delivered: {failed[0]}; send all of it again, repeated events change nothing")


if len(sys.argv) != 2:
    sys.exit("usage: producer.py ORDER_ID")
main(sys.argv[1])
