-- Calendars that flows share.

create table calendars (
  name     text primary key,
  revision int  not null,           -- grows with every change
  doc      json not null
);

-- A call looks at the revisions that it began with, and can be led through them
-- again later. So they stay, also when the calendar is deleted; one that is made again
-- goes on counting.
create table calendar_revisions (
  calendar text not null,
  n        int  not null,
  doc      json not null,
  saved_at timestamptz not null,
  primary key (calendar, n)
);
create function calendar_revision_stays() returns trigger language plpgsql as $$
begin
  raise exception 'revision % of calendar % cannot be changed', old.n, old.calendar
    using errcode = 'integrity_constraint_violation';
end
$$;
create trigger calendar_revisions_stay before update on calendar_revisions
  for each row execute function calendar_revision_stays();

create trigger audited after insert or update or delete on calendars for each row execute function audit_row('calendar', 'name');
