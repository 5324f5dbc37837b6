-- +goose Up

-- Text that is compared or ordered by has collate "C": bytes, as SQLite does it and as the contract says, whatever
-- collation the database was made with. Times are microseconds since 1970 UTC, booleans 0 or 1, JSON is text: it is never
-- searched.

-- instances, the model copies an endpoint stands on, is a JSON array: they are never looked for one by one, and one row
-- read is one moment. unsettled is 1 while something is to be done, and is what the partial index finds.
create table endpoint (
    id               text collate "C" primary key,
    name             text collate "C" not null unique,
    description      text not null,
    owner            text not null,
    tags             text not null,
    config_update    text not null check (config_update in ('NOT_UPDATING', 'UPDATING', 'FAILED', 'CANCELED')),
    update_message   text not null,
    last_revision    bigint not null,
    active_revision  bigint not null,
    pending_revision bigint not null,
    instances        text not null,
    follow_wanted    bigint not null,
    follow_done      bigint not null,
    registered       bigint not null check (registered in (0, 1)),
    deleting         bigint not null check (deleting in (0, 1)),
    unsettled        bigint not null check (unsettled in (0, 1)),
    create_time      bigint not null,
    update_time      bigint not null,
    check ((config_update = 'UPDATING') = (pending_revision > 0)),
    check (deleting = 0 or active_revision = 0 and pending_revision = 0)
);
create index endpoint_unsettled on endpoint (id) where unsettled = 1;

create table revision (
    endpoint_id text collate "C" not null references endpoint (id) on delete cascade,
    number      bigint not null check (number > 0),
    config      text not null,
    pins        text not null,
    states      text not null,
    lineage     bigint not null check (lineage in (0, 1)),
    creator     text not null,
    create_time bigint not null,
    primary key (endpoint_id, number)
);

-- The references of a revision that follow an alias.
create table reference (
    endpoint_id text collate "C" not null,
    number      bigint not null,
    uri         text collate "C" not null,
    primary key (endpoint_id, number, uri),
    foreign key (endpoint_id, number) references revision (endpoint_id, number) on delete cascade
);
create index reference_uri on reference (uri);

-- Templates that revisions have pinned. They are small, shared by what they say, and kept for good.
create table template (
    digest text collate "C" primary key,
    body   text not null
);

create table route (
    endpoint_id text collate "C" primary key references endpoint (id) on delete cascade,
    name        text collate "C" not null,
    body        text not null
);

create table route_table (
    id       bigint primary key check (id = 1),
    revision bigint not null
);
insert into route_table (id, revision) values (1, 0);

create table gateway (
    id          text collate "C" primary key,
    stream      text collate "C" not null,
    replica     text collate "C" not null,
    applied     bigint not null,
    expire_time bigint not null
);

create table lease (
    endpoint_id text collate "C" primary key references endpoint (id) on delete cascade,
    holder      text collate "C" not null,
    expire_time bigint not null
);

-- One row per event stream that is followed.
create table follower (
    stream   text collate "C" primary key,
    position bigint not null
);

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
