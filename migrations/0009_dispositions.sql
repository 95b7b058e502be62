-- What reps say came of their calls, and the asking.

create table dispositions (
  code     text primary key,
  label    text not null,
  category text not null,
  position int not null
);

alter table calls add column disposition jsonb; -- the newest; earlier ones are in the ledger

create table disposition_asks (
  id           text primary key,
  call_id      text not null,
  hub          text not null,             -- the node that carries the call, or did
  flow         text not null,
  version      int not null,
  node         text not null,             -- of the flow: the one that waits
  agent        text not null default '',
  since        timestamptz not null,      -- when the rep began to talk
  asked_at     timestamptz not null,
  due_at       timestamptz not null,
  default_code text not null,
  run          jsonb not null,            -- the walk as it waits
  state        text not null default 'open' check (state in ('open', 'set', 'timed_out')),
  said         jsonb,                     -- the answer
  gone_on      boolean not null default false
);
create index disposition_asks_open on disposition_asks (call_id) where state = 'open';
