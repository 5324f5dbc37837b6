-- +goose Up
create table footprints (
    sha256          text             collate "C" not null,
    engine          text             collate "C" not null,
    device          text             collate "C" not null,
    context_length  bigint           not null,
    parallel        bigint           not null,
    batch           bigint           not null,
    embedding       bigint           not null,
    model           text             collate "C" not null,
    predicted_bytes bigint           not null check (predicted_bytes >= 0),
    observed_bytes  bigint           not null check (observed_bytes >= 0),
    factor          double precision not null check (factor > 0),
    samples         bigint           not null check (samples > 0),
    updated_us      bigint           not null,
    primary key (sha256, engine, device, context_length, parallel, batch, embedding)
);

create index footprints_latest on footprints (sha256, engine, device, updated_us);

-- +goose Down
drop table footprints;
