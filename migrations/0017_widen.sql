-- Who may be offered a waiting call, and from when on: see queues.Reach.
alter table entries add column reach jsonb;
