-- +goose Up
create table footprints (
    sha256          text    not null,
    engine          text    not null,
    device          text    not null,
    context_length  integer not null,
    parallel        integer not null,
    batch           integer not null,
    embedding       integer not null,
    model           text    not null,
    predicted_bytes integer not null check (predicted_bytes >= 0),
    observed_bytes  integer not null check (observed_bytes >= 0),
    factor          real    not null check (factor > 0),
    samples         integer not null check (samples > 0),
    updated_us      integer not null,
    primary key (sha256, engine, device, context_length, parallel, batch, embedding)
) strict, without rowid;

create index footprints_latest on footprints (sha256, engine, device, updated_us);

-- +goose Down
drop table footprints;
