"""delta-rs reads the inference table that the platform writes while it is written to."""

import json
import os
import time
import urllib.request

from deltalake import DeltaTable

URL = os.environ["SLIPWAY_URL"]
HEAD = {"Authorization": "Bearer " + os.environ["SLIPWAY_TOKEN"]}


def get(path):
    with urllib.request.urlopen(urllib.request.Request(URL + path, headers=HEAD), timeout=30) as answer:
        return json.load(answer)


def audit():
    return get("/api/slipway/v1/inferences:audit")


def log_status():
    return get("/api/slipway/v1/request-log")


def settled():
    """The audit once everything admitted is durable."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        s = log_status()
        if int(s.get("pending", 0)) == 0 and int(s.get("inFlight", 0)) == 0:
            return s, audit()
        time.sleep(0.2)  # polling another process; bounded above
    raise AssertionError(f"log did not settle: {log_status()}")


def test_delta_rs_reads_every_row_once():
    status, table_audit = settled()
    table = DeltaTable(table_audit["tableUri"])
    rows = table.to_pyarrow_table(columns=["request_id", "endpoint", "status_code", "request_time", "input_tokens", "lang"])
    assert rows.num_rows == int(table_audit["rows"])
    assert rows.num_rows == int(status["acknowledged"])
    ids = rows.column("request_id").to_pylist()
    assert len(set(ids)) == len(ids), "a row is doubled"
    assert str(rows.schema.field("request_time").type) == "timestamp[us, tz=UTC]"


def test_delta_rs_prunes_by_partition_and_reads_history():
    _, table_audit = settled()
    table = DeltaTable(table_audit["tableUri"])
    assert table.metadata().partition_columns == ["request_date", "endpoint"]
    endpoint = os.environ["CONFORMANCE_ENDPOINT"]
    mine = table.to_pyarrow_table(filters=[("endpoint", "=", endpoint)], columns=["request_id", "status_code"])
    assert mine.num_rows > 0
    assert 200 in mine.column("status_code").to_pylist()
    assert table.history(1)[0]["operation"]
    assert table.protocol().min_reader_version == 1


def test_delta_rs_opens_the_table_at_an_older_version():
    _, table_audit = settled()
    version = int(table_audit["tableVersion"])
    assert DeltaTable(table_audit["tableUri"], version=max(0, version - 1)).version() == max(0, version - 1)
