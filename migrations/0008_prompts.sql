-- Prompts and music that people uploaded or had spoken. Every node has them all
-- in memory, encoded for the codecs it speaks.

create table prompts (
  name       text primary key,
  wav        bytea not null,               -- 16 kHz, one channel, levelled
  hash       text not null,                -- of wav: nodes read it anew only when it changed
  text       text not null default '',     -- what was spoken; empty for a recording
  lang       text not null default '',
  length_ms  int  not null,
  saved_at   timestamptz not null
);
-- Sound does not compress; looking for that costs more than it saves.
alter table prompts alter column wav set storage external;
