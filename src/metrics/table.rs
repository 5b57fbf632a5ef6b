//! Every metric of orderstream: name, labels, help. The only such list; dashboards, alerts and the docs page follow it.
//!
//! Base units in the name, `_total` on counters, labels bounded and never an id. A line reads: handle, kind with the number
//! of labels, name, labels, help. Lanes are the only label whose values are not known here.
//! `orders`, `obligations` and their ages are of the whole database; each worker reports the same.

use super::handle::{Counter, Gauge, Histogram, Label, Metric};

const TOPIC: Label = known("topic", &["payment", "inventory", "shipping", "order"]);
const SOURCE: Label = known("topic", &["payment", "inventory", "shipping", "order", "deadline"]);
const TARGET: Label = known("topic", &["status", "command", "dead_letter"]);
const OUTCOME: Label = known("outcome", &["applied", "duplicate", "stale", "dead_letter"]);
const STEP: Label = known("step", &["fence", "checkpoints", "lock_orders", "decide", "write", "commit", "total"]);
const SINCE: Label = known("since", &["occurred", "recorded", "consumed"]);
const LANE: Label = known("lane", &[]);
const STOPPED: Label = known(
    "reason",
    &[
        "assignment",
        "checkpoint_mismatch",
        "consumer",
        "database_refused",
        "internal",
        "offset_out_of_range",
        "position_ahead",
        "topic_changed",
        "unreadable",
    ],
);
const ENDED: Label = known("reason", &["revoked", "lost", "fenced", "generation", "stopped"]);
const REBALANCE: Label = known("kind", &["assign", "revoke", "lost"]);
const FENCED_BY: Label = known("by", &["epoch", "generation", "producer"]);
const RECYCLED: Label = known("cause", &["error", "fenced", "generation", "slow"]);
/// What is tried again. The first nine are of the database, in `persist::Fate::Retry`'s words where it says more.
const RETRIED: Label = known(
    "cause",
    &[
        "database",
        "database_access",
        "connection",
        "connection_limit",
        "conflict",
        "lock_timeout",
        "statement_timeout",
        "no_answer",
        "server",
        "registry",
        "registry_access",
        "kafka_access",
        "kafka_consume",
        "kafka_metadata",
        "kafka_publish",
        "lookout",
        "otlp",
        "take_over",
    ],
);
const DEAD: Label = known(
    "reason",
    &[
        "no_key",
        "key_mismatch",
        "bad_framing",
        "unknown_schema",
        "bad_avro",
        "unknown_kind",
        "missing_field",
        "bad_value",
        "occurred_in_future",
        "too_large",
        "apply_failed",
    ],
);
const LOOKUP: Label = known("result", &["fetched", "not_found", "failed"]);
const STATUS: Label = known(
    "status",
    &[
        "CANCELLED",
        "CANCELLING",
        "RETURNED",
        "PARTIALLY_RETURNED",
        "COMPLETED",
        "DELIVERED",
        "SHIPPED",
        "PARTIALLY_SHIPPED",
        "IN_FULFILMENT",
        "CONFIRMED",
        "AWAITING_STOCK",
        "AWAITING_PAYMENT",
        "PENDING",
    ],
);
/// How long an order has not changed; `persist::census` has the same.
const UNCHANGED_FOR: Label = known("longer_than", &["1h", "1d", "7d"]);
const ATTENTION: Label = known(
    "reason",
    &[
        "authorization_expired",
        "cancel_after_dispatch",
        "command_unanswered",
        "currency_mismatch",
        "dispatched_after_cancel",
        "overpaid",
        "paid_before_deadline",
        "partially_rejected",
        "refund_failed",
        "refunded_before_dispatch",
        "reservation_expired_while_paid",
        "returned_to_sender",
        "shipment_lost",
    ],
);
const OBLIGATION: Label = known("kind", &["VOID_PAYMENT", "REFUND_PAYMENT", "RELEASE_INVENTORY", "CANCEL_SHIPMENT"]);
const DEADLINE: Label =
    known("name", &["authorization_expiry", "payment_due", "payment_retry", "rejection", "reservation_expiry"]);
const ATTEMPT: Label = known("attempt", &["first", "again"]);
const REPLAYED: Label = known("outcome", &["applied", "duplicate", "stale", "refused"]);
const SPAN_DROPPED: Label = known("reason", &["queue_full", "unreachable", "refused", "given_up"]);
const VERSION: Label = known("version", &[env!("CARGO_PKG_VERSION")]);

/// Within a process: from a tenth of a millisecond to half a minute.
const STEP_SECONDS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
/// End to end: fine around the objective of 30 ms, and on to a day for what waited or came late.
const LATENCY_SECONDS: &[f64] = &[
    0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
    300.0, 3600.0, 86400.0,
];
const RECORDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0];
const BYTES: &[f64] =
    &[256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 8_388_608.0, 16_777_216.0];

const fn known(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values }
}

macro_rules! table {
    ($($HANDLE:ident: $Kind:ident<$n:literal> = $name:literal, $labels:expr, $help:literal $(, $buckets:expr)?;)+) => {
        $(
            #[doc = $help]
            pub static $HANDLE: $Kind<$n> = $Kind::new(concat!("orderstream_", $name), &$labels, $help)$(.buckets($buckets))?;
        )+

        /// All of them.
        pub static TABLE: &[&dyn Metric] = &[$(&$HANDLE),+];
    };
}

table! {
    RECORDS_CONSUMED: Counter<1> = "records_consumed_total", [TOPIC],
        "Records read from an input topic and handed to a writer.";
    EVENTS: Counter<2> = "events_total", [SOURCE, OUTCOME],
        "Events of committed batches by what became of them.";
    STATUS_EVENTS: Counter<0> = "status_events_total", [],
        "OrderStatusChanged decided in committed batches; published later.";
    RECORDS_PUBLISHED: Counter<1> = "records_published_total", [TARGET],
        "Records of committed Kafka transactions.";
    JOURNAL_ROWS_RELOADED: Counter<0> = "journal_rows_reloaded_total", [],
        "Rows of the journal that were read back to be published, since the process that wrote them gave them up or had to begin anew.";
    BATCHES: Counter<0> = "batches_total", [],
        "Batches committed to the database.";
    BATCH_RECORDS: Histogram<0> = "batch_records", [],
        "Records in a batch.", RECORDS;
    BATCH_BYTES: Histogram<0> = "batch_bytes", [],
        "Bytes of the records in a batch.", BYTES;
    BATCH_SECONDS: Histogram<1> = "batch_seconds", [STEP],
        "Time of a batch's steps in the database transaction.", STEP_SECONDS;
    TRANSACTION_SECONDS: Histogram<0> = "transaction_seconds", [],
        "Time of a Kafka transaction from its first record to the answer to its commit.", STEP_SECONDS;
    TRANSACTION_RECORDS: Histogram<0> = "transaction_records", [],
        "Records in a Kafka transaction.", RECORDS;
    EVENT_TO_PUBLISH_SECONDS: Histogram<1> = "event_to_publish_seconds", [SINCE],
        "Time from an input record to the Kafka commit of the status event that it caused: since its event occurred, since the record was written, since it was consumed. Left out: status events that a deadline or a replayed dead letter caused, and those of journal_rows_reloaded_total.",
        LATENCY_SECONDS;
    LAG_RECORDS: Gauge<1> = "lag_records", [LANE],
        "Records of the lane's input partitions that are not applied yet, transaction markers among them; from the lane's owner.";
    LAG_SECONDS: Gauge<1> = "lag_seconds", [LANE],
        "Age of the lane's oldest record that is not applied yet, by the record's own timestamp once it is in memory; until then, or where it has none, for how long at least this owner has known it to be there. 0 when all are applied.";
    UNPUBLISHED_ROWS: Gauge<1> = "journal_unpublished_rows", [LANE],
        "Rows of the lane's journal that are not published yet.";
    UNPUBLISHED_SECONDS: Gauge<1> = "journal_unpublished_age_seconds", [LANE],
        "Age of the lane's oldest journal row that is not published yet; 0 when all are.";
    LANES: Gauge<0> = "lanes", [],
        "Lanes of the deployment: partitions of each input topic. The same in every worker.";
    LANE_OWNED: Gauge<1> = "lane_owned", [LANE],
        "1 for a lane with an open tenure of this process, 0 for every other lane of the deployment.";
    LANE_EVENTS: Counter<1> = "lane_events_total", [LANE],
        "Records and replayed dead letters of the lane in committed batches of this process, whatever became of them.";
    LANES_OWNED: Gauge<0> = "lanes_owned", [],
        "Lanes with an open tenure of this process.";
    LANES_STOPPED: Gauge<1> = "lanes_stopped", [STOPPED],
        "1 once this process has stopped its lanes for that reason, until it ends, which is soon; its log and its exit code say more.";
    TENURES_OPENED: Counter<0> = "tenures_opened_total", [],
        "Lanes taken over.";
    TENURES_ENDED: Counter<1> = "tenures_ended_total", [ENDED],
        "Lanes given up or lost.";
    REBALANCES: Counter<1> = "rebalances_total", [REBALANCE],
        "Rebalances of the group: lanes were given to this process, given up by it, or taken away before it knew.";
    FENCED: Counter<1> = "fenced_transactions_total", [FENCED_BY],
        "Transactions refused because a newer owner exists: in the database by epoch, in Kafka by generation or producer.";
    PRODUCER_RECYCLES: Counter<1> = "producer_recycles_total", [RECYCLED],
        "Producers dropped and made anew after doubt.";
    POSITIONS_LOST: Counter<0> = "positions_lost_total", [],
        "Take-overs at which Kafka's committed offsets did not say how far the lane was published.";
    ORDERS_OFF_LANE: Counter<0> = "orders_off_lane_total", [],
        "Events that came through another lane than their order's home: producers use different partitioners.";
    RETRIES: Counter<1> = "retries_total", [RETRIED],
        "Attempts that failed for a passing reason and were made again.";
    DEAD_LETTERS: Counter<1> = "dead_letters_total", [DEAD],
        "Records that could not be applied and became dead letters.";
    DEAD_LETTERS_REPLAYED: Counter<1> = "dead_letters_replayed_total", [REPLAYED],
        "Dead letters that were replayed, by what became of them.";
    DEAD_LETTERS_OPEN: Gauge<1> = "dead_letters_open", [DEAD],
        "Dead letters that are neither applied nor discarded, of the whole database.";
    DEAD_LETTERS_OLDEST_SECONDS: Gauge<1> = "dead_letters_open_oldest_age_seconds", [DEAD],
        "Time since the oldest of them was refused first.";
    DEADLINES_FIRED: Counter<1> = "deadlines_fired_total", [DEADLINE],
        "Deadlines that fired in committed batches.";
    DEADLINES_OVERDUE: Gauge<0> = "deadlines_overdue", [],
        "Orders for which a deadline or a command's next attempt is due and was not worked off yet, of the whole database.";
    DEADLINES_OVERDUE_SECONDS: Gauge<0> = "deadlines_overdue_age_seconds", [],
        "How long the longest of them is overdue; 0 when none is.";
    DEADLINES_REFUSED: Counter<0> = "deadlines_refused_total", [],
        "Orders that cannot be changed as time or a person asks: the status event would be too large, or the database refuses it.";
    HORIZON_SECONDS: Gauge<1> = "lane_horizon_age_seconds", [LANE],
        "How long ago the lane had last read everything that its partitions held then; deadlines fire up to there.";
    COMMANDS: Counter<2> = "commands_total", [OBLIGATION, ATTEMPT],
        "Commands sent in committed batches, for the first time or again; published later.";
    COMMANDS_GIVEN_UP: Counter<0> = "commands_given_up_total", [],
        "Orders with a command that had all its attempts and no answer: a person should look.";
    SCHEMA_LOOKUPS: Counter<1> = "schema_lookups_total", [LOOKUP],
        "Look-ups of writer schemas by id.";
    RELAY_QUEUE_CHUNKS: Gauge<0> = "relay_queue_chunks", [],
        "Chunks that wait in memory to be published.";
    LANE_QUEUE_RECORDS: Gauge<1> = "lane_queue_records", [LANE],
        "Records of the lane that wait in memory to be applied.";
    ORDERS: Gauge<1> = "orders", [STATUS],
        "Orders by status, of the whole database.";
    ORDERS_OLDEST_SECONDS: Gauge<1> = "orders_oldest_age_seconds", [STATUS],
        "Time since the last change of the order in this status that has not changed for longest.";
    ORDERS_UNCHANGED: Gauge<2> = "orders_unchanged", [STATUS, UNCHANGED_FOR],
        "Orders by status that have not changed for longer than that, of the whole database.";
    ORDERS_ATTENTION: Gauge<1> = "orders_attention", [ATTENTION],
        "Orders by the reason why a person should look, of the whole database; an order can have several.";
    OBLIGATIONS: Gauge<1> = "obligations", [OBLIGATION],
        "Open obligations, of the whole database.";
    OBLIGATIONS_OLDEST_SECONDS: Gauge<1> = "obligations_oldest_age_seconds", [OBLIGATION],
        "Time since the oldest open obligation of the kind began.";
    JOURNAL_OLDEST_SECONDS: Gauge<0> = "journal_oldest_age_seconds", [],
        "Time since the oldest day of the journal began, of the whole database.";
    JOURNAL_PARTITIONS_DROPPED: Counter<0> = "journal_partitions_dropped_total", [],
        "Partitions of the journal, a day each, that were older than retention.journal and dropped.";
    DEAD_LETTERS_REMOVED: Counter<0> = "dead_letters_removed_total", [],
        "Dead letters that were resolved longer ago than retention.dead_letters and removed.";
    SPANS_EXPORTED: Counter<0> = "spans_exported_total", [],
        "Spans that the receiver of telemetry.otlp_endpoint took.";
    SPANS_DROPPED: Counter<1> = "spans_dropped_total", [SPAN_DROPPED],
        "Spans that no receiver has: too many were under way, nobody answered, the receiver refused them, or their lane or this process ended first.";
    BUILD_INFO: Gauge<1> = "build_info", [VERSION],
        "1, with the version as a label.";
}
