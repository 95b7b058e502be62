-- Keys of the REST API, and what was answered to requests that may be repeated.

create table api_keys (
  id         text primary key,
  name       text not null,
  hash       bytea not null unique,        -- SHA-256 of the key; the key itself is not kept
  last4      text not null,
  scopes     text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,                  -- null: never
  used_at    timestamptz,                  -- to the minute
  revoked_at timestamptz
);

create table idempotency_keys (
  api_key  text  not null,                 -- whose it is: two clients may choose the same
  key      text  not null,
  request  bytea not null,                 -- SHA-256 of method, path and body
  begun_at timestamptz not null,
  status   int   not null default 0,       -- 0: still running
  headers  jsonb not null default '{}',
  body     bytea not null default '',
  primary key (api_key, key)
);
create index idempotency_keys_by_age on idempotency_keys (begun_at);
