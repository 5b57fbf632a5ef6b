"""Reads what orderstream sends, does each thing once, and prints it: one line of JSON each.

    python consumer.py

orderstream shows each record once. You may still read one twice: you stop between doing it and committing your offset, somebody
resets your group, a topic is copied. So what was done is written down in the transaction that does it. Here that is an SQLite
file; yours is the database in which you do your work.
"""

import json
import os
import sqlite3

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

BROKERS = os.environ.get("KAFKA_BROKERS", "127.0.0.1:29092")
REGISTRY = os.environ.get("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7")
PREFIX = os.environ.get("TOPIC_PREFIX", "")
GROUP = os.environ.get("CONSUMER_GROUP", "example-python")  # never orderstream's own
DATABASE = os.environ.get("CONSUMER_DATABASE", "consumer.sqlite")

TABLES = """
create table if not exists latest (order_id text primary key, order_version integer not null);
create table if not exists done (id text primary key);
"""
# A status event is the order's whole view: what is older than the one you have is of no use.
NEWER = """
insert into latest values (?, ?) on conflict (order_id) do update set order_version = excluded.order_version
 where latest.order_version < excluded.order_version
"""
FIRST = "insert into done values (?) on conflict (id) do nothing"


def is_new(database, topic, change, headers):
    """Writes down what this record is; false where it, or something later, was there before."""
    if topic == "order-status":
        return database.execute(NEWER, (change["order_id"], change["order_version"])).rowcount == 1
    if topic == "order-commands":
        return database.execute(FIRST, (str(change["command_id"]),)).rowcount == 1
    refused = "/".join(headers[f"orderstream-{name}"] for name in ("topic", "partition", "offset"))
    return database.execute(FIRST, (refused,)).rowcount == 1


def act(topic, change, headers):
    """Your work, in the same transaction. What cannot be undone, a refund at a bank, carries the command_id to its other side."""
    print(json.dumps({"topic": topic, "value": change, "headers": headers}, default=str), flush=True)


def main():
    database = sqlite3.connect(DATABASE)
    database.executescript(TABLES)
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": REGISTRY}))
    consumer = Consumer({
        "bootstrap.servers": BROKERS,
        "group.id": GROUP,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",  # anything else shows what may be taken back
    })
    consumer.subscribe([PREFIX + topic for topic in ("order-status", "order-commands", "order-dead-letters")])
    try:
        while True:
            record = consumer.poll(1.0)
            if record is None:
                continue
            if record.error():
                raise KafkaException(record.error())
            topic = record.topic().removeprefix(PREFIX)
            if topic == "order-dead-letters":
                # Its value is the refused record's own, whatever that is; the headers say what is wrong with it.
                change = None
                headers = {name: value.decode() for name, value in record.headers() if name.startswith("orderstream-")}
            else:
                change = deserialize(record.value(), SerializationContext(record.topic(), MessageField.VALUE))
                headers = {}
            with database:  # one transaction: rolled back where `act` raises
                if is_new(database, topic, change, headers):
                    act(topic, change, headers)
            consumer.commit(record, asynchronous=False)  # after the work; dying in between is why is_new asks
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


main()
