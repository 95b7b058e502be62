-- Who may take a parked call unasked, if not everybody: names of agents.
alter table parks add column takers text[] not null default '{}';
