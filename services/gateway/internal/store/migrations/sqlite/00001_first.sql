-- +goose Up
create table principals (
    name                text    not null primary key,
    kind                text    not null,
    groups              text    not null check (json_valid(groups)),
    disabled            integer not null check (disabled in (0, 1)),
    requests_per_minute integer not null,
    create_time         integer not null,
    update_time         integer not null
) strict;

create table tokens (
    id             text    not null primary key,
    principal      text    not null references principals (name),
    hash           blob    not null unique check (length(hash) = 32),
    comment        text    not null,
    scopes         text    not null check (json_valid(scopes)),
    creator        text    not null,
    create_time    integer not null,
    expire_time    integer not null,
    revoke_time    integer not null,
    last_used_time integer not null
) strict;
create index tokens_by_time on tokens (create_time desc, id desc) where revoke_time = 0;
create index tokens_by_principal on tokens (principal, create_time desc, id desc) where revoke_time = 0;

create table providers (
    name        text    not null primary key,
    base_url    text    not null,
    key_hint    text    not null,
    sealed      blob,
    create_time integer not null,
    update_time integer not null
) strict;

create table keysets (
    name        text    not null primary key,
    revision    integer not null,
    sealed      blob    not null,
    rotate_time integer not null
) strict;

-- +goose Down
drop table keysets;
drop table providers;
drop table tokens;
drop table principals;
