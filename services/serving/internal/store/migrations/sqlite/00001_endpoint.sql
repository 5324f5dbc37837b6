-- +goose Up

-- Times are microseconds since 1970 UTC, booleans 0 or 1, JSON is text: it is never searched.

-- instances, the model copies an endpoint stands on, is a JSON array: they are never looked for one by one, and one row
-- read is one moment. unsettled is 1 while something is to be done, and is what the partial index finds.
create table endpoint (
    id               text primary key,
    name             text not null unique,
    description      text not null,
    owner            text not null,
    tags             text not null,
    config_update    text not null check (config_update in ('NOT_UPDATING', 'UPDATING', 'FAILED', 'CANCELED')),
    update_message   text not null,
    last_revision    integer not null,
    active_revision  integer not null,
    pending_revision integer not null,
    instances        text not null,
    follow_wanted    integer not null,
    follow_done      integer not null,
    registered       integer not null check (registered in (0, 1)),
    deleting         integer not null check (deleting in (0, 1)),
    unsettled        integer not null check (unsettled in (0, 1)),
    create_time      integer not null,
    update_time      integer not null,
    check ((config_update = 'UPDATING') = (pending_revision > 0)),
    check (deleting = 0 or active_revision = 0 and pending_revision = 0)
) strict;
create index endpoint_unsettled on endpoint (id) where unsettled = 1;

create table revision (
    endpoint_id text not null references endpoint (id) on delete cascade,
    number      integer not null check (number > 0),
    config      text not null,
    pins        text not null,
    states      text not null,
    lineage     integer not null check (lineage in (0, 1)),
    creator     text not null,
    create_time integer not null,
    primary key (endpoint_id, number)
) strict;

-- The references of a revision that follow an alias.
create table reference (
    endpoint_id text not null,
    number      integer not null,
    uri         text not null,
    primary key (endpoint_id, number, uri),
    foreign key (endpoint_id, number) references revision (endpoint_id, number) on delete cascade
) strict;
create index reference_uri on reference (uri);

-- Templates that revisions have pinned. They are small, shared by what they say, and kept for good.
create table template (
    digest text primary key,
    body   text not null
) strict;

create table route (
    endpoint_id text primary key references endpoint (id) on delete cascade,
    name        text not null,
    body        text not null
) strict;

create table route_table (
    id       integer primary key check (id = 1),
    revision integer not null
) strict;
insert into route_table (id, revision) values (1, 0);

create table gateway (
    id          text primary key,
    stream      text not null,
    replica     text not null,
    applied     integer not null,
    expire_time integer not null
) strict;

create table lease (
    endpoint_id text primary key references endpoint (id) on delete cascade,
    holder      text not null,
    expire_time integer not null
) strict;

-- One row per event stream that is followed.
create table follower (
    stream   text primary key,
    position integer not null
) strict;

-- +goose Down
drop table follower;
drop table lease;
drop table gateway;
drop table route_table;
drop table route;
drop table template;
drop table reference;
drop table revision;
drop table endpoint;
