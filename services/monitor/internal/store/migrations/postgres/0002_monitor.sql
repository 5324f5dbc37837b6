-- +goose Up

-- Monitors, what they compute, the alerts they open, and what people say of answers. Text that is compared or ordered by
-- has collate "C": bytes, as SQLite does it. Times are microseconds since 1970 UTC, 0 means none. JSON is text: it is
-- read whole, never searched. Truth is 0 or 1, so that one scan reads both dialects.

create table monitors (
    name             text collate "C" primary key,
    endpoint         text collate "C" not null,
    spec             text not null, -- granularity, columns, thresholds, min_rows, fdr
    baseline_start   bigint not null,
    baseline_end     bigint not null,
    baseline_rows    bigint not null,
    baseline_profile bytea,
    refresh_us       bigint not null, -- 0: on demand
    version          bigint not null,
    owner            text not null,
    create_time      bigint not null,
    update_time      bigint not null,
    last_refresh     bigint not null,
    last_error       text not null,
    table_version    bigint not null, -- of the inference table, up to which rows are in the metrics; -1: none
    evaluated_from   bigint not null,
    next_refresh     bigint not null,
    lease_until      bigint not null
);
create index monitors_endpoint on monitors (endpoint, name);
create index monitors_due on monitors (next_refresh) where refresh_us > 0;

-- The secret signs deliveries. It leaves this table for the sender alone.
create table webhooks (
    monitor  text collate "C" not null references monitors (name) on delete cascade,
    url      text collate "C" not null,
    position integer not null,
    secret   text not null,
    primary key (monitor, url)
);

create table profile_metrics (
    monitor         text collate "C" not null references monitors (name) on delete cascade,
    window_start    bigint not null,
    window_end      bigint not null,
    log_type        text collate "C" not null check (log_type in ('INPUT', 'BASELINE')),
    slice_key       text collate "C" not null,
    slice_value     text collate "C" not null,
    column_name     text collate "C" not null,
    data_type       text not null,
    row_count       bigint not null,
    num_nulls       bigint not null,
    metrics         text not null, -- moments, quantiles, frequent items
    monitor_version bigint not null,
    table_version   bigint not null,
    primary key (monitor, window_start, window_end, log_type, slice_key, slice_value, column_name)
);

create table drift_metrics (
    monitor         text collate "C" not null references monitors (name) on delete cascade,
    window_start    bigint not null,
    window_end      bigint not null,
    drift_type      text collate "C" not null check (drift_type in ('BASELINE', 'CONSECUTIVE')),
    column_name     text collate "C" not null,
    data_type       text not null,
    cmp_start       bigint not null,
    cmp_end         bigint not null,
    n_ref           bigint not null,
    n_cur           bigint not null,
    effect_name     text not null,
    effect          double precision,
    p               double precision,
    p_adj           double precision,
    drifted         integer not null check (drifted in (0, 1)),
    status          text not null,
    method          text not null,
    metrics         text not null, -- the other distances
    monitor_version bigint not null,
    primary key (monitor, window_start, window_end, drift_type, column_name)
);

create table alerts (
    id            text collate "C" primary key,
    monitor       text collate "C" not null references monitors (name) on delete cascade,
    endpoint      text collate "C" not null,
    threshold_key text collate "C" not null,
    threshold     text not null,
    state         text collate "C" not null check (state in ('OPEN', 'CLOSED')),
    columns       text not null,
    value         double precision not null,
    window_start  bigint not null,
    window_end    bigint not null,
    message       text not null,
    open_time     bigint not null,
    close_time    bigint not null
);
-- Two refreshes at once may both see a crossing: only one of them can open the alert.
create unique index alerts_one_open on alerts (monitor, threshold_key) where state = 'OPEN';
create index alerts_newest on alerts (open_time, id);
create index alerts_monitor on alerts (monitor, open_time, id);

create table alert_events (
    id          text collate "C" primary key,
    alert_id    text collate "C" not null references alerts (id) on delete cascade,
    kind        text not null,
    payload     text not null, -- the bytes that are signed and sent, however often
    create_time bigint not null
);
create index alert_events_alert on alert_events (alert_id);

-- The outbox: written in the transaction that changes the alert, emptied by the sender.
create table webhook_deliveries (
    event_id     text collate "C" not null references alert_events (id) on delete cascade,
    url          text collate "C" not null,
    alert_id     text collate "C" not null,
    monitor      text collate "C" not null,
    state        text collate "C" not null check (state in ('PENDING', 'DELIVERED', 'ABANDONED')),
    attempts     integer not null,
    next_attempt bigint not null,
    lease_until  bigint not null,
    last_error   text not null,
    update_time  bigint not null,
    primary key (event_id, url)
);
create index webhook_deliveries_due on webhook_deliveries (next_attempt) where state = 'PENDING';
create index webhook_deliveries_alert on webhook_deliveries (alert_id, url);

create table feedback (
    id          text collate "C" primary key,
    request_id  text collate "C" not null,
    endpoint    text collate "C" not null,
    name        text collate "C" not null,
    value       text not null, -- JSON: true, false, a number or a text
    rationale   text not null,
    source      text not null check (source in ('HUMAN', 'LLM_JUDGE', 'CODE')),
    creator     text collate "C" not null,
    create_time bigint not null
);
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
