-- +goose Up
alter table entry add column note text not null default '';

-- +goose Down
alter table entry drop column note;
