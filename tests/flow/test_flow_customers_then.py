"""From a CRM that is read day by day to slices: what a customer was at the event, whenever the CRM says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cxflow import flow
from cxflow.testing import TestProject

ORDERS = [("1", "ana", "01-15", 10), ("2", "ana", "02-15", 30), ("3", "ben", "02-20", 50)]
CONTACTS = {
    "january": [("ana", "new", "01-02"), ("ben", "new", "01-02")],
    "february": [("ana", "vip", "02-01")],
    "march": [("ben", "vip", "03-05")],
}


def configuration(segment: str = "segment") -> dict[str, Any]:
    profile = {"profile_id": "id", "segment": segment}
    order = {"order_id": "id", "created_at": "ordered", "price_total": "total", "currency_code": "'EUR'"}
    people = {"identifiers": {"email": "who"}, "pii": ["who"]}
    streams = {
        "contacts": {
            "path": "crm/*.jsonl",
            "primary_key": ["id"],
            "version": "changed",
            "to": {"customer_profile": profile},
            **people,
        },
        "orders": {"path": "orders.jsonl", "primary_key": ["id"], "to": {"order_header": order}, **people},
    }
    return {"connections": {"shop": {"connector": "files", "streams": streams}}, "kpis": {"min_n": 1}}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def export(project: TestProject, month: str) -> None:
    """What the CRM changed in a month."""
    rows = [
        {"id": who, "who": f"{who}@example.org", "segment": segment, "changed": f"2026-{changed}T00:00:00Z"}
        for who, segment, changed in CONTACTS[month]
    ]
    write(project.folder / "crm" / f"{month}.jsonl", rows)


@pytest.fixture
def shop(tmp_path: Path) -> TestProject:
    rows = [
        {"id": id_, "who": f"{who}@example.org", "ordered": f"2026-{at}T12:00:00Z", "total": total}
        for id_, who, at, total in ORDERS
    ]
    write(tmp_path / "orders.jsonl", rows)
    (tmp_path / "crm").mkdir()
    return TestProject(tmp_path, configuration())


def run(project: TestProject) -> None:
    project.run()
    project.settle()


def by_order(project: TestProject) -> list[str]:
    return [segment for _, segment in project.rows("mart_order", "order_id", "segment")]


def by_month(project: TestProject) -> dict[tuple[str, str], float]:
    found = project.query(
        "SELECT dimension_value, CAST(period_start AS VARCHAR), value FROM mart_kpi WHERE kpi = 'average_order_value' "
        "AND dimension = 'segment' AND grain = 'month' AND value IS NOT NULL"
    )
    return {(segment, month[5:7]): value for segment, month, value in found}


AT_THE_EVENT = {("new", "01"): 10, ("vip", "02"): 30, ("new", "02"): 50}


@pytest.mark.parametrize(
    "order",
    [
        ["january", "february", "march"],
        ["march", "january", "february"],
        pytest.param(["february", "march", "january"], marks=pytest.mark.long),
    ],
)
def test_a_day_by_day_load_in_any_order_slices_by_what_customers_were(
    shop: TestProject, order: list[str]
) -> None:
    for month in order:
        export(shop, month)
        shop.run()
        flow.resolve_identity(shop.settings)
    shop.settle()
    assert by_order(shop) == ["new", "vip", "new"]
    assert by_month(shop) == AT_THE_EVENT


def test_one_load_of_everything_is_the_same(shop: TestProject) -> None:
    for month in CONTACTS:
        export(shop, month)
    run(shop)
    assert by_order(shop) == ["new", "vip", "new"]
    assert by_month(shop) == AT_THE_EVENT


def test_a_change_publishes_only_what_it_changes(shop: TestProject) -> None:
    export(shop, "january")
    run(shop)
    before = shop.rows("kpi_value", "kpi", "grain", "period_start", "dimension_value", "value", "as_of")
    export(shop, "march")  # after all orders
    run(shop)
    after = shop.rows("kpi_value", "kpi", "grain", "period_start", "dimension_value", "value", "as_of")
    of_orders = {row for row in set(after) - set(before) if row[0] == "average_order_value"}
    assert of_orders == set(), "what happened before is as it was"
    export(shop, "february")
    run(shop)
    assert by_month(shop) == AT_THE_EVENT


def test_a_new_mapping_maps_what_customers_were_too(shop: TestProject) -> None:
    for month in CONTACTS:
        export(shop, month)
        shop.run()
    shop.reconfigure(configuration("upper(segment)"))
    flow.remap(shop.settings, "shop", "contacts")
    shop.settle()
    assert by_order(shop) == ["NEW", "VIP", "NEW"]
