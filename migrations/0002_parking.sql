-- Lots, their slots, and the calls parked in them.

create table lots (
  name         text primary key,
  id           text not null unique,
  extension    text not null default '',
  first_slot   int  not null,
  last_slot    int  not null,
  music        text not null default '',
  max_park_ms  bigint not null,
  claim_ms     bigint not null,
  cool_down_ms bigint not null,            -- 0: off
  bounce_ms    bigint not null,            -- 0: off
  reserve_ms   bigint not null,
  ladder       jsonb  not null,
  on_expired   text   not null,
  check (name <> '' and first_slot >= 1 and last_slot >= first_slot and max_park_ms > 0)
);

-- A row per slot, so that two who look for a free one do not wait for each
-- other (for update skip locked). What is true is said by parks.
create table slots (
  lot      text not null references lots (name),
  slot     int  not null,
  park     text,                           -- who is in it
  freed_at timestamptz,                    -- when it was last left
  held       text,                         -- the reservation that keeps others out, until held_until
  held_until timestamptz,
  held_doc   jsonb,                        -- what it says
  primary key (lot, slot)
) with (fillfactor = 50);

create table parks (
  id          text primary key,
  call_id     text not null references calls (id) on delete cascade,
  node        text not null,
  lot         text not null,               -- the name it had; the lot may be gone
  slot        int  not null,
  parker      text not null,
  via         text not null,
  from_number text not null,
  from_name   text not null,
  note        text not null,
  owner       text not null,
  state       text not null check (state in ('parked', 'claimed', 'ended')),
  parked_at   timestamptz not null,
  deadline    timestamptz not null,
  ladder      jsonb not null,
  next        int   not null,
  next_at     timestamptz not null,
  job_id      bigint not null,             -- river_job of the next step; 0 when the last has begun
  epoch       int   not null default 0,
  claimed_by  jsonb not null default '{}',
  claimed_at  timestamptz,
  claim_until timestamptz,
  reason      text  not null default '',
  ended_by    jsonb not null default '{}',
  ended_at    timestamptz,
  check ((state = 'ended') = (ended_at is not null)),
  check ((state = 'ended') = (reason <> '')),
  check (state <> 'claimed' or claim_until is not null)
) with (fillfactor = 70);

-- One call per slot, one slot per call.
create unique index parks_one_per_slot on parks (lot, slot) where ended_at is null;
create unique index parks_one_per_call on parks (call_id) where ended_at is null;
create index parks_of_slot on parks (lot, slot, ended_at desc);
create index parks_of_call on parks (call_id);
create index parks_by_time on parks (parked_at);
