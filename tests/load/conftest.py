"""One warehouse on each database for the tests of the load, emptied between them; expectations have their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from trip_bench import Bench, NewWarehouse

from cxflow.validate import runner

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
ORDER = {
    "touchpoint": {"activity": "'placed_order'", "channel": "'web'", "occurred_at": "day", "order_id": "id"},
    "order_header": {"order_id": "coalesce(number, id)", "created_at": "day", "price_total": "total"},
    "order_line": {
        "for_each": "lines",
        "order_id": "coalesce(number, id)",
        "line_no": "item_no::VARCHAR",
        "quantity": "item",
    },
}
COMMON = {
    "primary_key": ["id"],
    "max_rejected_share": 1,
    "to": ORDER,
    "deleted": "gone",
    "identifiers": {"email": "mail"},
    "may_lack": ["number", "day", "total", "lines", "gone", "mail", "changed"],
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    streams = {
        "things": {**COMMON, "version": "changed"},
        "dumps": COMMON,
        "lasts": {**COMMON, "policies": {"duplicate_key": "latest"}},
        "stricts": {**COMMON, "version": "changed", "policies": {"duplicate_key": "quarantine"}},
    }
    return Bench(tmp_path_factory.mktemp("load"), streams, warehouse=new_warehouse())


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    warehouse.clear()
