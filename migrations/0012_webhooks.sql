-- Webhooks: which facts go to which addresses, and what is on its way there.

create table webhooks (
  id            text primary key,
  url           text not null,
  description   text not null default '',
  events        text[] not null,              -- types of facts and families: call.ended, park.*, *
  enabled       boolean not null,
  disabled      text not null default '',     -- why the hub did it; '' if a person did
  disabled_at   timestamptz,
  failing_since timestamptz,                  -- the first failure since the last success
  begun         pg_snapshot not null,         -- facts that could be seen when it was enabled are not sent
  secret        text not null,                -- signs, and so must be readable
  old_secret    text not null default '',     -- signs too until old_until
  old_until     timestamptz,
  created_at    timestamptz not null,
  updated_at    timestamptz not null
);

-- How far the ledger has been turned into deliveries: one line, which whoever does
-- it locks, so that of many nodes one does and what it did counts wholly or not at all.
create table webhook_cursor (
  one bool primary key default true check (one),
  tx  xid8   not null default '0',
  id  bigint not null default 0
);
insert into webhook_cursor default values;

create table webhook_deliveries (
  id         text primary key,                -- sorts by time
  webhook    text not null references webhooks (id) on delete cascade,
  message    text not null,                   -- the webhook-id header
  event      text not null,
  call_id    text not null default '',
  body       bytea not null,                  -- not jsonb: signed and sent as it is
  state      text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
  tries      int  not null default 0,         -- since it was made, or sent again
  attempts   jsonb not null default '[]',
  created_at timestamptz not null,
  next_at    timestamptz,
  unique (webhook, message)                   -- a fact goes to a webhook once
);
create index webhook_deliveries_of on webhook_deliveries (webhook, id desc);
create index webhook_deliveries_open on webhook_deliveries (id) where state <> 'delivered';
