-- What an operator's hand leaves behind: leaps of versions, topics that were made again, and who did what when.
-- Additive: a worker of the release before is refused by its own check of versions, and nothing it wrote is changed.

alter table lanes add column version_floor bigint not null default 0;
comment on column lanes.version_floor is
    'Versions up to here may have been published by a life of the database that is lost: the next version of any order is above. Set by `orderstream recover`, the same for all lanes; read with the fence.';

alter table dead_letters add column made_again smallint not null default 0;
comment on column dead_letters.made_again is
    'How often the topic was deleted and made again since: then topic, partition and offset name another record by now.';
alter table dead_letters drop constraint dead_letters_one_per_record;
alter table dead_letters
    add constraint dead_letters_one_per_record unique (topic, partition, record_offset, made_again);

create table output_topics (
    topic      text        not null,
    topic_id   text,
    partitions integer     not null,
    seen_at    timestamptz not null default now(),
    constraint output_topics_pkey primary key (topic)
);
comment on table output_topics is
    'What the topics that are published to were when a worker last looked: one that was made again has lost what was published, one with more partitions has its orders elsewhere. Told once.';

create table operations (
    id            bigint      not null generated always as identity,
    command       text        not null,
    actor         text        not null,
    note          text,
    what          jsonb       not null,
    version_floor bigint,
    began_at      timestamptz not null default now(),
    ended_at      timestamptz,
    constraint operations_pkey primary key (id)
);
comment on table operations is
    'Who changed by hand what only workers write otherwise: recoveries, topics that were added, partitions that were added.';
comment on column operations.what is 'What was found and what was done, in numbers.';
comment on column operations.version_floor is 'Where the versions of all orders leapt to, if they did.';
comment on column operations.ended_at is 'Null while something of it is left to do; the same command again does the rest.';
