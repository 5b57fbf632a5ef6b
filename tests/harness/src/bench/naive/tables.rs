//! The tables of the naive service, in a schema of their own, and all that it says to Postgres.

/// Makes them.
pub const MAKE: &str = "create schema naive;
    create table naive.orders (
        order_id text primary key, payment text not null default '', inventory text not null default '',
        shipping text not null default '', status text not null default '', amount_minor bigint not null default 0,
        currency text not null default '', version integer not null default 0,
        updated_at timestamptz not null default now());
    create table naive.events (
        event_id uuid primary key, order_id text not null, topic text not null, kind text not null,
        occurred_at timestamptz not null, recorded_at timestamptz not null default now());
    create table naive.outbox (
        id bigint generated always as identity primary key, key text not null, payload text not null,
        created_at timestamptz not null default now())";

/// How many events are done, and how many rows wait to be published.
pub const PROGRESS: &str = "select (select count(*) from naive.events), (select count(*) from naive.outbox)";

/// Notes an event; no row where it was noted before.
pub const NOTE: &str = "insert into naive.events (event_id, order_id, topic, kind, occurred_at)
    values ($1, $2, $3, $4, 'epoch'::timestamptz + $5 * interval '1 microsecond') on conflict do nothing";

/// Reads an order under lock.
pub const LOCK: &str = "select payment, inventory, shipping, status, amount_minor, currency, version
    from naive.orders where order_id = $1 for update";

/// Makes an order's row.
pub const PLACE: &str = "insert into naive.orders (order_id) values ($1) on conflict do nothing";

/// Writes an order.
pub const WRITE: &str = "update naive.orders set payment = $2, inventory = $3, shipping = $4, status = $5,
    amount_minor = $6, currency = $7, version = $8, updated_at = now() where order_id = $1";

/// Leaves a word for the relay.
pub const SAY: &str = "insert into naive.outbox (key, payload) values ($1, $2)";

/// Takes words for the relay, under lock until they are published.
pub const TAKE: &str = "delete from naive.outbox
    where id in (select id from naive.outbox order by id limit $1 for update skip locked) returning id, key, payload";
