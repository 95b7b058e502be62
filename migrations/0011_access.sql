-- People, their sessions, and who changed what.

create table users (
  id            text primary key,
  name          text not null unique,       -- what they sign in with, in small letters
  display       text not null default '',
  email         text not null default '',
  role          text not null check (role in ('rep', 'manager', 'admin')),
  agent         text unique references agents (name) on update cascade on delete set null, -- who they are when they take calls
  password      text not null default '',   -- $argon2id$v=19$m=…,t=…,p=…$salt$hash; empty: nobody can sign in
  disabled      boolean not null default false,
  created_at    timestamptz not null,
  last_login_at timestamptz,
  check (name <> '')
);

create table sessions (
  id         text primary key,
  hash       bytea not null unique,         -- SHA-256 of what is in the cookie
  user_id    text not null references users (id) on delete cascade,
  created_at timestamptz not null,
  used_at    timestamptz not null,          -- to the minute
  expires_at timestamptz not null,          -- at the latest
  ip         text not null default '',
  browser    text not null default ''
);
create index sessions_of on sessions (user_id);
create index sessions_by_end on sessions (expires_at);

-- Links that open once: the first admin's, and those by which somebody sets a password.
create table links (
  hash       bytea primary key,             -- SHA-256 of the token
  user_id    text references users (id) on delete cascade, -- null: makes an admin
  made_at    timestamptz not null,
  expires_at timestamptz not null
);

-- The audit log: who changed what. It only grows.

create table audit_events (
  n          bigint generated always as identity primary key,
  at         timestamptz not null,
  kind       text not null,                 -- key, user, setup, system, database
  actor      text not null default '',      -- id
  actor_name text not null default '',
  action     text not null,
  object     text not null,
  name       text not null,
  before     jsonb,                         -- of a change, what changed; of what was deleted, all
  after      jsonb,
  ip         text not null default '',
  request_id text not null default '',
  node       text not null default ''
);
create index audit_events_of on audit_events (object, name, n);
create index audit_events_by on audit_events (actor, n);
create index audit_events_by_time on audit_events using brin (at);

create function audit_stays() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log only grows' using errcode = 'integrity_constraint_violation';
end
$$;
create trigger audit_events_stay before update or delete on audit_events for each row execute function audit_stays();
create trigger audit_events_stay_whole before truncate on audit_events for each statement execute function audit_stays();

-- audit writes a line. The hub says who is at work, and what time it is, in a
-- setting of the transaction; what is changed past the hub is the database
-- account's doing.
create function audit(what text, object text, name text, before jsonb, after jsonb) returns void
language plpgsql as $$
declare who jsonb := nullif(current_setting('callyard.author', true), '');
begin
  if who is null then
    who := jsonb_build_object('kind', 'database', 'name', session_user);
  end if;
  insert into audit_events (at, kind, actor, actor_name, action, object, name, before, after, ip, request_id, node)
  values (coalesce((who->>'at')::timestamptz, clock_timestamp()), who->>'kind', coalesce(who->>'id', ''), coalesce(who->>'name', ''),
          what, object, name, before, after, coalesce(who->>'ip', ''), coalesce(who->>'request_id', ''), coalesce(who->>'node', ''));
end
$$;

-- audit_change writes a line of a row that was made, changed or deleted; of a
-- change, only what changed. A change of nothing is none.
create function audit_change(what text, object text, name text, was jsonb, becomes jsonb) returns void
language plpgsql as $$
declare k text;
begin
  if was is not null and becomes is not null then
    for k in select jsonb_object_keys(becomes) loop
      if was -> k = becomes -> k then
        was := was - k;
        becomes := becomes - k;
      end if;
    end loop;
    if becomes = '{}' then
      return;
    end if;
  end if;
  perform audit(coalesce(what, case when was is null then 'created' when becomes is null then 'deleted' else 'changed' end), object, name, was, becomes);
end
$$;

-- audit_row is the trigger of tables that are configuration. Its arguments: what
-- a row is called, the column with its name, and columns that need care: -column
-- is not told of, *column is a secret of which only that it changed is told.
create function audit_row() returns trigger language plpgsql as $$
declare
  was jsonb;
  becomes jsonb;
  the_name text;
  k text;
begin
  if tg_op <> 'INSERT' then was := to_jsonb(old); end if;
  if tg_op <> 'DELETE' then becomes := to_jsonb(new); end if;
  the_name := coalesce(becomes, was) ->> tg_argv[1];
  for i in 2 .. tg_nargs - 1 loop
    k := substr(tg_argv[i], 2);
    if tg_argv[i] like '-%' or coalesce(was ->> k, '') = '' and coalesce(becomes ->> k, '') = '' then
      was := was - k;
      becomes := becomes - k;
    elsif was ->> k = becomes ->> k then -- as it was
      was := was - k;
      becomes := becomes - k;
    else
      if was ->> k <> '' then was := jsonb_set(was, array[k], '"(secret)"'); end if;
      if becomes ->> k <> '' then becomes := jsonb_set(becomes, array[k], case when was ->> k <> '' then '"(another secret)"' else '"(secret)"' end::jsonb); end if;
    end if;
  end loop;
  perform audit_change(null, tg_argv[0], the_name, was, becomes);
  return null;
end
$$;

-- Flows: documents stay in the versions, of which the log tells the numbers.
create function audit_version() returns trigger language plpgsql as $$
begin
  perform audit(case when new.restored > 0 then 'rolled_back' else 'published' end, 'flow', new.flow,
    (select jsonb_build_object('version', live) from flows where name = new.flow and live is not null),
    jsonb_build_object('version', new.n, 'message', new.message) || case when new.restored > 0 then jsonb_build_object('restored', new.restored) else '{}' end);
  return null;
end
$$;
create trigger audited after insert on flow_versions for each row execute function audit_version();

create function audit_flow() returns trigger language plpgsql as $$
declare
  was jsonb;
  becomes jsonb;
begin
  -- A draft may be JSON that jsonb does not take; it is not told of.
  if tg_op <> 'INSERT' then
    old.draft := '{}';
    was := to_jsonb(old) - 'draft';
  end if;
  if tg_op <> 'DELETE' then
    new.draft := '{}';
    becomes := to_jsonb(new) - 'draft';
  end if;
  if tg_op <> 'UPDATE' then
    perform audit_change(null, 'flow', coalesce(becomes, was) ->> 'name', was, becomes);
    return null;
  end if;
  -- That a version is live which is published in this transaction has been told.
  if old.live is distinct from new.live and exists (
    select from flow_versions v where v.flow = new.name and v.n = new.live and v.xmin = pg_current_xact_id()::xid
  ) then
    was := was - 'live';
    becomes := becomes - 'live';
  end if;
  perform audit_change(case when old.draft_etag <> new.draft_etag then 'draft_saved' end, 'flow', new.name, was, becomes);
  return null;
end
$$;
create trigger audited after insert or update or delete on flows for each row execute function audit_flow();

-- Who serves a queue is told as a change of the queue.
create function audit_member() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform audit('agent_added', 'queue', new.queue, null, to_jsonb(new) - 'queue');
  elsif tg_op = 'DELETE' then
    perform audit('agent_removed', 'queue', old.queue, to_jsonb(old) - 'queue', null);
  elsif old is distinct from new then
    perform audit('agent_changed', 'queue', new.queue, to_jsonb(old) - 'queue', to_jsonb(new) - 'queue');
  end if;
  return null;
end
$$;
create trigger audited after insert or update or delete on queue_agents for each row execute function audit_member();

create trigger audited after insert or update or delete on numbers for each row execute function audit_row('number', 'number');
create trigger audited after insert or update or delete on trunks for each row execute function audit_row('trunk', 'name', '*password');
create trigger audited after insert or update or delete on lots for each row execute function audit_row('lot', 'name');
create trigger audited after insert or update or delete on prompts for each row execute function audit_row('prompt', 'name', '-wav', '-saved_at');
-- What happens while calls are taken is no configuration: it does not come so far as a trigger.
create trigger audited after insert or delete on queues for each row execute function audit_row('queue', 'name', '-round');
create trigger audited_change after update on queues for each row when (old.round = new.round) execute function audit_row('queue', 'name', '-round');
create trigger audited after insert or delete or update of name, display, extension, teams, skills, srtp, ha1_md5, ha1_sha256
  on agents for each row execute function audit_row('agent', 'name', '*ha1_md5', '*ha1_sha256',
    '-status', '-status_since', '-reason', '-state', '-since', '-idle_since', '-call_id', '-misses');
create trigger audited after insert or delete or update of name, display, email, role, agent, password, disabled
  on users for each row execute function audit_row('user', 'name', '*password', '-last_login_at');
create trigger audited after insert or delete or update of name, scopes, expires_at, revoked_at
  on api_keys for each row execute function audit_row('key', 'id', '-hash', '-used_at');
