"""Writes the golden vectors anew, with fastavro and Python's uuid: implementations that are not ours. README.md says what they are.

    deploy/local/clients.sh python && target/clients/python/bin/python tests/golden/make.py [--check]

With --check nothing is written; it ends with 1 where a file is not what would be written.
"""

import io
import json
import pathlib
import sys
import uuid

import fastavro

HERE = pathlib.Path(__file__).parent
SCHEMAS = HERE.parent.parent / "schemas"
T = 1_760_000_000_000_000  # 2025-10-09T08:53:20Z, in microseconds
HOUR = 3_600_000_000
EVENTS = uuid.uuid5(uuid.NAMESPACE_DNS, "events.orderstream")
COMMANDS = uuid.uuid5(uuid.NAMESPACE_DNS, "commands.orderstream")

MONEY = {"amount_minor": 12999, "currency": "EUR"}
MUGS = {"line_id": "1", "sku": "MUG", "quantity": 2}
LINES = {"lines": [MUGS, {"line_id": "2", "quantity": 1_000_000}]}
AUTH, CAP, REF = {"authorization_id": "auth-1"}, {"capture_id": "cap-1"}, {"refund_id": "ref-1"}
DISPUTE, REVIEW, RES = {"dispute_id": "dis-1"}, {"review_id": "rev-1"}, {"reservation_id": "res-1"}
PARCEL, BACK = {"shipment_id": "shp-1", **LINES}, {"return_id": "ret-1", "lines": [{"line_id": "1", "quantity": 1}]}
TOTAL = {"total_minor": 12999, "currency": "EUR"}

# Every kind of every record, with what it needs and some of what it may have.
KINDS = {
    "PaymentEvent": {
        "PENDING": AUTH, "ACTION_REQUIRED": {**AUTH, "reason": "3-D Secure"},
        "AUTHORIZED": {**AUTH, **MONEY, "expires_at": T + 144 * HOUR}, "DECLINED": {**AUTH, "reason": "insufficient funds"},
        "VOIDED": {**AUTH, "causation_id": "0b5a1d27-7b5c-5a4d-9d0c-5a2b8f3e6c11"}, "AUTHORIZATION_EXPIRED": AUTH,
        "CAPTURED": {**CAP, **AUTH, "amount_minor": 10**15, "currency": "JPY"}, "CAPTURE_FAILED": CAP,
        "REFUNDED": {**REF, **CAP, "amount_minor": 0, "currency": "EUR"}, "REFUND_FAILED": REF,
        "DISPUTE_OPENED": {**DISPUTE, **CAP, **MONEY}, "DISPUTE_WON": DISPUTE, "DISPUTE_LOST": DISPUTE,
        "REVIEW_OPENED": REVIEW, "REVIEW_APPROVED": REVIEW, "REVIEW_REJECTED": {**REVIEW, "reason": "stolen card"},
    },
    "InventoryEvent": {
        "RESERVED": {**RES, **LINES, "expires_at": T + HOUR}, "BACKORDERED": {**RES, **LINES},
        "REJECTED": {**RES, "reason": "discontinued"}, "SHORTED": {**RES, "lines": [{"line_id": "1", "quantity": 1}]},
        "RESERVATION_EXPIRED": RES, "RELEASED": RES, "RESTOCKED": {**RES, "condition": "SELLABLE"},
    },
    "ShippingEvent": {
        "LABEL_CREATED": PARCEL, "PICKED": PARCEL,
        "DISPATCHED": {**PARCEL, "carrier": "DHL", "tracking_number": "00340"}, "IN_TRANSIT": PARCEL, "OUT_FOR_DELIVERY": PARCEL,
        "READY_FOR_PICKUP": PARCEL, "LOST": PARCEL, "DELIVERED": PARCEL, "RETURNED_TO_SENDER": PARCEL, "CANCELLED": PARCEL,
        "DELIVERY_FAILED": {**PARCEL, "reason": "nobody at home"}, "DELAYED": PARCEL,
        "RETURN_REQUESTED": BACK, "RETURN_RECEIVED": BACK, "RETURN_CLOSED": {**BACK, "accepted": False},
    },
    "OrderEvent": {
        "PLACED": {**TOTAL, **LINES, "payment_due_at": T + 24 * HOUR}, "AMENDED": {**TOTAL, "total_minor": 0},
        "CANCEL_REQUESTED": {"requested_by": "merchant", "reason": "typo"}, "HOLD_PLACED": {"hold_id": "hold-1"},
        "HOLD_RELEASED": {"hold_id": "hold-1"},
    },
}

# What is refused although its bytes are right, and ids at their limits.
EDGES = [
    ("PaymentEvent", "missing_field", {"kind": "AUTHORIZED", **AUTH, "amount_minor": 12999}),
    ("PaymentEvent", "missing_field", {"kind": "CAPTURED", **MONEY}),
    ("PaymentEvent", "bad_value", {"kind": "CAPTURED", **CAP, "amount_minor": 10**15 + 1, "currency": "EUR"}),
    ("PaymentEvent", "bad_value", {"kind": "CAPTURED", **CAP, "amount_minor": 1, "currency": "eur"}),
    ("PaymentEvent", "bad_value", {"kind": "PENDING", **AUTH, "event_id": "deadline:rejection::1"}),
    ("PaymentEvent", "occurred_in_future", {"kind": "PENDING", **AUTH, "occurred_at": T + 24 * HOUR + 1}),
    ("PaymentEvent", None, {"kind": "PENDING", **AUTH, "occurred_at": T + 24 * HOUR}),
    ("PaymentEvent", None, {"kind": "PENDING", "authorization_id": "évènement-☃", "event_id": "e" * 128}),
    ("InventoryEvent", "bad_value", {"kind": "RESERVED", **RES, "lines": [MUGS, MUGS]}),
    ("InventoryEvent", "bad_value", {"kind": "RESERVED", **RES, "lines": [{"line_id": "1", "quantity": 0}]}),
    ("ShippingEvent", "missing_field", {"kind": "RETURN_CLOSED", **BACK}),
    ("OrderEvent", "missing_field", {"kind": "PLACED", **LINES}),
]


def without_logical_types(schema):
    """fastavro would ask for its own time and UUID objects; the bytes are the same."""
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    return schema


PLAIN = {path.stem: without_logical_types(json.loads(path.read_text())) for path in SCHEMAS.glob("*.avsc")}
PARSED = {name: fastavro.parse_schema(schema, {}) for name, schema in PLAIN.items()}


def symbols(name, schema):
    """The symbols of the enum of that name, without UNKNOWN, which orderstream never sends."""
    if isinstance(schema, dict):
        found = schema["symbols"][1:] if schema.get("name") == name and "symbols" in schema else None
        return found or next(filter(None, (symbols(name, part) for part in schema.values())), None)
    return next(filter(None, (symbols(name, part) for part in schema)), None) if isinstance(schema, list) else None


def framed(record, schema_id, fields):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, PARSED[record], fields)
    return (b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()).hex()


def row(record, schema_id, fields, **more):
    return {"record": record, "schema_id": schema_id, "key": fields["order_id"], **more, "fields": fields,
            "hex": framed(record, schema_id, fields)}


def inputs():
    """One of each kind, then the edges; the schema id tells the record: 1 payment, 2 inventory, 3 shipping, 4 order."""
    for schema_id, (record, kinds) in enumerate(KINDS.items(), start=1):
        # A symbol that a reader does not know reads as UNKNOWN, which is refused.
        for number, (kind, fields) in enumerate({**kinds, "UNKNOWN": {}}.items()):
            envelope = {"event_id": f"evt-{number}", "order_id": "order-1", "kind": kind, "occurred_at": T + number}
            if number % 3 == 1:
                envelope |= {"producer": "shop", "correlation_id": "flow-1"}
            refused = "unknown_kind" if kind == "UNKNOWN" else None
            yield row(record, schema_id, {**envelope, **fields}, refused=refused)
    for number, (record, refused, fields) in enumerate(EDGES):
        envelope = {"event_id": f"edge-{number}", "order_id": "order-1", "occurred_at": T}
        yield row(record, list(KINDS).index(record) + 1, {**envelope, **fields}, refused=refused)


def statuses():
    """As many as it takes to have every symbol of every enum once."""
    enums = {field: symbols(name, PLAIN["OrderStatusChanged"]) for field, name in [
        ("status", "OrderStatus"), ("payment", "PaymentStatus"), ("inventory", "InventoryStatus"),
        ("fulfilment", "FulfilmentStatus"), ("returns", "ReturnsStatus")]}
    causes = [
        {"event_id": "evt-1", "topic": "payments", "partition": 3, "offset": 2**32, "kind": "AUTHORIZED"},
        {"event_id": f"deadline:payment_due::{T}", "topic": None, "partition": None, "offset": None, "kind": "FIRED"},
        None,
    ]
    for number in range(max(len(found) for found in enums.values())):
        order_id, version = ("order-1", number + 1) if number < 10 else ("Bestellung:ü/☃", 2**31 + number)
        full = number % 2 == 1
        yield {
            "event_id": str(uuid.uuid5(EVENTS, f"{order_id}:{version}")), "order_id": order_id, "order_version": version,
            **{field: found[number % len(found)] for field, found in enums.items()},
            "previous_status": enums["status"][(number - 1) % len(enums["status"])] if number else None,
            "flags": ["disputed", "on_hold"] if full else [], "attention": ["currency_mismatch"] if full else [],
            "cancel_reason": "payment_expired" if full else None, "currency": "EUR" if number else None,
            "total_minor": 12999 if full else None, "authorized_minor": 12999 * number, "captured_minor": 10**15 if full else 0,
            "refunded_minor": number, "charged_back_minor": number // 2,
            "lines": [line("1", "MUG", 2, 2, 1, 1, 1), line("2", None, 1, 0, 0, 0, 0)] if full else [line("*", None, 1, 0, 0, 0, 0)],
            "owed": [owed("REFUND_PAYMENT", "cap-1", 12999, "USD"), owed("RELEASE_INVENTORY", "res-1", None, None, ("1", 2)),
                     owed("CANCEL_SHIPMENT", "shp-1", None, None)] if full else [],
            "cause": causes[number % len(causes)], "correlation_id": "flow-1" if full else None,
            "occurred_at": T, "changed_at": T + 1_500 + number,
        }


def line(line_id, sku, ordered, reserved, shipped, delivered, returned):
    return {"line_id": line_id, "sku": sku, "ordered": ordered, "reserved": reserved, "shipped": shipped, "delivered": delivered,
            "returned": returned}


def owed(kind, entity_id, amount_minor, currency, *pieces):
    lines = [{"line_id": line_id, "quantity": quantity} for line_id, quantity in pieces]
    return {"kind": kind, "id": entity_id, "amount_minor": amount_minor, "currency": currency, "lines": lines}


def command_id(order_id, kind, entity_id):
    return str(uuid.uuid5(uuid.uuid5(COMMANDS, order_id), f"{kind}:{entity_id}"))


def commands():
    cause = {"event_id": "evt-9", "topic": "orders", "partition": 0, "offset": 0, "kind": "CANCEL_REQUESTED"}
    entities = {"VOID_PAYMENT": "auth-1", "REFUND_PAYMENT": "cap-1", "RELEASE_INVENTORY": "res-1", "CANCEL_SHIPMENT": "shp:1"}
    reasons = [None, "customer", "fraud", "out_of_stock"]
    for number, kind in enumerate(symbols("CommandKind", PLAIN["OrderCommand"])):
        about = owed(kind, entities[kind], *((12999, "EUR") if "PAYMENT" in kind else (None, None)),
                     *([("1", 2), ("2", 1)] if kind == "RELEASE_INVENTORY" else []))
        yield {
            "command_id": command_id("order-1", kind, about["id"]), "order_id": "order-1", "kind": kind, "entity_id": about["id"],
            "amount_minor": about["amount_minor"], "currency": about["currency"], "lines": about["lines"],
            "reason": reasons[number], "attempt": number + 1, "issued_at": T + number, "cause": None if number else cause,
        }


def ids():
    for order_id, version in [("order-1", 1), ("order-1", 7), ("a:b", 1), ("a", 2**62), ("Bestellung-ü-☃", 3)]:
        yield {"order_id": order_id, "order_version": version, "event_id": str(uuid.uuid5(EVENTS, f"{order_id}:{version}"))}
    for order_id, kind, entity_id in [("order-1", "VOID_PAYMENT", "auth-1"), ("o:VOID_PAYMENT:a", "VOID_PAYMENT", "b"),
                                      ("o", "VOID_PAYMENT", "a:VOID_PAYMENT:b"), ("ü", "CANCEL_SHIPMENT", "☃")]:
        yield {"order_id": order_id, "kind": kind, "entity_id": entity_id, "command_id": command_id(order_id, kind, entity_id)}


def murmur2(key):
    """Austin Appleby's MurmurHash2 with Kafka's seed, as Java's producer hashes a key."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    whole = len(key) // 4 * 4
    h = 0x9747B28C ^ len(key)
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if key[whole:]:
        h = (h ^ int.from_bytes(key[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partitions():
    for key in ["21", "foobar", "a-little-bit-longer-string", "order-1", "order-2", "o", "é", "☃☃☃", "x" * 128]:
        hashed = murmur2(key.encode()) & 0x7FFFFFFF
        yield {"key": key, "partitions": {str(count): hashed % count for count in (1, 4, 12, 64, 1000)}}


def letters():
    """A refused record, and the headers that its dead letter has behind the record's own; null is a header without a value."""
    refused = {"topic": "payments", "partition": 3, "offset": 2**32, "timestamp_micros": T, "key": b"order-1".hex(),
               "value": framed("PaymentEvent", 1, {"event_id": "e", "order_id": "order-1", "occurred_at": T, "kind": "CAPTURED", **CAP,
                                                   "amount_minor": 1}),
               "headers": [["traceparent", b"not one".hex()], ["empty", None]]}
    explained = {"reason": "missing_field", "explanation": "`currency` is missing: an amount_minor needs it", "refused_at_micros": T + 9}
    ours = [("reason", explained["reason"]), ("explanation", explained["explanation"]), ("topic", "payments"), ("partition", "3"),
            ("offset", str(2**32)), ("attempts", "1"), ("refused-at", str(T + 9))]
    yield letter(refused, explained, [*ours, ("schema-id", "1")])
    foreign = {**refused, "key": None, "value": b"{}".hex(), "headers": []}
    explained = {**explained, "reason": "no_key", "explanation": "the record has no key: use the order_id as key"}
    yield letter(foreign, explained, [("reason", "no_key"), ("explanation", explained["explanation"]), *ours[2:]])


def letter(refused, explained, ours):
    added = [[f"orderstream-{name}", value.encode().hex()] for name, value in ours]
    return {"refused": refused, **explained, "headers": [*refused["headers"], *added]}


FILES = {
    "inputs.json": inputs(),
    "outputs.json": [*(row("OrderStatusChanged", 5, fields) for fields in statuses()),
                     *(row("OrderCommand", 2**31 - 1, fields) for fields in commands())],
    "ids.json": ids(),
    "partitions.json": partitions(),
    "dead_letters.json": letters(),
}


def main():
    stale = []
    for name, rows in FILES.items():
        text = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"
        path = HERE / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit(f"{', '.join(stale)}: not what tests/golden/make.py writes; run it and look at the difference")


main()
