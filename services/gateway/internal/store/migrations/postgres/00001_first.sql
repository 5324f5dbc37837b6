-- +goose Up
create table principals (
    name                text collate "C" not null primary key,
    kind                text             not null,
    groups              jsonb            not null,
    disabled            smallint         not null check (disabled in (0, 1)),
    requests_per_minute integer          not null,
    create_time         bigint           not null,
    update_time         bigint           not null
);

create table tokens (
    id             text collate "C" not null primary key,
    principal      text collate "C" not null references principals (name),
    hash           bytea            not null unique check (length(hash) = 32),
    comment        text             not null,
    scopes         jsonb            not null,
    creator        text             not null,
    create_time    bigint           not null,
    expire_time    bigint           not null,
    revoke_time    bigint           not null,
    last_used_time bigint           not null
);
create index tokens_by_time on tokens (create_time desc, id desc) where revoke_time = 0;
create index tokens_by_principal on tokens (principal, create_time desc, id desc) where revoke_time = 0;

create table providers (
    name        text collate "C" not null primary key,
    base_url    text             not null,
    key_hint    text             not null,
    sealed      bytea,
    create_time bigint           not null,
    update_time bigint           not null
);

create table keysets (
    name        text collate "C" not null primary key,
    revision    bigint           not null,
    sealed      bytea            not null,
    rotate_time bigint           not null
);

-- +goose Down
drop table keysets;
drop table providers;
drop table tokens;
drop table principals;
