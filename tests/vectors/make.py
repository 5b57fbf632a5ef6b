"""Writes the golden vectors: values of our records, and their bytes as fastavro makes them, an implementation that is not ours.

    python3 -m venv target/vectors && target/vectors/bin/pip install fastavro && target/vectors/bin/python tests/vectors/make.py

`inputs.json` holds records as producers send them, `outputs.json` what we publish: the record's name, its schema id, its fields,
and the framed value in hex. Fields that are not in `fields` have the schema's default.
"""

import io
import json
import pathlib

import fastavro

HERE = pathlib.Path(__file__).parent
SCHEMAS = HERE.parent.parent / "schemas"
T = 1_760_000_000_000_000

ENVELOPE = {"event_id": "evt-1", "order_id": "order-1", "occurred_at": T}

INPUTS = [
    ("PaymentEvent", {**ENVELOPE, "kind": "AUTHORIZED", "producer": "payments", "correlation_id": "flow-1",
                      "authorization_id": "auth-1", "amount_minor": 12999, "currency": "EUR", "expires_at": T + 600_000_000}),
    ("PaymentEvent", {**ENVELOPE, "kind": "CAPTURED", "capture_id": "cap-1", "authorization_id": "auth-1",
                      "amount_minor": 1_000_000_000_000_000, "currency": "JPY"}),
    ("PaymentEvent", {**ENVELOPE, "kind": "DECLINED", "event_id": "évènement-☃", "causation_id": "cmd-1",
                      "authorization_id": "auth-1", "reason": "insufficient funds"}),
    ("PaymentEvent", {**ENVELOPE, "kind": "UNKNOWN"}),
    ("InventoryEvent", {**ENVELOPE, "kind": "RESERVED", "reservation_id": "res-1", "lines": [
        {"line_id": "1", "sku": "SKU-1", "quantity": 2}, {"line_id": "2", "sku": None, "quantity": 1_000_000}]}),
    ("InventoryEvent", {**ENVELOPE, "kind": "RESTOCKED", "reservation_id": "res-1", "condition": "SELLABLE"}),
    ("ShippingEvent", {**ENVELOPE, "kind": "DISPATCHED", "shipment_id": "ship-1", "carrier": "DHL", "tracking_number": "00340"}),
    ("ShippingEvent", {**ENVELOPE, "kind": "RETURN_CLOSED", "return_id": "ret-1", "accepted": False,
                       "lines": [{"line_id": "1", "sku": None, "quantity": 1}]}),
    ("OrderEvent", {**ENVELOPE, "kind": "PLACED", "total_minor": 12999, "currency": "EUR", "payment_due_at": T + 86_400_000_000,
                    "lines": [{"line_id": "1", "sku": "SKU-1", "quantity": 2}]}),
    ("OrderEvent", {**ENVELOPE, "kind": "CANCEL_REQUESTED", "requested_by": "merchant", "reason": "typo"}),
]

OUTPUTS = [
    ("OrderStatusChanged", {
        "event_id": "4a87d2e7-b9d8-5cd5-a1c7-c16f2d9a5d61", "order_id": "order-1", "order_version": 1, "status": "AWAITING_STOCK",
        "previous_status": None, "payment": "AUTHORIZED", "inventory": "NONE", "fulfilment": "NOT_STARTED", "returns": "NONE",
        "currency": "EUR", "authorized_minor": 12999, "lines": [{"line_id": "*", "sku": None, "ordered": 1}],
        "cause": {"event_id": "evt-1", "topic": "payments", "partition": 3, "offset": 4_294_967_296, "kind": "AUTHORIZED"},
        "correlation_id": "flow-1", "occurred_at": T, "changed_at": T + 1_500}),
    ("OrderStatusChanged", {
        "event_id": "4a87d2e7-b9d8-5cd5-a1c7-c16f2d9a5d61", "order_id": "order-1", "order_version": 300, "status": "CANCELLING",
        "previous_status": "CONFIRMED", "payment": "PAID", "inventory": "RESERVED", "fulfilment": "IN_PROGRESS", "returns": "NONE",
        "flags": ["on_hold", "in_review"], "attention": ["currency_mismatch"], "cancel_reason": "payment_expired",
        "currency": "EUR", "total_minor": 12999, "captured_minor": 12999, "refunded_minor": 1, "charged_back_minor": 2,
        "lines": [{"line_id": "1", "sku": "SKU-1", "ordered": 2, "reserved": 2, "shipped": 1, "delivered": 1, "returned": 1},
                  {"line_id": "2", "sku": None, "ordered": 1}],
        "owed": [{"kind": "REFUND_PAYMENT", "id": "cap-1", "amount_minor": 12999, "currency": "USD"},
                 {"kind": "RELEASE_INVENTORY", "id": "res-1", "lines": [{"line_id": "1", "quantity": 2}]}],
        "cause": {"event_id": "deadline:payment_due::1760000000000000", "kind": "FIRED"},
        "occurred_at": T, "changed_at": T + 1_500}),
    ("OrderCommand", {
        "command_id": "0b5a1d27-7b5c-5a4d-9d0c-5a2b8f3e6c11", "order_id": "order-1", "kind": "RELEASE_INVENTORY",
        "entity_id": "res-1", "lines": [{"line_id": "1", "quantity": 2}], "reason": "customer", "attempt": 2, "issued_at": T}),
    ("OrderCommand", {
        "command_id": "0b5a1d27-7b5c-5a4d-9d0c-5a2b8f3e6c11", "order_id": "order-1", "kind": "VOID_PAYMENT", "entity_id": "auth-1",
        "amount_minor": 12999, "currency": "EUR", "reason": "fraud", "issued_at": T,
        "cause": {"event_id": "evt-9", "topic": "payments", "partition": 0, "offset": 0, "kind": "REVIEW_REJECTED"}}),
]


def without_logical_types(schema):
    """fastavro would ask for its own time and UUID objects; the bytes are the same."""
    if isinstance(schema, dict):
        return {key: without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    return schema


def framed(record, schema_id, fields):
    schema = fastavro.parse_schema(without_logical_types(json.loads((SCHEMAS / f"{record}.avsc").read_text())))
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, fields)
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


def write(name, vectors):
    rows = [
        {"record": record, "schema_id": schema_id, "fields": fields, "hex": framed(record, schema_id, fields).hex()}
        for schema_id, (record, fields) in enumerate(vectors, start=1)
    ]
    text = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / name).write_text(f"[\n{text}\n]\n")


write("inputs.json", INPUTS)
write("outputs.json", OUTPUTS)
