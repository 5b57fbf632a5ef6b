-- The state of orderstream: who owns which lane, how far it has read, what every order is, and what was said about it.
-- One batch is one transaction over these tables (DESIGN section 3). Nothing but a lane's owner writes the lane's row,
-- its checkpoints and its journal.

create table deployment (
    only_row         boolean     not null default true,
    id               uuid        not null,
    kafka_cluster_id text        not null,
    consumer_group   text        not null,
    topics           jsonb       not null,
    lane_count       integer     not null,
    created_at       timestamptz not null default now(),
    constraint deployment_one_row primary key (only_row),
    constraint deployment_only_row_is_true check (only_row),
    constraint deployment_has_lanes check (lane_count > 0)
);
comment on table deployment is
    'What this database belongs to. One row, compared at every start and every assignment, so that two groups cannot share a database and a changed set of topics cannot split a lane.';
comment on column deployment.id is
    'Random id of this database; stands in the metadata of every offset we publish, so that a position written from another database is recognised.';
comment on column deployment.topics is 'Input topic by role: payment, inventory, shipping, order (absent when left out).';

create table lanes (
    lane                   integer     not null,
    epoch                  bigint      not null default 0,
    tenure                 uuid,
    last_seq               bigint      not null default 0,
    published_seq          bigint      not null default 0,
    owner_transactional_id text,
    claimed_at             timestamptz,
    constraint lanes_pkey primary key (lane),
    constraint lanes_published_is_written check (published_seq <= last_seq)
) with (fillfactor = 50);
comment on table lanes is
    'One row a lane. The fence: a batch compares and sets epoch, tenure and last_seq here before it does anything else.';
comment on column lanes.epoch is 'How often the lane was claimed.';
comment on column lanes.tenure is 'Random id of the latest claim; tells claims apart where epochs were restored from a backup.';
comment on column lanes.last_seq is 'Number of the last journal row; 0 before the first.';
comment on column lanes.published_seq is
    'A lower bound of what Kafka has: the truth is in the offset metadata of the group. Written with later batches.';
comment on column lanes.owner_transactional_id is
    'The producer that may have left a transaction open; null once an owner left after everything of the lane was published.';

create table checkpoints (
    topic            text        not null,
    partition        integer     not null,
    next_offset      bigint      not null,
    topic_id         text,
    record_timestamp timestamptz,
    constraint checkpoints_pkey primary key (topic, partition),
    constraint checkpoints_offset_not_negative check (next_offset >= 0)
) with (fillfactor = 50);
comment on table checkpoints is
    'How far each input partition is applied, moved in the transaction that applies it. A consumer starts from here, never from the group''s offsets.';
comment on column checkpoints.next_offset is 'The next offset to read.';
comment on column checkpoints.topic_id is
    'Kafka''s id of the topic the offset belongs to: a topic deleted and made again has another one, and its offsets mean nothing here.';
comment on column checkpoints.record_timestamp is 'Timestamp of the last record applied; the lag in seconds is measured from it.';

create type order_status as enum (
    'CANCELLED', 'CANCELLING', 'RETURNED', 'PARTIALLY_RETURNED', 'COMPLETED', 'DELIVERED', 'SHIPPED', 'PARTIALLY_SHIPPED',
    'IN_FULFILMENT', 'CONFIRMED', 'AWAITING_STOCK', 'AWAITING_PAYMENT', 'PENDING');
create type payment_region as enum (
    'CHARGED_BACK', 'REFUNDED', 'PARTIALLY_REFUNDED', 'OVERPAID', 'PAID', 'PARTIALLY_PAID', 'AUTHORIZED',
    'PARTIALLY_AUTHORIZED', 'ACTION_REQUIRED', 'PENDING', 'EXPIRED', 'VOIDED', 'DECLINED', 'UNPAID');
create type inventory_region as enum (
    'REJECTED', 'RESERVED', 'PARTIALLY_RESERVED', 'BACKORDERED', 'EXPIRED', 'RELEASED', 'NONE');
create type fulfilment_region as enum (
    'DELIVERED', 'PARTIALLY_DELIVERED', 'SHIPPED', 'PARTIALLY_SHIPPED', 'IN_PROGRESS', 'CANCELLED', 'NOT_STARTED');
create type returns_region as enum ('RETURNED', 'PARTIALLY_RETURNED', 'REQUESTED', 'CLOSED', 'NONE');

create table orders (
    order_id           text              not null,
    version            bigint            not null default 0,
    home_lane          integer           not null,
    status             order_status      not null default 'PENDING',
    payment            payment_region    not null default 'UNPAID',
    inventory          inventory_region  not null default 'NONE',
    fulfilment         fulfilment_region not null default 'NOT_STARTED',
    returns            returns_region    not null default 'NONE',
    flags              text[]            not null default '{}',
    attention          text[]            not null default '{}',
    cancel_reason      text,
    currency           text,
    total_minor        bigint,
    authorized_minor   bigint            not null default 0,
    captured_minor     bigint            not null default 0,
    refunded_minor     bigint            not null default 0,
    charged_back_minor bigint            not null default 0,
    lines              jsonb             not null default '[]',
    owed               jsonb             not null default '[]',
    facts              jsonb,
    journal_rows       bigint[]          not null default '{}',
    next_deadline      timestamptz,
    machine_version    smallint          not null default 0,
    created_at         timestamptz       not null default now(),
    changed_at         timestamptz       not null default now(),
    constraint orders_pkey primary key (order_id),
    constraint orders_version_not_negative check (version >= 0)
) with (fillfactor = 85);
comment on table orders is
    'One row an order: its facts, and the view derived from them that was last emitted. The columns from status to owed are that view, whole, so that a change is a comparison of two values.';
comment on column orders.version is 'How many status events were emitted for the order; 0 only inside the transaction that makes the row.';
comment on column orders.home_lane is
    'The lane of the first event. An event in another lane means that producers do not agree on a partitioner; versions are then published out of order.';
comment on column orders.facts is 'The registers (DOMAIN section 1), in the compact form of order/facts.rs. The only truth; all else can be derived again.';
comment on column orders.journal_rows is
    'The journal rows in which the order appears: lane times 2^40 plus seq, in the order in which they were written.';
comment on column orders.next_deadline is 'The earliest deadline that is armed (DOMAIN section 8); null for none.';
comment on column orders.machine_version is 'The version of the rules that derived the view.';
comment on column orders.changed_at is 'When the view last changed.';

create table journal (
    lane       integer     not null,
    seq        bigint      not null,
    day        date        not null,
    epoch      bigint      not null,
    events     integer     not null,
    emitted_records integer not null,
    applied    bytea       not null,
    emitted    bytea       not null,
    written_at timestamptz not null default now(),
    constraint journal_pkey primary key (lane, seq, day)
) partition by range (day);
comment on table journal is
    'One row a lane and batch: outbox, history and event store in one. Written once, never changed; the relay publishes from it, history reads it, verify folds it again.';
comment on column journal.day is 'The day of the transaction in UTC; what retention drops.';
comment on column journal.applied is 'Every input record of the batch with what became of it; zstd over JSON lines (persist/journal_format.rs).';
comment on column journal.emitted is 'Every record the batch publishes, framed and ready to send; zstd over postcard (persist/journal_format.rs).';
alter table journal alter column applied set storage external;
alter table journal alter column emitted set storage external;

create table journal_default partition of journal default;
comment on table journal_default is 'Takes the rows of days for which no partition was made in time, so that a batch never fails for want of one.';

create type dead_letter_reason as enum (
    'no_key', 'key_mismatch', 'bad_framing', 'unknown_schema', 'bad_avro', 'unknown_kind', 'missing_field', 'bad_value',
    'occurred_in_future', 'too_large', 'apply_failed');
create type dead_letter_state as enum ('open', 'replay', 'applied', 'discarded');

create table dead_letters (
    id               bigint             not null generated always as identity,
    topic            text               not null,
    partition        integer            not null,
    record_offset    bigint             not null,
    key              bytea,
    value            bytea,
    headers          jsonb              not null default '[]',
    record_timestamp timestamptz        not null,
    order_id         text,
    schema_id        bigint,
    reason           dead_letter_reason not null,
    explanation      text               not null,
    attempts         integer            not null default 1,
    state            dead_letter_state  not null default 'open',
    first_seen_at    timestamptz        not null default now(),
    last_seen_at     timestamptz        not null default now(),
    constraint dead_letters_pkey primary key (id),
    constraint dead_letters_one_per_record unique (topic, partition, record_offset)
);
comment on table dead_letters is
    'One row a record that could not be applied, byte for byte as it came, with the reason and what became of it.';
comment on column dead_letters.headers is 'The headers in their order: [name, value in hex or null].';
comment on column dead_letters.order_id is 'The key as text where it is text: the order that lacks this event.';
create index dead_letters_open_by_order on dead_letters (order_id) where state = 'open';
