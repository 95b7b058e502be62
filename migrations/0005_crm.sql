-- The built-in address book, and what is on its way to CRMs.

create table contacts (
  id         text primary key,
  name       text not null default '',
  company    text not null default '',
  owner      text not null default '',      -- agent name
  fields     jsonb not null default '{}',
  tags       text[] not null default '{}',
  updated_at timestamptz not null
);

-- The phone index: a row per number, so that each of a person's numbers finds them.
create table contact_numbers (
  number   text not null,                   -- E.164
  contact  text not null references contacts (id) on delete cascade,
  position int  not null,
  primary key (number, contact)
);
create index contact_numbers_of on contact_numbers (contact, position);

create table contact_activities (
  key      text primary key,                -- the call's id: never two for a call
  rev      int  not null,
  activity jsonb not null
);

create table crm_outbox (
  id         bigint generated always as identity primary key,
  provider   text not null,
  key        text not null,
  rev        int  not null,
  activity   jsonb not null,
  state      text not null default 'pending' check (state in ('pending', 'done', 'dead')),
  ref        jsonb,
  attempts   int  not null default 0,
  last_error text not null default '',
  tried_at   timestamptz,                   -- the last attempt
  unique (provider, key, rev)
);
create index crm_outbox_open on crm_outbox (id) where state <> 'done';
