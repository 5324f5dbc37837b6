-- +goose Up

-- The same tables as for PostgreSQL; the remarks there hold here. Text compares by bytes (BINARY is the default), and
-- STRICT tables refuse a value of another type than the column's, booleans being integers.

create table securable (
    id             text primary key,
    parent_id      text references securable (id),
    type           text not null check (type in ('metastore', 'catalog', 'schema', 'model', 'prompt', 'endpoint')),
    full_name      text not null,
    comment        text not null,
    owner          text not null,
    latest_version integer not null default 0,
    create_time    integer not null,
    update_time    integer not null,
    check ((type = 'metastore') = (parent_id is null)),
    unique (type, full_name)
) strict;
create index securable_children on securable (parent_id, type, full_name);

insert into securable (id, parent_id, type, full_name, comment, owner, create_time, update_time)
values ('metastore', null, 'metastore', '', '', 'admins', 0, 0);

create table grants (
    securable_id text not null references securable (id) on delete cascade,
    principal    text not null,
    privilege    text not null,
    grantor      text not null,
    create_time  integer not null,
    primary key (securable_id, principal, privilege)
) strict;

create table tag (
    securable_id text not null references securable (id) on delete cascade,
    version      integer not null,
    key          text not null,
    value        text not null,
    primary key (securable_id, version, key)
) strict;

create table alias (
    line_id text not null references securable (id) on delete cascade,
    alias   text not null,
    version integer not null,
    primary key (line_id, alias)
) strict;

create table model_version (
    model_id       text not null references securable (id) on delete cascade,
    version        integer not null check (version > 0),
    status         text not null check (status in ('PENDING_UPLOAD', 'READY', 'FAILED', 'ARCHIVED')),
    status_message text not null,
    format         text not null,
    comment        text not null,
    source         text not null,
    properties     text not null check (json_valid(properties)),
    creator        text not null,
    create_time    integer not null,
    update_time    integer not null,
    primary key (model_id, version)
) strict;

create table blob (
    sha256     text primary key,
    size_bytes integer not null,
    condemned  integer not null check (condemned in (0, 1)),
    touch_time integer not null
) strict;
create index blob_age on blob (touch_time);

create table model_file (
    model_id   text not null,
    version    integer not null,
    path       text not null,
    size_bytes integer not null,
    sha256     text not null references blob (sha256),
    primary key (model_id, version, path),
    foreign key (model_id, version) references model_version (model_id, version) on delete cascade
) strict;
create index model_file_content on model_file (sha256);

create table prompt_version (
    prompt_id   text not null references securable (id) on delete cascade,
    version     integer not null check (version > 0),
    template    text,
    messages    text check (messages is null or json_valid(messages)),
    syntax      text not null,
    variables   text not null check (json_valid(variables)),
    parameters  text not null check (json_valid(parameters)),
    comment     text not null,
    digest      text not null,
    creator     text not null,
    create_time integer not null,
    primary key (prompt_id, version),
    check ((template is null) <> (messages is null))
) strict;

create table edge (
    upstream    text not null,
    downstream  text not null,
    relation    text not null,
    creator     text not null,
    create_time integer not null,
    primary key (upstream, downstream, relation)
) strict;
create index edge_downstream on edge (downstream);

create table head (
    id       integer primary key check (id = 1),
    position integer not null
) strict;
insert into head (id, position) values (1, 0);

create table event (
    position  integer primary key,
    kind      text not null,
    entity    text not null,
    type      text not null,
    full_name text not null,
    version   integer not null,
    alias     text not null,
    actor     text not null,
    time      integer not null
) strict;

-- +goose StatementBegin
create trigger model_version_keep before delete on model_version
when old.status <> 'PENDING_UPLOAD' and exists (select 1 from securable where id = old.model_id)
begin
    select raise(abort, 'a version is immutable');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger model_version_guard before update on model_version
when (new.model_id, new.version, new.format, new.comment, new.source, new.creator, new.create_time)
         is not (old.model_id, old.version, old.format, old.comment, old.source, old.creator, old.create_time)
     or old.status <> 'PENDING_UPLOAD' and (new.properties, new.status_message) is not (old.properties, old.status_message)
     or new.status <> old.status
        and not (old.status = 'PENDING_UPLOAD' and new.status in ('READY', 'FAILED') or old.status = 'READY' and new.status = 'ARCHIVED')
begin
    select raise(abort, 'a version is immutable');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger model_file_insert before insert on model_file
when exists (select 1 from model_version v where v.model_id = new.model_id and v.version = new.version and v.status <> 'PENDING_UPLOAD')
begin
    select raise(abort, 'the files of a version are immutable');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger model_file_update before update on model_file
when exists (select 1 from model_version v where v.model_id = old.model_id and v.version = old.version and v.status <> 'PENDING_UPLOAD')
begin
    select raise(abort, 'the files of a version are immutable');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger model_file_delete before delete on model_file
when exists (select 1 from model_version v where v.model_id = old.model_id and v.version = old.version and v.status <> 'PENDING_UPLOAD')
begin
    select raise(abort, 'the files of a version are immutable');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger prompt_version_update before update on prompt_version
begin
    select raise(abort, 'a prompt version is immutable');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger prompt_version_delete before delete on prompt_version
when exists (select 1 from securable where id = old.prompt_id)
begin
    select raise(abort, 'a prompt version is immutable');
end;
-- +goose StatementEnd

-- +goose Down
drop table prompt_version;
drop table model_file;
drop table model_version;
drop table blob;
drop table alias;
drop table tag;
drop table grants;
drop table securable;
drop table edge;
drop table event;
drop table head;
