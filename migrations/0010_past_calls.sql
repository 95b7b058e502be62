-- Dry runs read the past calls of one flow, in order of time.
create index calls_by_flow on calls (flow, started_at, id);
