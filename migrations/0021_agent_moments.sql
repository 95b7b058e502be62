-- What agents wanted and did, and since when: a row for each change. Being
-- reserved and being rung are one.
create table agent_moments (
  id      bigint generated always as identity primary key,
  agent   text not null,
  at      timestamptz not null,
  status  text not null,
  reason  text not null default '',
  state   text not null,
  call_id text not null default ''
);
create index agent_moments_of on agent_moments (agent, at desc, id desc);
create index agent_moments_at on agent_moments (at);

-- The times are the agents' own: facts have no other clock than that of whoever
-- brought them about. A reason alone may change without one; an agent who is only
-- now made may have none, and is as they are from now on.
create function agent_moment() returns trigger language plpgsql as $$
begin
  insert into agent_moments (agent, at, status, reason, state, call_id)
  values (new.name, coalesce(greatest(new.since, new.status_since), now()), new.status, new.reason, new.state, new.call_id);
  return null;
end $$;

create trigger moment after insert on agents for each row execute function agent_moment();
create trigger moment_again after update of status, reason, state, call_id on agents for each row
  when (old.status <> new.status or old.reason <> new.reason or old.call_id <> new.call_id
    or replace(old.state, 'ringing', 'reserved') <> replace(new.state, 'ringing', 'reserved'))
  execute function agent_moment();

insert into agent_moments (agent, at, status, reason, state, call_id)
select name, coalesce(greatest(since, status_since), now()), status, reason, state, call_id from agents;
