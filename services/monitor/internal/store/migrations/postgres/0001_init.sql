-- +goose Up
-- How far each request log was acknowledged. See SourceStore.
create table ingest_source (
  source_id     text collate "C" not null,
  epoch         bigint not null,
  acked_seq     bigint not null,
  table_version bigint not null,
  row_count     bigint not null,
  duplicates    bigint not null,
  gaps          bigint not null,
  sanitised     bigint not null,
  first_seen    bigint not null, -- microseconds UTC
  last_seen     bigint not null, -- microseconds UTC
  primary key (source_id, epoch)
);
