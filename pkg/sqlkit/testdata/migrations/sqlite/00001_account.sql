-- +goose Up
create table account (
    id text not null primary key,
    balance integer not null,
    seen_at integer not null default 0
) strict;

create table entry (
    account_id text not null references account (id) on delete restrict,
    amount integer not null
) strict;

-- +goose Down
drop table entry;
drop table account;
