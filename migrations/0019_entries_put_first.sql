-- When somebody put a waiting call before all others in its queue.
alter table entries add column first_at timestamptz;
