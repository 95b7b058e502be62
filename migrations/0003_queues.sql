-- Queues, agents and their phones, who waits, and who is being asked.

create table queues (
  id          text primary key,
  name        text not null unique,
  strategy    text not null,
  ring_ms     bigint not null,
  retry_ms    bigint not null,
  wrap_up_ms  bigint not null,
  max_wait_ms bigint not null,
  target_ms   bigint not null,
  max_len     int not null default 0,
  music       text not null default '',
  round       bigint not null default 0   -- grows with each decision, see queues.Distribute
);

create table agents (
  id           text primary key,
  name         text not null unique,
  display      text not null default '',
  extension    text not null default '',
  teams        text[] not null default '{}',
  skills       text[] not null default '{}',
  ha1_md5      text not null default '',
  ha1_sha256   text not null default '',
  srtp         text not null default '',  -- '' is the node's
  status       text not null,
  status_since timestamptz,
  reason       text not null default '',
  state        text not null default 'idle',
  since        timestamptz,
  idle_since   timestamptz,
  call_id      text not null default '',
  misses       int not null default 0
);
create index agents_busy on agents (call_id) where call_id <> '';

create table queue_agents (
  queue    text not null references queues (name) on delete cascade,
  agent    text not null references agents (name) on delete cascade,
  tier     int not null default 0,
  position int not null default 0,
  primary key (queue, agent)
);
create index queue_agents_by_agent on queue_agents (agent);

create table entries (
  call_id     text not null,
  queue       text not null references queues (name),
  node        text not null,
  park        text not null default '',
  from_number text not null default '',
  from_name   text not null default '',
  priority    int not null default 0,
  joined_at   timestamptz not null,
  tried       text[] not null default '{}',
  next_at     timestamptz,
  owner       text not null default '',
  primary key (call_id, queue)
);
create index entries_in_line on entries (queue, priority desc, joined_at);

create table offers (
  id        text primary key,
  call_id   text not null,
  node      text not null,
  queue     text not null default '',
  made_at   timestamptz not null,
  until     timestamptz not null,
  joined_at timestamptz                   -- of the entry
);
create index offers_by_call on offers (call_id);

create table offer_agents (
  offer    text not null references offers (id) on delete cascade,
  agent    text not null references agents (name) on delete cascade,
  position int not null,
  primary key (offer, agent)
);
create unique index offer_agents_once on offer_agents (agent); -- an agent is in at most one offer

create table devices (
  agent      text not null references agents (name) on delete cascade,
  contact    text not null,
  instance   text not null default '',
  transport  text not null default '',
  source     text not null default '',
  local      text not null default '',
  path       text[] not null default '{}', -- RFC 3327
  user_agent text not null default '',
  call_id    text not null default '',    -- of the REGISTER, with its CSeq
  cseq       bigint not null default 0,
  node       text not null default '',
  expires_at timestamptz not null,
  primary key (agent, contact)
);
