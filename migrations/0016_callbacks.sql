-- Callers who are owed a call.

create table callbacks (
  id          text primary key,
  call_id     text not null,              -- in which it was asked for
  number      text not null check (number <> ''),
  name        text not null default '',
  to_number   text not null default '',
  queue       text not null default '',
  owner       text not null default '',
  priority    int not null default 0,
  joined_at   timestamptz,                -- the place in line that is kept; null: a new one
  first       text not null,
  tries       int not null,
  retry_ms    bigint not null,
  until       timestamptz not null,
  flow        text not null default '',
  version     int not null default 0,
  subflows    jsonb,                      -- the versions of the flows that it calls, by name
  node        text not null default '',   -- of the flow
  made_at     timestamptz not null,
  due_at      timestamptz not null,
  state       text not null default 'waiting' check (state in ('waiting', 'calling', 'done', 'failed', 'cancelled')),
  begun       int not null default 0,
  tried       int not null default 0,
  hub         text not null default '',   -- the node that carries the attempt out
  last_call   text not null default '',
  result      text not null default '',
  ended_at    timestamptz
);
create unique index callbacks_one_open on callbacks (number) where state in ('waiting', 'calling');
