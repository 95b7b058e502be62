-- Call flows and their versions, our numbers, and the carriers' trunks.

create table flows (
  id         text primary key,
  name       text not null unique,
  draft      json not null,               -- json, not jsonb: as it was written, keys in their order
  draft_etag int  not null default 1,     -- grows with every save
  live       int                          -- the version that new calls run; null until published
);

create table flow_versions (
  flow         text not null references flows (name) on delete cascade,
  n            int  not null,
  doc          json not null,
  message      text not null default '',
  author       text not null default '',
  published_at timestamptz not null,
  restored     int  not null default 0,   -- the version it is a copy of, when somebody went back
  primary key (flow, n)
);
alter table flows add foreign key (name, live) references flow_versions (flow, n) deferrable initially deferred;

-- A call keeps the version it began with to its end, and the ledger names it
-- for ever: what was published does not change.
create function flow_version_stays() returns trigger language plpgsql as $$
begin
  raise exception 'version % of flow % is published and cannot be changed', old.n, old.flow
    using errcode = 'integrity_constraint_violation';
end
$$;
create trigger flow_versions_stay before update on flow_versions
  for each row execute function flow_version_stays();

create table numbers (
  id     text primary key,
  number text not null unique,            -- E.164, or as dialled within
  flow   text references flows (name),    -- null: no calls are taken
  label  text not null default ''
);
create index numbers_by_flow on numbers (flow);

create table trunks (
  id              text primary key,
  name            text not null unique,
  sources         text[] not null default '{}',  -- CIDRs
  host            text not null default '',
  hosts           jsonb not null default '[]',   -- [{host, priority, weight}]
  domain          text not null default '',
  transport       text not null default 'udp',
  srtp            text not null default 'off',
  username        text not null default '',
  password        text not null default '',      -- a client's digest needs it for whatever realm it is asked for
  auth_inbound    boolean not null default false,
  register        boolean not null default false,
  registrar       text not null default '',
  register_s      int not null default 0,
  codecs          text[] not null default '{}',
  max_calls       int not null default 0,
  calls_per_s     double precision not null default 0,
  priority        int not null default 0,
  prefixes        text[] not null default '{}',  -- "for" of the document
  try_s           double precision not null default 0,
  qualify_s       int not null default 0,
  trust           text[] not null default '{}',
  send            text[] not null default '{}',
  show            text not null default 'caller',
  caller_number   text not null default '',
  number_format   text not null default '',
  country         text not null default '',
  national_prefix text not null default ''
);
