-- The roles of an orderstream database, each with exactly what it needs. Run by an administrator, in the database:
--
--   psql "$ADMIN_URL" -f deploy/postgres/role.sql                                          before the first `orderstream migrate`
--   orderstream migrate                                                                    as orderstream_owner
--   psql "$ADMIN_URL" -f deploy/postgres/role.sql                                          again, after each migration
--
-- It can be repeated at any time and only ever adds what is missing. Passwords are not set here: `\password ROLE` in psql, or
-- certificates. The tests let workers and commands run as these roles and no other.
--
--   orderstream_owner    `orderstream migrate`, and nothing else: owns every table but the journal
--   orderstream_worker   `orderstream run`, and the commands that change something (dead letters, rederive, archive, recover,
--                        topics add, repartition)
--   orderstream_reader   the commands that only read (order, orders, journal, verify, dead-letters list and show), and people

do $$
begin
    if to_regrole('orderstream_owner') is null then create role orderstream_owner login; end if;
    if to_regrole('orderstream_worker') is null then create role orderstream_worker login; end if;
    if to_regrole('orderstream_reader') is null then create role orderstream_reader login; end if;
    -- Nobody else comes in: Postgres lets everybody connect and make temporary tables unless told otherwise.
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to orderstream_owner, orderstream_worker, orderstream_reader', current_database());
end $$;

revoke all on schema public from public;
grant usage on schema public to orderstream_owner, orderstream_worker, orderstream_reader;
grant create on schema public to orderstream_owner;
-- Workers make the journal's coming days and drop the old ones, which Postgres allows to nobody but the journal's owner.
grant create on schema public to orderstream_worker;
-- A migration may change the journal too.
grant orderstream_worker to orderstream_owner;

-- What is there already, if anything is.
do $$
declare
    name text;
begin
    if to_regclass('journal') is not null then
        for name in select c.oid::regclass from pg_class c
                     where c.oid = 'journal'::regclass or c.oid in (select inhrelid from pg_inherits where inhparent = 'journal'::regclass)
        loop
            execute format('alter table %s owner to orderstream_worker', name);
        end loop;
    end if;

    for name in select c.oid::regclass from pg_class c
                 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relname ~ '^journal(_|$)'
    loop
        execute format('alter table %s owner to orderstream_owner', name);
    end loop;
    for name in select t.oid::regtype from pg_type t where t.typnamespace = 'public'::regnamespace and t.typtype = 'e'
    loop
        execute format('alter type %s owner to orderstream_owner', name);
    end loop;

    -- Read and written on the path.
    foreach name in array array['lanes', 'checkpoints', 'orders', 'dead_letters', 'marks', 'archived_orders', 'deployment',
                                'dead_letter_actions', 'output_topics', 'operations', '_sqlx_migrations']
    loop
        continue when to_regclass(name) is null;
        execute format('grant select on %I to orderstream_worker', name);
    end loop;
    -- One row for the database and one a lane and partition: made at the first start, never removed. What the database belongs to
    -- stays as it is, but for its topics and lanes: `topics add` and `repartition` change them.
    foreach name in array array['lanes', 'checkpoints', 'output_topics', 'operations', 'deployment']
    loop
        continue when to_regclass(name) is null;
        execute format('grant insert on %I to orderstream_worker', name);
        execute format('grant update %s on %I to orderstream_worker',
                       case when name = 'deployment' then '(topics, lane_count)' else '' end, name);
    end loop;
    -- Come and go: orders to the archive and back, dead letters and marks when they are over.
    foreach name in array array['orders', 'dead_letters', 'marks', 'archived_orders']
    loop
        continue when to_regclass(name) is null;
        execute format('grant insert, update, delete on %I to orderstream_worker', name);
    end loop;
    -- Who did what is only ever added to; it goes with its dead letter.
    if to_regclass('dead_letter_actions') is not null then
        grant insert on dead_letter_actions to orderstream_worker;
    end if;

    if to_regclass('journal') is not null then
        grant select on all tables in schema public to orderstream_reader;
        grant select on journal to orderstream_owner;
    end if;
end $$;

-- What migrations and workers make later can be read too.
alter default privileges for role orderstream_owner in schema public grant select on tables to orderstream_reader;
alter default privileges for role orderstream_worker in schema public grant select on tables to orderstream_reader;
