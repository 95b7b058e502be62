-- Canaries: a version that a part of a flow's callers run beside the stable one,
-- which is still flows.live. A release that does not know of them sends all callers
-- to that.

create table flow_canaries (
  id         bigint generated always as identity primary key,
  flow       text not null references flows (name) on delete cascade,
  stable     int  not null,               -- what it is compared with
  version    int  not null,
  percent    double precision not null check (percent >= 0 and percent <= 90),
  salt       text not null,               -- other callers than those of the canary before
  guard      jsonb not null default '{}', -- {abandon_rate, error_rate, min_calls, window_min}
  stages     jsonb not null,              -- [{at, percent}]: how it was ramped up
  began_at   timestamptz not null,
  author     text not null default '',
  verdict    jsonb not null default '{}', -- what the guard made of it last
  judged_at  timestamptz,
  ended_at   timestamptz,
  ending     text not null default '' check (ending in ('', 'promoted', 'aborted', 'rolled_back')),
  ended_by   text not null default '',
  foreign key (flow, stable) references flow_versions (flow, n),
  foreign key (flow, version) references flow_versions (flow, n),
  check (stable <> version),
  check ((ended_at is null) = (ending = ''))
);
create unique index flow_canaries_live on flow_canaries (flow) where ended_at is null;
create index flow_canaries_of on flow_canaries (flow, id desc);

-- The guard counts a flow's calls of the last hour, and of all its time those
-- that went wrong.
create index calls_lost on calls (flow, started_at) where outcome in ('abandoned', 'failed');

create trigger audited after insert or delete or update of percent, guard, ending on flow_canaries
  for each row execute function audit_row('canary', 'flow', '-id', '-salt', '-verdict', '-judged_at', '-stages');
