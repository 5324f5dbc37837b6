-- +goose Up
create table account (
    id text collate "C" not null primary key,
    balance bigint not null,
    seen_at bigint not null default 0
);

create table entry (
    account_id text collate "C" not null references account (id) on delete restrict,
    amount bigint not null
);

-- +goose Down
drop table entry;
drop table account;
