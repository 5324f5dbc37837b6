-- +goose Up

-- The same tables as for PostgreSQL; the remarks there hold here. Text compares by bytes (BINARY is the default), and
-- STRICT tables refuse a value of another type than the column's.

create table monitors (
    name             text primary key,
    endpoint         text not null,
    spec             text not null check (json_valid(spec)),
    baseline_start   integer not null,
    baseline_end     integer not null,
    baseline_rows    integer not null,
    baseline_profile blob,
    refresh_us       integer not null,
    version          integer not null,
    owner            text not null,
    create_time      integer not null,
    update_time      integer not null,
    last_refresh     integer not null,
    last_error       text not null,
    table_version    integer not null,
    evaluated_from   integer not null,
    next_refresh     integer not null,
    lease_until      integer not null
) strict;
create index monitors_endpoint on monitors (endpoint, name);
create index monitors_due on monitors (next_refresh) where refresh_us > 0;

-- The secret signs deliveries. It leaves this table for the sender alone.
create table webhooks (
    monitor  text not null references monitors (name) on delete cascade,
    url      text not null,
    position integer not null,
    secret   text not null,
    primary key (monitor, url)
) strict;

create table profile_metrics (
    monitor         text not null references monitors (name) on delete cascade,
    window_start    integer not null,
    window_end      integer not null,
    log_type        text not null check (log_type in ('INPUT', 'BASELINE')),
    slice_key       text not null,
    slice_value     text not null,
    column_name     text not null,
    data_type       text not null,
    row_count       integer not null,
    num_nulls       integer not null,
    metrics         text not null check (json_valid(metrics)),
    monitor_version integer not null,
    table_version   integer not null,
    primary key (monitor, window_start, window_end, log_type, slice_key, slice_value, column_name)
) strict;

create table drift_metrics (
    monitor         text not null references monitors (name) on delete cascade,
    window_start    integer not null,
    window_end      integer not null,
    drift_type      text not null check (drift_type in ('BASELINE', 'CONSECUTIVE')),
    column_name     text not null,
    data_type       text not null,
    cmp_start       integer not null,
    cmp_end         integer not null,
    n_ref           integer not null,
    n_cur           integer not null,
    effect_name     text not null,
    effect          real,
    p               real,
    p_adj           real,
    drifted         integer not null check (drifted in (0, 1)),
    status          text not null,
    method          text not null,
    metrics         text not null check (json_valid(metrics)),
    monitor_version integer not null,
    primary key (monitor, window_start, window_end, drift_type, column_name)
) strict;

create table alerts (
    id            text primary key,
    monitor       text not null references monitors (name) on delete cascade,
    endpoint      text not null,
    threshold_key text not null,
    threshold     text not null check (json_valid(threshold)),
    state         text not null check (state in ('OPEN', 'CLOSED')),
    columns       text not null check (json_valid(columns)),
    value         real not null,
    window_start  integer not null,
    window_end    integer not null,
    message       text not null,
    open_time     integer not null,
    close_time    integer not null
) strict;
create unique index alerts_one_open on alerts (monitor, threshold_key) where state = 'OPEN';
create index alerts_newest on alerts (open_time, id);
create index alerts_monitor on alerts (monitor, open_time, id);

create table alert_events (
    id          text primary key,
    alert_id    text not null references alerts (id) on delete cascade,
    kind        text not null,
    payload     text not null check (json_valid(payload)),
    create_time integer not null
) strict;
create index alert_events_alert on alert_events (alert_id);

-- The outbox: written in the transaction that changes the alert, emptied by the sender.
create table webhook_deliveries (
    event_id     text not null references alert_events (id) on delete cascade,
    url          text not null,
    alert_id     text not null,
    monitor      text not null,
    state        text not null check (state in ('PENDING', 'DELIVERED', 'ABANDONED')),
    attempts     integer not null,
    next_attempt integer not null,
    lease_until  integer not null,
    last_error   text not null,
    update_time  integer not null,
    primary key (event_id, url)
) strict;
create index webhook_deliveries_due on webhook_deliveries (next_attempt) where state = 'PENDING';
create index webhook_deliveries_alert on webhook_deliveries (alert_id, url);

create table feedback (
    id          text primary key,
    request_id  text not null,
    endpoint    text not null,
    name        text not null,
    value       text not null check (json_valid(value)),
    rationale   text not null,
    source      text not null check (source in ('HUMAN', 'LLM_JUDGE', 'CODE')),
    creator     text not null,
    create_time integer not null
) strict;
create index feedback_request on feedback (request_id, create_time, id);
create index feedback_endpoint on feedback (endpoint, create_time, id);
create index feedback_newest on feedback (create_time, id);

-- +goose Down
drop table feedback;
drop table webhook_deliveries;
drop table alert_events;
drop table alerts;
drop table drift_metrics;
drop table profile_metrics;
drop table webhooks;
drop table monitors;
