-- The ledger: calls and what happened to them, in order.

create table nodes (
  id           text primary key,
  started_at   timestamptz not null,
  heartbeat_at timestamptz not null
);

create table calls (
  id           text primary key,
  node         text not null,
  trunk        text not null default '',
  agent        text not null default '',   -- the rep who placed it, if one did
  from_number  text not null default '',
  from_name    text not null default '',
  to_number    text not null default '',
  flow         text not null default '',
  flow_version int  not null default 0,
  started_at   timestamptz not null,
  answered_at  timestamptz,                -- by the system
  connected_at timestamptz,                -- first human conversation
  ended_at     timestamptz,
  answered_by  text not null default '',   -- the first rep who talked to the caller
  outcome      text not null default '',
  cause        text not null default '',
  talk_ms      bigint not null default 0,
  run          jsonb not null default '{}', -- the walk through the flow, for replay
  legs         jsonb not null default '[]', -- how the audio of each leg was
  last_seq     int not null default 0
);
create index calls_by_start on calls (started_at desc, id);
create index calls_live on calls (node) where ended_at is null;

create table call_events (
  id       bigint generated always as identity,
  call_id  text not null,                  -- of calls: who notes has just updated its row, which is all that a reference would ask for
  seq      int  not null,
  at       timestamptz not null,
  type     text not null,
  leg      text not null default '',
  park     text not null default '',
  lot      text not null default '',
  slot     text not null default '',
  queue    text not null default '',
  actor    jsonb not null default '{}',
  age_ms   bigint not null default 0,
  flow     text not null default '',
  version  int  not null default 0,
  node     text not null default '',
  cause    text not null default '',
  data     jsonb not null default '{}',
  tx       xid8 not null default pg_current_xact_id(), -- readers wait for older transactions, so that no row is overlooked
  primary key (call_id, seq)
);
create unique index call_events_by_id on call_events (id);
create index call_events_by_tx on call_events (tx, id);
create index call_events_by_time on call_events using brin (at);
create index call_events_parks on call_events (at) where type like 'park.%';

-- note appends one fact to a call's ledger. The call's row is locked until the
-- transaction ends, which is what keeps seq free of gaps. When it was first
-- answered, and who first talked, is kept in the row too, for the live list and
-- for calls whose node dies. Facts about a call that is not known are dropped:
-- there is nobody to tell them of.
create function note(the_call text, happened timestamptz, kind text, e jsonb) returns int
language plpgsql as $$ -- plpgsql, not sql: it keeps its plans, which halves what a fact costs
declare n int;
begin
  update calls set
    last_seq = last_seq + 1,
    answered_at = coalesce(answered_at, case when kind in ('call.answered', 'call.connected') then happened end),
    connected_at = coalesce(connected_at, case when kind = 'call.connected' then happened end),
    answered_by = case when connected_at is null and kind = 'call.connected' then coalesce(e->'actor'->>'user', '') else answered_by end
  where id = the_call
  returning last_seq into n;
  if not found then
    return null;
  end if;
  insert into call_events (call_id, seq, at, type, leg, park, lot, slot, queue, actor, age_ms, flow, version, node, cause, data)
  values (the_call, n, happened, kind,
          coalesce(e->>'leg', ''), coalesce(e->>'park', ''), coalesce(e->>'lot', ''), coalesce(e->>'slot', ''),
          coalesce(e->>'queue', ''), coalesce(e->'actor', '{}'), coalesce((e->>'age_ms')::bigint, 0),
          coalesce(e->>'flow', ''), coalesce((e->>'version')::int, 0), coalesce(e->>'node', ''),
          coalesce(e->>'cause', ''), coalesce(e->'data', '{}'));
  return n;
end
$$;

-- note_all appends the facts of many calls: of each call, in the order of their
-- ids, how many there are and what note would keep of them in its row; of each fact
-- the columns. A node writes the facts of all its calls together. The calls are
-- updated in a loop and not by a join, because it is planned once for any number
-- of them, and locks them in the order that everybody does who locks several.
create function note_all(
  ids text[], counts int[], answered timestamptz[], connected timestamptz[], who text[],
  calls_of text[], happened timestamptz[], kinds text[], legs text[], parks text[], lots text[], slots text[], queues text[],
  actors jsonb[], ages bigint[], flows text[], versions int[], nodes text[], causes text[], details jsonb[]) returns void
language plpgsql as $$
declare
  seqs int[] := '{}'; -- of each fact; null when its call is not known
  base int;
  n int := 0;
begin
  for i in 1 .. cardinality(ids) loop
    update calls set
      last_seq = last_seq + counts[i],
      answered_at = coalesce(answered_at, answered[i]),
      connected_at = coalesce(connected_at, connected[i]),
      answered_by = case when connected_at is null and connected[i] is not null then who[i] else answered_by end
    where id = ids[i]
    returning last_seq - counts[i] into base;
    for k in 1 .. counts[i] loop
      n := n + 1;
      seqs[n] := base + k;
    end loop;
  end loop;
  insert into call_events (call_id, seq, at, type, leg, park, lot, slot, queue, actor, age_ms, flow, version, node, cause, data)
  select f.* from unnest(calls_of, seqs, happened, kinds, legs, parks, lots, slots, queues, actors, ages, flows, versions, nodes, causes, details)
    as f (call_id, seq, at, type, leg, park, lot, slot, queue, actor, age_ms, flow, version, node, cause, data)
  where f.seq is not null;
end
$$;

-- A call's row is updated with every fact; room on its page keeps the indexes out of it.
alter table calls set (fillfactor = 70);

-- The job queue's rows live for seconds: by default it would be vacuumed long
-- after its index is full of the dead.
alter table river_job set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
