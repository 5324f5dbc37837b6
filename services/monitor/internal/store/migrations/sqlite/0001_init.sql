-- +goose Up
-- How far each request log was acknowledged. See SourceStore.
create table ingest_source (
  source_id     text    not null,
  epoch         integer not null,
  acked_seq     integer not null,
  table_version integer not null,
  row_count     integer not null,
  duplicates    integer not null,
  gaps          integer not null,
  sanitised     integer not null,
  first_seen    integer not null, -- microseconds UTC
  last_seen     integer not null, -- microseconds UTC
  primary key (source_id, epoch)
) strict, without rowid;
