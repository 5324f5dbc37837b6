-- +goose Up

-- Every text that is compared or ordered by has collate "C": bytes, as SQLite does it and as the contract says, whatever
-- collation the database was made with. Times are microseconds since 1970 UTC. JSON is text: it is never searched, and
-- jsonb would rewrite numbers that a digest was taken of.

create table securable (
    id             text collate "C" primary key,
    parent_id      text collate "C" references securable (id),
    type           text collate "C" not null check (type in ('metastore', 'catalog', 'schema', 'model', 'prompt', 'endpoint')),
    full_name      text collate "C" not null,
    comment        text not null,
    owner          text collate "C" not null,
    latest_version bigint not null default 0,
    create_time    bigint not null,
    update_time    bigint not null,
    check ((type = 'metastore') = (parent_id is null)),
    unique (type, full_name)
);
create index securable_children on securable (parent_id, type, full_name);

insert into securable (id, parent_id, type, full_name, comment, owner, create_time, update_time)
values ('metastore', null, 'metastore', '', '', 'admins', 0, 0);

create table grants (
    securable_id text collate "C" not null references securable (id) on delete cascade,
    principal    text collate "C" not null,
    privilege    text collate "C" not null,
    grantor      text not null,
    create_time  bigint not null,
    primary key (securable_id, principal, privilege)
);

-- version 0 is the securable itself.
create table tag (
    securable_id text collate "C" not null references securable (id) on delete cascade,
    version      bigint not null,
    key          text collate "C" not null,
    value        text not null,
    primary key (securable_id, version, key)
);

create table alias (
    line_id text collate "C" not null references securable (id) on delete cascade,
    alias   text collate "C" not null,
    version bigint not null,
    primary key (line_id, alias)
);

create table model_version (
    model_id       text collate "C" not null references securable (id) on delete cascade,
    version        bigint not null check (version > 0),
    status         text not null check (status in ('PENDING_UPLOAD', 'READY', 'FAILED', 'ARCHIVED')),
    status_message text not null,
    format         text not null,
    comment        text not null,
    source         text not null,
    properties     text not null,
    creator        text not null,
    create_time    bigint not null,
    update_time    bigint not null,
    primary key (model_id, version)
);

-- One row per content in the bucket. condemned: about to be deleted there.
create table blob (
    sha256     text collate "C" primary key,
    size_bytes bigint not null,
    condemned  boolean not null,
    touch_time bigint not null
);
create index blob_age on blob (touch_time);

create table model_file (
    model_id   text collate "C" not null,
    version    bigint not null,
    path       text collate "C" not null,
    size_bytes bigint not null,
    sha256     text collate "C" not null references blob (sha256),
    primary key (model_id, version, path),
    foreign key (model_id, version) references model_version (model_id, version) on delete cascade
);
create index model_file_content on model_file (sha256);

-- template is null when the version is a list of messages, and messages is null when it is a template.
create table prompt_version (
    prompt_id   text collate "C" not null references securable (id) on delete cascade,
    version     bigint not null check (version > 0),
    template    text,
    messages    text,
    syntax      text not null,
    variables   text not null,
    parameters  text not null,
    comment     text not null,
    digest      text not null,
    creator     text not null,
    create_time bigint not null,
    primary key (prompt_id, version),
    check ((template is null) <> (messages is null))
);

create table edge (
    upstream    text collate "C" not null,
    downstream  text collate "C" not null,
    relation    text not null,
    creator     text not null,
    create_time bigint not null,
    primary key (upstream, downstream, relation)
);
create index edge_downstream on edge (downstream);

-- The row of head is locked by every transaction that writes, from its beginning to its end: it puts them in a line, and
-- the position it holds needs no gaps.
create table head (
    id       integer primary key check (id = 1),
    position bigint not null
);
insert into head (id, position) values (1, 0);

create table event (
    position  bigint primary key,
    kind      text not null,
    entity    text not null,
    type      text not null,
    full_name text not null,
    version   bigint not null,
    alias     text not null,
    actor     text not null,
    time      bigint not null
);

-- What has left PENDING_UPLOAD does not change any more, not even by hand. Error 23001 is restrict_violation. A version
-- that goes because its model goes is not held back: by then the model's row is gone.

-- +goose StatementBegin
create function model_version_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.status <> 'PENDING_UPLOAD' and exists (select from securable where id = old.model_id) then
            raise exception 'version % of % is immutable', old.version, old.model_id using errcode = '23001';
        end if;
        return old;
    end if;
    if (new.model_id, new.version, new.format, new.comment, new.source, new.creator, new.create_time)
           is distinct from (old.model_id, old.version, old.format, old.comment, old.source, old.creator, old.create_time)
       or old.status <> 'PENDING_UPLOAD' and (new.properties, new.status_message) is distinct from (old.properties, old.status_message)
       or new.status <> old.status
          and not (old.status = 'PENDING_UPLOAD' and new.status in ('READY', 'FAILED') or old.status = 'READY' and new.status = 'ARCHIVED') then
        raise exception 'version % of % is immutable', old.version, old.model_id using errcode = '23001';
    end if;
    return new;
end $$;
-- +goose StatementEnd
create trigger model_version_guard before update or delete on model_version for each row execute function model_version_guard();

-- +goose StatementBegin
create function model_file_guard() returns trigger language plpgsql as $$
declare
    f model_file := case when tg_op = 'INSERT' then new else old end;
begin
    if exists (select from model_version v where v.model_id = f.model_id and v.version = f.version and v.status <> 'PENDING_UPLOAD') then
        raise exception 'the files of version % of % are immutable', f.version, f.model_id using errcode = '23001';
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end $$;
-- +goose StatementEnd
create trigger model_file_guard before insert or update or delete on model_file for each row execute function model_file_guard();

-- +goose StatementBegin
create function prompt_version_guard() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and not exists (select from securable where id = old.prompt_id) then
        return old;
    end if;
    raise exception 'version % of % is immutable', old.version, old.prompt_id using errcode = '23001';
end $$;
-- +goose StatementEnd
create trigger prompt_version_guard before update or delete on prompt_version for each row execute function prompt_version_guard();

-- +goose Down
drop table prompt_version, model_file, model_version, blob, alias, tag, grants, securable, edge, event, head;
drop function prompt_version_guard, model_file_guard, model_version_guard;
