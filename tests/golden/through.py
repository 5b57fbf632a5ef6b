"""Sends every golden input through a registry and real topics, and reads everything that comes out, with clients that are not ours.

    through.py send    every vector twice: written by confluent-kafka's Avro serializer, and by fastavro with a frame of our own
    through.py read    all three output topics to their ends, each value read by both; one line of JSON each

Run by tests/it/clients.rs, which compares what is printed with what it knows. Addresses are in the variables of deploy/examples.
"""

import io
import json
import os
import pathlib
import sys
import urllib.request
import uuid

import fastavro
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

BROKERS, REGISTRY, PREFIX = (os.environ[name] for name in ("KAFKA_BROKERS", "REGISTRY_URL", "TOPIC_PREFIX"))
VECTORS = json.loads((pathlib.Path(__file__).parent / "inputs.json").read_text())
TOPICS = {"PaymentEvent": "payments", "InventoryEvent": "inventory", "ShippingEvent": "shipping", "OrderEvent": "orders"}
EVENTS = uuid.uuid5(uuid.NAMESPACE_DNS, "events.orderstream")
COMMANDS = uuid.uuid5(uuid.NAMESPACE_DNS, "commands.orderstream")


def ask(path):
    with urllib.request.urlopen(REGISTRY + path) as answer:
        return json.load(answer)


def plain_fastavro():
    """fastavro alone: the latest schema of the topic by HTTP, five bytes, the body."""
    known = {}

    def serialize(fields, topic):
        if topic not in known:
            latest = ask(f"/subjects/{topic}-value/versions/latest")
            known[topic] = latest["id"], fastavro.parse_schema(json.loads(latest["schema"]))
        schema_id, schema = known[topic]
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, fields)
        return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()

    return serialize


def confluent(**how):
    serializer = AvroSerializer(SchemaRegistryClient({"url": REGISTRY}), **how)
    return lambda fields, topic: serializer(fields, SerializationContext(topic, MessageField.VALUE))


def check_ways_to_find_the_schema():
    """What deploy/first-event.md says of confluent-kafka's settings. Registers nothing."""
    topic, (fields, body) = PREFIX + "payments", next((v["fields"], v["hex"][10:]) for v in VECTORS if v["record"] == "PaymentEvent")
    text = (pathlib.Path(__file__).parents[2] / "schemas/PaymentEvent.avsc").read_text()
    never = {"auto.register.schemas": False}
    for how in [{"conf": {**never, "use.latest.version": True}}, {"schema_str": text, "conf": {**never, "normalize.schemas": True}}]:
        assert confluent(**how)(fields, topic)[5:].hex() == body, how


def send():
    check_ways_to_find_the_schema()
    producer = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True, "partitioner": "murmur2_random"})
    writers = {
        "confluent": confluent(conf={"auto.register.schemas": False, "use.latest.version": True}),
        "fastavro": plain_fastavro(),
    }
    failed = []
    for number, vector in enumerate(VECTORS):
        topic = PREFIX + TOPICS[vector["record"]]
        for name, write in writers.items():
            # The body is the vector's, whoever writes it; only the schema's id is the registry's.
            assert write(vector["fields"], topic)[5:].hex() == vector["hex"][10:], (name, vector["fields"])
            order_id = f"{name}-{number}"
            event = {**vector["fields"], "order_id": order_id}
            producer.produce(topic, key=order_id, value=write(event, topic),
                             on_delivery=lambda error, _: failed.append(error) if error else None)
    producer.flush()
    assert not failed, failed[0]


def by_fastavro(value):
    schema = fastavro.parse_schema(json.loads(ask(f"/schemas/ids/{int.from_bytes(value[1:5], 'big')}")["schema"]))
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), schema)


def check_ids(change):
    order_id = change["order_id"]
    if "command_id" in change:
        own = uuid.uuid5(uuid.uuid5(COMMANDS, order_id), f"{change['kind']}:{change['entity_id']}")
        assert str(change["command_id"]) == str(own), change
    else:
        assert str(change["event_id"]) == str(uuid.uuid5(EVENTS, f"{order_id}:{change['order_version']}")), change


def read():
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": REGISTRY}))
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{PREFIX}read", "auto.offset.reset": "earliest",
                         "isolation.level": "read_committed", "enable.auto.commit": False, "enable.partition.eof": True})
    topics = [PREFIX + topic for topic in ("order-status", "order-commands", "order-dead-letters")]
    metadata = consumer.list_topics().topics
    left = {(topic, partition) for topic in topics for partition in metadata[topic].partitions}
    consumer.subscribe(topics)
    while left:
        record = consumer.poll(20)
        assert record is not None, f"nothing more comes, and these were not read to their ends: {left}"
        if record.error():
            assert record.error().code() == KafkaError._PARTITION_EOF, record.error()
            left.discard((record.topic(), record.partition()))
            continue
        line = {"topic": record.topic().removeprefix(PREFIX), "key": record.key().decode()}
        if line["topic"] == "order-dead-letters":
            line["reason"] = dict(record.headers())["orderstream-reason"].decode()
        else:
            change = deserialize(record.value(), SerializationContext(record.topic(), MessageField.VALUE))
            assert change == by_fastavro(record.value()) and change["order_id"] == line["key"], change
            check_ids(change)
            line["value"] = change
        print(json.dumps(line, default=str))
    consumer.close()


{"send": send, "read": read}[sys.argv[1]]()
