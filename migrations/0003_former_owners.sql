-- A lane remembers every producer that may have left a transaction open in it, until one of its owners has ended them.

alter table lanes add column former_transactional_ids text[] not null default '{}';
comment on column lanes.former_transactional_ids is
    'Producers of former owners whose transactions nobody is known to have ended: a process that dies between its claim and the ending would otherwise take the knowledge with it. Emptied by the first note of an owner that has ended them all.';
