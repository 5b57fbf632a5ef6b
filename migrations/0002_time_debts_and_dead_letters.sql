-- What an order needs beside its next event: deadlines that fire, commands that wait for an answer, records to be replayed.
-- Additive: a worker of the release before is refused by its own check of versions, and nothing it wrote is changed.

alter table orders add column commands jsonb not null default '[]';
comment on column orders.commands is
    'For every open obligation: since when it is owed, how often its command was sent, when it was last sent, and whether a person was asked to look. Belongs to the row, not to the facts (DOMAIN section 8).';
alter table orders add column off_lane boolean not null default false;
comment on column orders.off_lane is
    'Whether an event of the order ever came through another lane than home_lane. Its deadlines then wait for the horizons of all lanes.';
comment on column orders.next_deadline is
    'When time will next have something to do for the order: the earliest deadline that is armed and would fire, or the next attempt of a command; null for never. Without what cancels while a dead letter of the order is unresolved.';
create index orders_due on orders (home_lane, next_deadline) where next_deadline is not null;
comment on index orders_due is
    'What a lane''s owner looks up once a second. The column changes rarely, so most updates of an order stay on their page (HOT).';
create index orders_due_off_lane on orders (next_deadline) where off_lane and next_deadline is not null;

alter table lanes add column horizon timestamptz;
comment on column lanes.horizon is
    'A lower bound of the instant up to which every input partition of the lane was applied to where it ended then. Written with batches, and alone where another lane waits for it.';

alter table dead_letters add column resolved_at timestamptz;
drop index dead_letters_open_by_order;
create index dead_letters_unresolved_by_order on dead_letters (order_id) where state in ('open', 'replay');
comment on index dead_letters_unresolved_by_order is 'A deadline that would cancel waits for these.';
create index dead_letters_to_replay on dead_letters (partition, id) where state = 'replay';
create index dead_letters_resolved on dead_letters (resolved_at) where state in ('applied', 'discarded');
create index dead_letters_open_by_reason on dead_letters (reason, first_seen_at) where state in ('open', 'replay');
comment on column dead_letters.resolved_at is 'When it was applied or discarded; retention counts from here. Null while it is neither.';
comment on column dead_letters.state is
    'open: waits for a person. replay: marked; the lane''s owner takes it with one of its next batches. applied: its event reached its order. discarded: a person decided that it is not to be applied.';

create type dead_letter_action as enum ('replay', 'applied', 'refused', 'discard', 'reopen');
create table dead_letter_actions (
    id        bigint             not null generated always as identity,
    letter_id bigint             not null,
    action    dead_letter_action not null,
    actor     text               not null,
    note      text,
    at        timestamptz        not null default now(),
    constraint dead_letter_actions_pkey primary key (id),
    constraint dead_letter_actions_of_a_letter foreign key (letter_id) references dead_letters on delete cascade
);
comment on table dead_letter_actions is 'Who did what to a dead letter, and when. Workers write what became of a replay.';
comment on column dead_letter_actions.actor is 'Who: the name given to the command, or the worker''s transactional id.';
comment on column dead_letter_actions.note is 'Why, in the words of who did it; for applied and refused what came of it.';
create index dead_letter_actions_by_letter on dead_letter_actions (letter_id, id);

create table marks (
    order_id  text        not null,
    lane      integer     not null,
    why       text        not null,
    marked_at timestamptz not null default now(),
    constraint marks_pkey primary key (order_id)
);
comment on table marks is
    'Orders that a command wants looked at: the lane''s owner derives each anew in one of its next batches, emits what changed, and removes the mark. Commands never change an order themselves.';
create index marks_by_lane on marks (lane, marked_at);

create table archived_orders (like orders including defaults including comments);
alter table archived_orders add column archived_at timestamptz not null default now();
alter table archived_orders add constraint archived_orders_pkey primary key (order_id);
comment on table archived_orders is
    'Orders that reached their end long ago, moved out of the way as they were. An event that comes after all brings its order back.';
create index archived_orders_by_time on archived_orders (archived_at);
