-- Who talked with a caller last: the dial target "sticky".
create index calls_by_caller on calls (from_number, started_at desc) where answered_by <> '';
create index calls_by_callee on calls (to_number, started_at desc) where agent <> '' and connected_at is not null;
