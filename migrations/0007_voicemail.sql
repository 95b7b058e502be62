-- Messages that callers left. The sound itself is a file of the node that took it.

create table voicemails (
  id          text primary key,
  box         text not null,
  call_id     text not null,
  node        text not null,               -- whose data folder has the file
  from_number text not null default '',
  from_name   text not null default '',
  file        text not null,               -- below the folder of messages
  length_ms   bigint not null,
  left_at     timestamptz not null,
  heard_at    timestamptz,                 -- null: new
  heard_by    text not null default '',
  check (box <> '')
);
create index voicemails_by_box on voicemails (box, id desc);
